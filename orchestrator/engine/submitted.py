"""Submissions that the store has yet to keep: read from Redis as they were planned, by the service."""

from __future__ import annotations

import json
from typing import Any, cast

import redis

from orchestrator.contracts.calls import is_probe
from orchestrator.contracts.errors import RecordDamaged
from orchestrator.contracts.records import RECORD_VERSION
from orchestrator.engine.history import readable
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.connection import answering
from orchestrator.store.keys import Keys
from orchestrator.store.manifests import write_submission
from orchestrator.store.steps import process_of, settle

PAGE = 200  # submissions of one look


def keep_submissions(client: redis.Redis, keys: Keys, store: ArtifactStore) -> int:
    """Write what was asked for since it was last called; how many. Any number may do so at once.

    Raises `RecordDamaged` for what cannot be read, after all others are kept; it stays where it is.
    """
    kept, damaged = 0, list[RecordDamaged]()
    process = process_of(client)
    while waiting := _waiting(client, keys, after=len(damaged)):
        settle(client, keys, process)
        for member, at in waiting:
            try:
                _keep(client, keys, store, member, at / 1000)
                kept += 1
            except RecordDamaged as error:
                damaged.append(error)
    if damaged:
        raise damaged[0]
    return kept


def _waiting(client: redis.Redis, keys: Keys, after: int) -> list[tuple[str, float]]:
    with answering(client):
        page = client.zrange(keys("submitted"), after, after + PAGE - 1, withscores=True)
    return cast("list[tuple[str, float]]", page)


def _keep(client: redis.Redis, keys: Keys, store: ArtifactStore, member: str, at: float) -> None:
    run, _, generation = member.rpartition("@")
    if not is_probe(run):
        with readable(run):
            data = _record(client, keys, run, int(generation), at)
        if data is not None:
            write_submission(store, run, int(generation), data)
    with answering(client):
        client.zrem(keys("submitted"), member)


def _record(client: redis.Redis, keys: Keys, run: str, generation: int, at: float) -> bytes | None:
    """A SubmissionRecord as JSON; None when the run is of a later generation by now.

    Calls go from Redis to the record as text: thousands are not parsed for it.
    """
    with answering(client), client.pipeline(transaction=True) as reading:
        reading.hgetall(keys.run(run))
        reading.hgetall(keys.run(run, "calls"))
        fields, calls = reading.execute()
    if not fields or int(fields["generation"]) != generation:
        return None
    plan: dict[str, Any] = {
        "version": int(fields["plan_version"]),
        "workflow": fields["workflow"],
        "on_failure": fields["on_failure"],
        "max_parallel": int(fields["max_parallel"]) if "max_parallel" in fields else None,
        "spec": json.loads(fields["spec"]),
        "notes": json.loads(fields["notes"]),
    }
    record = {
        "version": RECORD_VERSION,
        "run": run,
        "generation": generation,
        "author": fields["author"],
        "created": int(fields["created"]) / 1000,
        "submitted": at,
        "seed": int(fields["seed"]),
        "plan_digest": fields["identity"],
    }
    stages = ",".join(calls[stage] for stage in sorted(calls))
    head, planned = json.dumps(record)[:-1], json.dumps(plan)[:-1]
    return f'{head},"plan":{planned},"stages":[{stages}]}}}}'.encode()

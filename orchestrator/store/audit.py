"""The audit log: every decision, from the outbox in Redis to create-only records in the store.

A decision's Lua step puts its entry in the outbox; draining copies it to `audit/<number>.json` and then trims the
outbox. An entry's number is its place since the beginning, so whoever drains, however often, writes the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from orchestrator.contracts.errors import RecordConflict
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.connection import answering
from orchestrator.store.keys import Keys
from orchestrator.store.steps import step

if TYPE_CHECKING:
    import redis

FOLDER = "audit/"
BATCH = 100  # entries between two trims


def drain(client: redis.Redis, settings: Settings, store: ArtifactStore) -> int:
    """Move what stands in the outbox to the store; how many entries. Any number may drain at once."""
    keys, moved = Keys(settings.namespace), 0
    while True:
        start, entries = _waiting(client, keys)
        if not entries:
            return moved
        try:
            for number, entry in enumerate(entries, start + 1):
                store.put_record(_name(number), entry.encode())
        except RecordConflict:  # Redis lost its count, with its data or the end of its file: go on after the last
            step(client, "drained", keys, start, -_last(store))
            continue
        moved += len(entries) * int(step(client, "drained", keys, start, len(entries)))


def entries(store: ArtifactStore) -> Iterator[dict[str, Any]]:
    """All decisions in the store, in their order; `number` is an entry's place."""
    for name in store.records(FOLDER):
        data = store.get_record(name)
        if data is not None:
            yield {**json.loads(data), "number": _number(name)}


def _waiting(client: redis.Redis, keys: Keys) -> tuple[int, list[str]]:
    """How many entries were drained so far, and the next ones, as of one moment."""
    with answering(client), client.pipeline(transaction=True) as reading:
        reading.get(keys("audit:drained"))
        reading.lrange(keys("audit:outbox"), 0, BATCH - 1)
        drained, waiting = reading.execute()
    return int(drained or 0), waiting


def _last(store: ArtifactStore) -> int:
    return max((_number(name) for name in store.records(FOLDER)), default=0)


def _name(number: int) -> str:
    return f"{FOLDER}{number:012d}.json"


def _number(name: str) -> int:
    return int(name.removeprefix(FOLDER).removesuffix(".json"))

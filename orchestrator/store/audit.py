"""The audit log: every decision, from the outbox in Redis to create-only records in the store.

A decision's Lua step puts its entry in the outbox; draining copies it to `audit/<number>.json` and then trims the
outbox. An entry's number is its place since the beginning, so whoever drains, however often, writes the same bytes.
An entry is on Redis's disk before it is in the store: the store never tells of what Redis could still forget.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from orchestrator.contracts.errors import RecordConflict, RecordDamaged
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.connection import answering
from orchestrator.store.keys import Keys
from orchestrator.store.manifests import read_records
from orchestrator.store.steps import process_of, settle, step

if TYPE_CHECKING:
    import redis

FOLDER = "audit/"
BATCH = 100  # entries between two trims
_ENTRY = re.compile(FOLDER + r"([0-9]{12,})\.json")


def drain(client: redis.Redis, settings: Settings, store: ArtifactStore) -> int:
    """Move what stands in the outbox to the store; how many entries. Any number may drain at once."""
    keys, moved = Keys(settings.namespace), 0
    while True:
        process = process_of(client)
        start, entries = _waiting(client, keys)
        if not entries:
            return moved
        settle(client, keys, process)
        kept = _keep(store, start, entries)
        moved += kept * int(step(client, "drained", keys, start, kept))
        if kept < len(entries):  # Redis lost its count, with its data or the end of its file: go on after the last
            step(client, "drained", keys, start + kept, -last_number(store))


def entries(store: ArtifactStore, damaged: Callable[[RecordDamaged], None] | None = None) -> Iterator[dict[str, Any]]:
    """All decisions in the store, in their order; `number` is an entry's place.

    Raises `RecordDamaged` for one that cannot be read, unless `damaged` takes it.
    """
    numbers = _numbers(store)
    for name, data in read_records(store, sorted(numbers, key=numbers.__getitem__)):
        try:
            entry = _parse(name, data or b"")
        except RecordDamaged as error:
            if damaged is None:
                raise
            damaged(error)
            continue
        yield {**entry, "number": numbers[name]}


def last_number(store: ArtifactStore) -> int:
    """The number of the last entry in the store; 0: there is none."""
    return max(_numbers(store).values(), default=0)


def _numbers(store: ArtifactStore) -> dict[str, int]:
    """The number of each entry by the name of its record; what somebody else has put there is passed over."""
    found = (_ENTRY.fullmatch(name) for name in store.records(FOLDER))
    return {entry[0]: int(entry[1]) for entry in found if entry}


def _keep(store: ArtifactStore, start: int, entries: list[str]) -> int:
    """Write entries after `start`; how many, up to one whose place the store has given to another."""
    for place, entry in enumerate(entries):
        try:
            store.put_record(_name(start + place + 1), entry.encode())
        except RecordConflict:
            return place
    return len(entries)


def _waiting(client: redis.Redis, keys: Keys) -> tuple[int, list[str]]:
    """How many entries were drained so far, and the next ones, as of one moment."""
    with answering(client), client.pipeline(transaction=True) as reading:
        reading.get(keys("audit:drained"))
        reading.lrange(keys("audit:outbox"), 0, BATCH - 1)
        drained, waiting = reading.execute()
    return int(drained or 0), waiting


def _parse(name: str, data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RecordDamaged(f"{name} in the store is no JSON object: put it back from a backup", name)
    return found


def _name(number: int) -> str:
    return f"{FOLDER}{number:012d}.json"

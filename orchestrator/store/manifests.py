"""Manifests: what the ledger knew of a run when it ended, kept in the store for good."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.contracts.errors import InvalidInput, RecordConflict
from orchestrator.contracts.records import RECORD_VERSION, RunRecord
from orchestrator.store.artifacts import ArtifactStore

_RUN = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


def write_manifest(store: ArtifactStore, record: RunRecord) -> str:
    """Keep an ended run's record; the name under which it is kept.

    Each generation has one manifest, and the first one written stays: writers of the same generation agree on all
    but the position in the event stream.
    """
    name = _name(record.run, record.generation)
    try:
        store.put_record(name, record.model_dump_json().encode())
    except RecordConflict:
        kept = store.get_record(name)
        if kept is None or _essence(RunRecord.model_validate_json(kept)) != _essence(record):
            raise
    return name


def read_manifest(store: ArtifactStore, run: str, generation: int | None = None) -> RunRecord | None:
    """A run's record as its manifest has it; of the latest generation unless one is named."""
    if generation is not None:
        data = store.get_record(_name(run, generation))
        return None if data is None else _parse(data)
    last = data = store.get_record(_name(run, 1))
    generation = 2
    while data is not None:
        last, data = data, store.get_record(_name(run, generation))
        generation += 1
    return None if last is None else _parse(last)


def manifests(store: ArtifactStore) -> Iterator[str]:
    """The runs that have a manifest, sorted."""
    names = (name.removeprefix("manifests/").removesuffix(".json") for name in store.records("manifests/"))
    return (name for name in names if "@" not in name)


def _name(run: str, generation: int) -> str:
    """`manifests/RUN.json`; a retry's generation is named beside it."""
    if not _RUN.fullmatch(run):
        raise InvalidInput(f"{run!r} is no name of a run: see `cyclery runs`")
    return f"manifests/{run}.json" if generation == 1 else f"manifests/{run}@{generation}.json"


def _essence(record: RunRecord) -> RunRecord:
    return record.model_copy(update={"position": ""})


def _parse(data: bytes) -> RunRecord:
    record = RunRecord.model_validate_json(data)
    if record.version > RECORD_VERSION:
        raise InvalidInput(f"the manifest of {record.run} is of a newer version of Cyclery: update this one")
    return record

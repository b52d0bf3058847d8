"""Manifests and submissions: what was asked of a run and what the ledger knew of it when it ended, kept for good.

Each generation of a run has one record of each kind: `manifests/RUN.json`, `submissions/RUN@2.json`. A run that waits
for a person has checkpoints too, one for each time: `checkpoints/RUN@2+25.json` after 25 stages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pydantic import ValidationError

from orchestrator.contracts.errors import InvalidInput, RecordConflict, RecordDamaged
from orchestrator.contracts.records import RECORD_VERSION, Record, RunRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.submissions import SubmissionRecord
from orchestrator.store.artifacts import ArtifactStore

MANIFESTS, SUBMISSIONS, CHECKPOINTS = "manifests", "submissions", "checkpoints"
READERS = 16  # of many records at once: a remote store answers slowly, but many
WINDOW = 256  # records that wait in memory to be looked at
_RUN = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


def write_manifest(store: ArtifactStore, record: RunRecord) -> str:
    """Keep an ended run's record; the name under which it is kept.

    Each generation has one manifest, and the first one written stays: writers of the same generation agree on all
    but the position in the event stream. Raises RecordConflict, and RecordDamaged where the first cannot be read.
    """
    name = record_name(MANIFESTS, record.run, record.generation)
    try:
        store.put_record(name, record.model_dump_json().encode())
    except RecordConflict:
        kept = store.get_record(name)
        if kept is None or _essence(_parsed(record.run, kept, RunRecord.model_validate_json)) != _essence(record):
            raise
    return name


def read_manifest(store: ArtifactStore, run: str, generation: int | None = None) -> RunRecord | None:
    """A run's record as its manifest has it; of the latest generation unless one is named.

    Raises RecordDamaged where it cannot be read.
    """
    if generation is not None:
        data = store.get_record(record_name(MANIFESTS, run, generation))
        return None if data is None else _parsed(run, data)
    last = data = store.get_record(record_name(MANIFESTS, run, 1))
    generation = 2
    while data is not None:
        last, data = data, store.get_record(record_name(MANIFESTS, run, generation))
        generation += 1
    return None if last is None else _parsed(run, last)


def manifests(store: ArtifactStore) -> Iterator[str]:
    """The runs that have a manifest, sorted."""
    return iter(sorted(generations(store, MANIFESTS)))


def write_submission(store: ArtifactStore, run: str, generation: int, data: bytes) -> None:
    """Keep what was asked for; the first one written stays, since later ones could only say the same."""
    with suppress(RecordConflict):  # the run had grown between two looks at it
        store.put_record(record_name(SUBMISSIONS, run, generation), data)


def write_checkpoint(store: ArtifactStore, record: RunRecord) -> None:
    """Keep how far a run has come; the first one written at this point stays, later ones say the same."""
    done = sum(1 for stage in record.stages if stage.state is StageState.DONE)
    name = f"{CHECKPOINTS}/{record.run}@{record.generation}+{done}.json"
    with suppress(RecordConflict):  # times of what goes on beside it
        store.put_record(name, record.model_dump_json().encode())


def last_checkpoints(store: ArtifactStore) -> dict[tuple[str, int], str]:
    """The name of the last checkpoint of each run and generation that has one."""
    found: dict[tuple[str, int], tuple[int, str]] = {}
    for name in store.records(f"{CHECKPOINTS}/"):
        run, _, place = name.removeprefix(f"{CHECKPOINTS}/").removesuffix(".json").partition("@")
        generation, _, done = place.partition("+")
        if generation.isdigit() and done.isdigit():
            key = (run, int(generation))
            found[key] = max(found.get(key, (0, "")), (int(done), name))
    return {key: name for key, (_, name) in found.items()}


def generations(store: ArtifactStore, kind: str) -> dict[str, int]:
    """Each run that has records of this kind, with its latest generation."""
    found: dict[str, int] = {}
    for name in store.records(f"{kind}/"):
        run, _, generation = name.removeprefix(f"{kind}/").removesuffix(".json").partition("@")
        if generation.isdigit() or not generation:
            found[run] = max(found.get(run, 0), int(generation or 1))
    return found


def read_records(store: ArtifactStore, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Many records in the order of their names, several at a time; None where there is none."""
    pending = list(names)
    with ThreadPoolExecutor(READERS, thread_name_prefix="records") as readers:
        for start in range(0, len(pending), WINDOW):
            window = pending[start : start + WINDOW]
            yield from zip(window, readers.map(store.get_record, window), strict=True)


def record_name(kind: str, run: str, generation: int) -> str:
    """`manifests/RUN.json`; a retry's generation is named beside it."""
    if not _RUN.fullmatch(run):
        raise InvalidInput(f"{run!r} is no name of a run: see `cyclery runs`")
    return f"{kind}/{run}.json" if generation == 1 else f"{kind}/{run}@{generation}.json"


def parse_manifest(data: bytes) -> RunRecord:
    """A manifest's record; raises ValueError when it is damaged, InvalidInput when it is of a newer release."""
    _require_known(data, "manifest")
    return RunRecord.model_validate_json(data)


def _parsed(run: str, data: bytes, parse: Callable[[bytes], RunRecord] = parse_manifest) -> RunRecord:
    try:
        return parse(data)
    except ValueError as error:
        raise RecordDamaged(f"the manifest of {run} in the store is damaged: put it back from a backup", run) from error


def parse_submission(data: bytes) -> SubmissionRecord:
    """What was asked for; raises as `parse_manifest` does."""
    _require_known(data, "submission")
    return SubmissionRecord.model_validate_json(data)


class _Versioned(Record):
    """What every version of a record says of itself."""

    version: int
    run: str


def _require_known(data: bytes, kind: str) -> None:
    """A record of a newer version is named so before it is read: its shape may be another."""
    with suppress(ValidationError):
        found = _Versioned.model_validate_json(data)
        if found.version > RECORD_VERSION:
            raise InvalidInput(f"the {kind} of {found.run} is of a newer version of Cyclery: update this one")


def _essence(record: RunRecord) -> RunRecord:
    return record.model_copy(update={"position": ""})

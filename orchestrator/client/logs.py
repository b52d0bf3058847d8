"""A run's logs: whole ones from the store, live ones from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.client.session import Session
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.spec.problems import did_you_mean

if TYPE_CHECKING:
    from orchestrator.client.run import Run

BLOCK_MS = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a stage wrote."""

    stage: str
    attempt: int
    line: str


def stage_of(record: RunRecord, text: str) -> StageRecord:
    """The stage of a run that a person names, by its id or a prefix that no other has."""
    found = record.stage(text)
    if found is not None:
        return found
    near = [stage for stage in record.stages if stage.id.startswith(text)]
    if len(near) == 1:
        return near[0]
    ids = [stage.id for stage in record.stages]
    if near:
        raise InvalidInput(f"{text!r} begins several stages: {', '.join(stage.id for stage in near[:5])}")
    raise InvalidInput(f"{record.run} has no stage {text!r}{did_you_mean(text, ids)}")


def lines_of(session: Session, run: Run, stage: str | None) -> Iterator[Line]:
    """What was written so far: kept logs of ended stages in the order of the plan, then what is being written."""
    record = run.record()
    wanted = [stage_of(record, stage)] if stage is not None else list(record.stages)
    kept: set[tuple[str, int]] = set()
    for one in wanted:
        if one.log is not None:
            kept.add((one.id, one.attempt))
            text = session.store.read(one.log).decode(errors="replace")
            yield from (Line(one.id, one.attempt, line) for line in text.splitlines())
    ids = {one.id for one in wanted}
    for _, line in _live(session, run.id, "0-0"):
        if line.stage in ids and (line.stage, line.attempt) not in kept:
            yield line


def follow(session: Session, run: Run, stage: str | None) -> Iterator[Line]:
    """What was written so far, then each line as it is written, until the stage or the run ended."""
    position = _last(session, run.id)
    yield from lines_of(session, run, stage)
    wanted = stage_of(run.record(), stage).id if stage is not None else None
    while True:
        ended = _ended(run.record(), wanted)
        for at, line in _live(session, run.id, position, block_ms=None if ended else BLOCK_MS):
            position = at
            if wanted in (None, line.stage):
                yield line
        if ended:
            return


def _ended(record: RunRecord, stage: str | None) -> bool:
    if record.status.ended:
        return True
    found = record.stage(stage) if stage is not None else None
    return found is not None and StageState(found.state).terminal


def _last(session: Session, run: str) -> str:
    """The position up to which the live log is written now."""
    position = "0-0"
    for at, _ in _live(session, run, "0-0"):
        position = at
    return position


def _live(session: Session, run: str, after: str, block_ms: int | None = None) -> Iterator[tuple[str, Line]]:
    while True:
        entries = session.history.live_log(run, after, block_ms=block_ms)
        if not entries:
            return
        for position, entry in entries:
            yield position, Line(entry["stage"], int(entry["attempt"]), entry["line"])
        after, block_ms = entries[-1][0], None

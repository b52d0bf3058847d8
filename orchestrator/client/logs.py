"""A run's logs: whole ones from the store, live ones from the ledger."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.client.session import Session
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import RunRecord, StageRecord
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

    def of(self, named: str | None) -> str:
        """The stage that is told with the line: none where it is the very one that a person named."""
        of_its_fold = named is not None and "/" in self.stage.removeprefix(named)  # where its trial is named
        return self.stage if named is None or of_its_fold else ""


def stages_of(record: RunRecord, text: str) -> list[StageRecord]:
    """The stage that a person names; with a trial those of its folds, before it."""
    named = stage_of(record, text)
    return [*(one for one in record.fits(named) if one is not named), named]


def stage_of(record: RunRecord, text: str) -> StageRecord:
    """The stage of a run that a person names, by its id or a prefix that no other has."""
    found = record.stage(text)
    if found is not None:
        return found
    near = [stage for stage in record.stages if stage.id.startswith(text)]
    folds = {one.id for trial in near for one in record.fits(trial) if one is not trial}  # they come with their trial
    near = [stage for stage in near if stage.id not in folds]
    if len(near) == 1:
        return near[0]
    ids = [stage.id for stage in record.stages]
    if near:
        raise InvalidInput(f"{text!r} begins several stages: {', '.join(stage.id for stage in near[:5])}")
    raise InvalidInput(f"{record.run} has no stage {text!r}{did_you_mean(text, ids)}")


def lines_of(session: Session, run: Run, stage: str | None) -> Iterator[Line]:
    """What was written so far: kept logs of ended stages in the order of the plan, then what is being written."""
    lines, _ = _so_far(session, run.record(), stage)
    yield from lines


class Following:
    """The lines of a run as they are written; iterating again after an outage goes on where it broke off."""

    def __init__(self, session: Session, run: Run, stage: str | None) -> None:
        self._session, self._run, self._stage = session, run, stage
        self._position: str | None = None  # in the live log
        self._ready: deque[Line] = deque()  # read, and not yet taken

    def __iter__(self) -> Iterator[Line]:
        record = self._run.record()
        if self._position is None:
            lines, self._position = _so_far(self._session, record, self._stage)
            self._ready.extend(lines)
        wanted = [one.id for one in stages_of(record, self._stage)] if self._stage is not None else None
        while True:
            yield from self._take()
            # Before reading: what was written until then is read.
            ended = _ended(self._run.record(), wanted[-1] if wanted else None)
            for at, line in _live(self._session, self._run.id, self._position, block_ms=None if ended else BLOCK_MS):
                self._position = at
                if wanted is None or line.stage in wanted:
                    yield line
            if ended:
                return

    def _take(self) -> Iterator[Line]:
        while self._ready:
            yield self._ready.popleft()


def _so_far(session: Session, record: RunRecord, stage: str | None) -> tuple[list[Line], str]:
    """The lines up to now, stage after stage and attempt after attempt, and where in the live log they end."""
    wanted = stages_of(record, stage) if stage is not None else list(record.stages)
    live = list(_live(session, record.run, "0-0"))
    kept: set[tuple[str, int]] = set()
    lines: list[Line] = []
    for one in wanted:
        if one.log is not None:
            kept.add((one.id, one.attempt))
            text = session.store.read(one.log).decode(errors="replace")
            lines += [Line(one.id, one.attempt, line) for line in text.splitlines()]
    places = {one.id: place for place, one in enumerate(wanted)}
    lines += [line for _, line in live if line.stage in places and (line.stage, line.attempt) not in kept]
    lines.sort(key=lambda line: (places[line.stage], line.attempt))  # stable: an attempt's lines stay in order
    return lines, live[-1][0] if live else "0-0"


def _ended(record: RunRecord, stage: str | None) -> bool:
    if record.status.ended:
        return True
    found = record.stage(stage) if stage is not None else None
    return found is not None and found.state.terminal


def _live(session: Session, run: str, after: str, block_ms: int | None = None) -> Iterator[tuple[str, Line]]:
    while True:
        entries = session.history.live_log(run, after, block_ms=block_ms)
        if not entries:
            return
        for position, entry in entries:
            yield position, Line(entry["stage"], int(entry["attempt"]), entry["line"])
        after, block_ms = entries[-1][0], None

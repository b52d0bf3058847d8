"""How much longer a run may take: what its stages took so far, and what they took the time before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.training import FITS
from orchestrator.plan.estimate import label

WORTH_S = 1.0  # less is not worth saying while something is unknown


@dataclass(frozen=True, slots=True)
class Left:
    """Seconds that a run may still take; `more` where something is to come that nothing is known of."""

    seconds: float
    more: bool = False


class TimeLeft:
    """An estimate that gets better while the run goes on."""

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._slots = slots  # processes by queue

    def of(self, record: RunRecord) -> Left | None:
        """None where nothing is known of a trial that is still to run, or hardly anything of all that is.

        Trials share their pool's processes; the other stages mostly follow one another. A search that decides as it
        goes may ask for trials that are in no list yet.
        """
        open_stages = [stage for stage in record.stages if not stage.state.terminal]
        if not open_stages or record.status.ended:
            return None
        known = _means(record)
        total, more = 0.0, False
        for stage in open_stages:
            expected = known.get(label(stage.id, stage.task, stage.params), known.get(stage.task))
            if stage.task == "release.approve":
                continue
            if stage.task == "train.search":
                more = True
            if expected is None:
                if stage.task in FITS:
                    return None
                more = more or stage.queue != "ops"  # bookkeeping is short
                continue
            wide = stage.task in (*FITS, "train.segment")
            share = max(1, self._slots.get(stage.queue, 1)) if wide else 1
            total += _remaining(stage, expected) / share
        if not any(stage.task in known for stage in open_stages) or (more and total < WORTH_S):
            return None
        return Left(total, more)


def _means(record: RunRecord) -> dict[str, float]:
    taken: dict[str, list[float]] = {}
    for stage in record.stages:
        if stage.state is StageState.DONE and stage.seconds is not None:
            for name in {label(stage.id, stage.task, stage.params), stage.task}:
                taken.setdefault(name, []).append(stage.seconds)
    return {name: sum(values) / len(values) for name, values in taken.items()}


def _remaining(stage: StageRecord, expected: float) -> float:
    if stage.state is StageState.RUNNING and stage.started is not None:
        return max(0.0, expected - (time.time() - stage.started))
    return expected

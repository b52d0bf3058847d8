"""Every trial that a run asked for: in a stage of its own, in one shared with others, or in one for each fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.records import StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.training import TRIALS, Rung
from orchestrator.report.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial, and what is known of its cost: seconds, and MB of the largest that its process had been."""

    stage: StageRecord
    candidate: str
    index: int  # among its candidate's
    params: dict[str, Any]
    rung: Rung | None
    error: str | None  # why it came to nothing
    seconds: float | None
    fit_s: float | None
    score_s: float | None
    memory_mb: float | None

    @property
    def status(self) -> str:
        """Its stage's, unless it alone failed."""
        return str(StageState.FAILED if self.error is not None else self.stage.state)


def tried(evidence: Evidence) -> Iterator[Tried]:
    """All trials, in the plan's order."""
    for stage in evidence.record.stages:
        if stage.task in TRIALS:
            yield from _together(stage, evidence) if "settings" in stage.params else [_alone(stage, evidence)]


def _alone(stage: StageRecord, evidence: Evidence) -> Tried:
    given = stage.params.get("rung")
    fitted = evidence.record.fits(stage)
    return Tried(
        stage=stage,
        candidate=stage.params["candidate"],
        index=stage.params["index"],
        params=stage.params["params"],
        rung=Rung.model_validate(given) if given else None,
        error=_error(stage, fitted),
        seconds=_sum([one.seconds for one in fitted]),
        fit_s=_sum([one.measured.get("fit_seconds") for one in fitted]),
        score_s=_sum([one.measured.get("score_seconds") for one in fitted]),
        memory_mb=max((size for one in fitted if (size := _memory(one)) is not None), default=None),
    )


def _together(stage: StageRecord, evidence: Evidence) -> Iterator[Tried]:
    settings = stage.params["settings"]
    left = evidence.together(stage)
    errors = {one.index: one.message for one in left.failures} if left is not None else {}
    taken = stage.measured.get("trials") or [(None, None, None)] * len(settings)
    for setting, (seconds, fit_s, score_s) in zip(settings, taken, strict=True):
        yield Tried(
            stage=stage,
            candidate=stage.params["candidate"],
            index=setting["index"],
            params=setting["params"],
            rung=None,
            error=_error(stage, ()) or errors.get(setting["index"]),
            seconds=seconds,
            fit_s=fit_s,
            score_s=score_s,
            memory_mb=_memory(stage),
        )


def _error(stage: StageRecord, folds: Sequence[StageRecord]) -> str | None:
    """Why the stage failed: where its folds have stages, why the first of them did that failed."""
    if stage.state is not StageState.FAILED:
        return None
    blamed = next((one for one in folds if one.state is StageState.FAILED), stage)
    return blamed.error.message if blamed.error else "failed"


def _sum(amounts: Sequence[float | None]) -> float | None:
    """Of those that are known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _memory(stage: StageRecord) -> float | None:
    """The largest of the process so far."""
    found: float | None = stage.measured.get("peak_memory_mb", stage.measured.get("memory_mb"))
    return found

"""Every trial that a run asked for, whether it has a stage of its own or shares one with others."""

from __future__ import annotations

from collections.abc import Iterator
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

    @property
    def status(self) -> str:
        """Its stage's, unless it alone failed."""
        return str(StageState.FAILED if self.error is not None else self.stage.state)

    @property
    def memory_mb(self) -> float | None:
        """The largest of the process so far."""
        measured = self.stage.measured
        return measured.get("peak_memory_mb", measured.get("memory_mb"))


def tried(evidence: Evidence) -> Iterator[Tried]:
    """All trials, in the plan's order."""
    for stage in evidence.record.stages:
        if stage.task in TRIALS:
            yield from _together(stage, evidence) if "settings" in stage.params else [_alone(stage)]


def _alone(stage: StageRecord) -> Tried:
    given = stage.params.get("rung")
    return Tried(
        stage=stage,
        candidate=stage.params["candidate"],
        index=stage.params["index"],
        params=stage.params["params"],
        rung=Rung.model_validate(given) if given else None,
        error=_error(stage),
        seconds=stage.seconds,
        fit_s=stage.measured.get("fit_seconds"),
        score_s=stage.measured.get("score_seconds"),
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
            error=_error(stage) or errors.get(setting["index"]),
            seconds=seconds,
            fit_s=fit_s,
            score_s=score_s,
        )


def _error(stage: StageRecord) -> str | None:
    if stage.state is not StageState.FAILED:
        return None
    return stage.error.message if stage.error else "failed"

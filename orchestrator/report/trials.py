"""The trials of a run as rows: what each was given, how it scored, what it took, what it warned of, why it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.contracts.documents import RankedTrial, TrialResult
from orchestrator.contracts.records import StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.report.document import best_first
from orchestrator.report.evidence import Evidence

Row = dict[str, Any]


def trial_rows(evidence: Evidence) -> list[Row]:
    """One row for each trial that was scored, best first, then those that failed.

    Times are seconds, memory is the largest of the process so far in MB; both were measured when the trial was
    computed, also where its result came from the cache. Warnings are added by `with_warnings`.
    """
    stages = {_identity(stage.params): stage for stage in evidence.stages("train.trial")}
    ranking = evidence.ranking
    scored: Sequence[RankedTrial | TrialResult] = ranking.trials if ranking else best_first(evidence.results)
    rows = [_scored(rank, trial, stages.get((trial.candidate, trial.index))) for rank, trial in enumerate(scored, 1)]
    return rows + [_failed(stage) for stage in stages.values() if stage.state is StageState.FAILED]


def with_warnings(rows: list[Row], evidence: Evidence) -> list[Row]:
    """The rows with what each trial warned of: a document of the store is read for each row."""
    return [{**row, "warnings": list(_warnings(row, evidence))} for row in rows]


def _warnings(row: Row, evidence: Evidence) -> tuple[str, ...]:
    result = evidence.result(row["stage"]) if row["stage"] else None
    return result.warnings if result is not None else ()


def _identity(params: dict[str, Any]) -> tuple[str, int]:
    return params["candidate"], params["index"]


def _scored(rank: int, trial: RankedTrial | TrialResult, stage: StageRecord | None) -> Row:
    return {
        "rank": rank,
        "candidate": trial.candidate,
        "index": trial.index,
        "params": trial.params,
        "score": trial.mean,
        "std": trial.std,
        "scores": list(trial.scores),
        **_measured(stage),
        "error": None,
    }


def _failed(stage: StageRecord) -> Row:
    return {
        "rank": None,
        "candidate": stage.params["candidate"],
        "index": stage.params["index"],
        "params": stage.params["params"],
        "score": None,
        "std": None,
        "scores": [],
        **_measured(stage),
        "error": stage.error.message if stage.error else "failed",
    }


def _measured(stage: StageRecord | None) -> Row:
    if stage is None:
        return dict.fromkeys(("stage", "status", "cached", "seconds", "fit_s", "score_s", "memory_mb"))
    return {
        "stage": stage.id,
        "status": str(stage.state),
        "cached": stage.cached,
        "seconds": stage.seconds,
        "fit_s": stage.measured.get("fit_seconds"),
        "score_s": stage.measured.get("score_seconds"),
        "memory_mb": stage.measured.get("peak_memory_mb", stage.measured.get("memory_mb")),
    }

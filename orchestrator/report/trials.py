"""The trials of a run as rows: what each was given, how it scored, what it took, what it warned of, why it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.contracts.documents.training import RankedTrial, TrialResult
from orchestrator.contracts.training import Rung
from orchestrator.report.document import best_first
from orchestrator.report.evidence import Evidence
from orchestrator.report.tried import Tried, tried

Row = dict[str, Any]
Scored = RankedTrial | TrialResult
Identity = tuple[str, int, int | None]  # candidate, index, and the rung of a search that halves


def trial_rows(evidence: Evidence) -> list[Row]:
    """One row for each trial that was scored, best first, then those that failed.

    Of a search that halves those in full come first, then the settings that it stopped, each at its highest rung, then
    the lower rungs of all settings, which have no rank: their scores are on less than others had. Such rows have
    `rung` (from 0), `rungs`, `resource`, `share` and `amount`.

    Times are seconds, memory is the largest of the process so far in MB; both were measured when the trial was
    computed, also where its result came from the cache. Trials that share a stage have its id in `stage`. Warnings are
    added by `with_warnings`.
    """
    asked = {_identity(trial): trial for trial in tried(evidence)}
    scored, lower = _in_order(evidence)
    rows = [_scored(rank, trial, asked.get(_identity(trial))) for rank, trial in enumerate(scored, 1)]
    rows += [_scored(None, trial, asked.get(_identity(trial))) for trial in lower]
    return rows + [_failed(trial) for trial in asked.values() if trial.error is not None]


def _in_order(evidence: Evidence) -> tuple[Sequence[Scored], Sequence[Scored]]:
    """Each setting at its highest rung, best first; and what is known of it from lower ones."""
    ranking = evidence.ranking
    if ranking is not None and ranking.champion.rung is None:
        return ranking.trials, ()
    known: list[TrialResult] = best_first(evidence.results)
    scored: dict[tuple[str, int], Scored] = {}
    for one in (*ranking.trials, *ranking.stopped) if ranking is not None else known:
        scored.setdefault((one.candidate, one.index), one)
    places = {_identity(one) for one in scored.values()}
    return list(scored.values()), [one for one in known if _identity(one) not in places]


def segment_rows(evidence: Evidence, segment: str) -> list[Row] | None:
    """The trials of one segment, the chosen one first; None where it was not tried.

    Scores are those of the folds that could be scored within the segment. What a trial took is known of the whole
    stage only, which is that of all its segments.
    """
    found = evidence.segment(segment)
    if found is None:
        return None
    stage, result = found
    return [
        {
            "rank": None if trial.error else place,
            "candidate": trial.candidate,
            "index": trial.index,
            "params": trial.params,
            "score": trial.mean,
            "std": trial.std,
            "scores": list(trial.scores),
            **_measured(None),
            "stage": stage.id,
            "status": "failed" if trial.error else "done",
            "error": trial.error,
        }
        for place, trial in enumerate(result.trials, 1)
    ]


def with_warnings(rows: list[Row], evidence: Evidence) -> list[Row]:
    """The rows with what each trial warned of: a document of the store is read for each row."""
    return [{**row, "warnings": list(_warnings(row, evidence))} for row in rows]


def _warnings(row: Row, evidence: Evidence) -> tuple[str, ...]:
    result = evidence.result(row["stage"], row["index"]) if row["stage"] else None  # none of a stage of segments
    return result.warnings if result is not None else ()


def _identity(trial: Scored | Tried) -> Identity:
    return trial.candidate, trial.index, trial.rung.number if trial.rung else None


def _scored(rank: int | None, trial: Scored, asked: Tried | None) -> Row:
    return {
        "rank": rank,
        "candidate": trial.candidate,
        "index": trial.index,
        "params": trial.params,
        **_resource(trial.rung),
        "score": trial.mean,
        "std": trial.std,
        "scores": list(trial.scores),
        **_measured(asked),
        "error": None,
    }


def _failed(trial: Tried) -> Row:
    return {
        "rank": None,
        "candidate": trial.candidate,
        "index": trial.index,
        "params": trial.params,
        **_resource(trial.rung),
        "score": None,
        "std": None,
        "scores": [],
        **_measured(trial),
        "error": trial.error,
    }


def _resource(rung: Rung | None) -> Row:
    """How much of its resource a trial of a search that halves was given; nothing for others."""
    if rung is None:
        return {}
    given = {"resource": rung.resource, "share": rung.share, "amount": rung.amount}
    return {"rung": rung.number, "rungs": rung.of, **given}


def _measured(trial: Tried | None) -> Row:
    if trial is None:
        return dict.fromkeys(("stage", "status", "cached", "seconds", "fit_s", "score_s", "memory_mb"))
    return {
        "stage": trial.stage.id,
        "status": trial.status,
        "cached": trial.stage.cached,
        "seconds": trial.seconds,
        "fit_s": trial.fit_s,
        "score_s": trial.score_s,
        "memory_mb": trial.memory_mb,
    }

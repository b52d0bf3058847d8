"""Records and documents as the JSON documents of the command and of Python's interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.contracts.calls import Plan
from orchestrator.contracts.documents.evaluation import Evaluation, Interval
from orchestrator.contracts.documents.training import RankedTrial, TrialResult
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.records import ModelVersion, RunRecord, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.evidence import Evidence, Read


def run_document(record: RunRecord, read: Read, report: str | None = None) -> dict[str, Any]:
    """A run at any point of its way; what is not known yet is null or empty."""
    evidence = Evidence(record, read)
    document: dict[str, Any] = {
        "run": record.run,
        "workflow": record.workflow,
        "status": str(record.status),
        "seconds": seconds_of(record),
        "generation": record.generation,
        "author": record.author,
        "created": moment(record.created),
        "stages": [_stage(stage) for stage in record.stages],
        "trials": _trials(evidence),
        "search": _search(evidence),
        "champion": _champion(evidence),
        "evaluation": _evaluation(evidence),
        "feasibility": _feasibility(evidence),
        "segments": _segments(evidence),
        "gates": [verdict.model_dump(mode="json") for verdict in evidence.judgements],
        "reuse": evidence.spending and evidence.spending.sentence,
        "report": report,
        "error": error_of(record),
        "notes": list(record.notes),
    }
    return document | ({"missing": evidence.missing} if evidence.missing else {})


def models_document(versions: Iterable[ModelVersion]) -> list[dict[str, Any]]:
    """Registered models with their versions, each in order."""
    models: dict[str, list[dict[str, Any]]] = {}
    for version in sorted(versions, key=lambda one: (one.model, one.version)):
        models.setdefault(version.model, []).append(
            {
                "version": version.version,
                "stage": version.stage,
                "run": version.run,
                "created": moment(version.created),
                "metrics": version.metrics_in_order,
                "digest": version.digest,
                "candidate": version.candidate,
                "params": version.params,
                "reasons": list(version.reasons),
                "threshold": version.threshold,
            }
        )
    return [{"model": model, "versions": rows} for model, rows in models.items()]


def plan_document(plan: Plan, cached: Mapping[str, bool | None], estimate_s: float | None = None) -> dict[str, Any]:
    """A plan before it runs; `cached` says which stages are known to have been computed before."""
    stages = [
        {
            "id": call.id,
            "task": call.task,
            "queue": call.queue,
            "after": list(call.upstream()),
            "cached": cached.get(call.id),
            "key": call.key,
        }
        for call in plan.stages
    ]
    return {"workflow": plan.workflow, "stages": stages, "estimate_s": estimate_s, "notes": list(plan.notes)}


def seconds_of(record: RunRecord) -> float:
    """From submission to the end, or to the last thing that happened."""
    times = [time for stage in record.stages for time in (stage.started, stage.finished) if time is not None]
    last = record.finished if record.finished is not None else max(times, default=record.created)
    return round(max(last - record.created, 0.0), 3)


def moment(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def failed_stage(record: RunRecord) -> StageRecord | None:
    """The stage that stopped the run: the first that failed, or was rejected."""
    if record.status is not RunStatus.FAILED:
        return None
    failed = [stage for stage in record.stages if stage.state in (StageState.FAILED, StageState.REJECTED)]
    return min(failed, key=lambda stage: stage.finished or float("inf"), default=None)


def error_of(record: RunRecord) -> str | None:
    """Why the run failed, in one line."""
    stage = failed_stage(record)
    if stage is None:
        return None
    if stage.decision is not None and stage.state is StageState.REJECTED:
        note = f": {stage.decision.note}" if stage.decision.note else ""
        return f"{stage.id}: rejected by {stage.decision.by}{note}"
    why = stage.error.message if stage.error else str(stage.state)
    return why if why.startswith(f"{stage.id}: ") else f"{stage.id}: {why}"


def _stage(stage: StageRecord) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": stage.id,
        "task": stage.task,
        "queue": stage.queue,
        "status": str(stage.state),
        "cached": stage.cached,
        "attempts": stage.attempt,
        "seconds": stage.seconds,
        "worker": stage.worker,
        "error": stage.error.message if stage.error else None,
        "after": list(stage.after),
    }
    if stage.error is not None:
        document |= {"family": stage.error.family, "frames": list(stage.error.frames)}
    if stage.progress is not None:
        document["progress"] = stage.progress
    if stage.decision is not None:
        document["decision"] = stage.decision.model_dump(mode="json")
    return document


def _trials(evidence: Evidence) -> list[dict[str, Any]]:
    """The ranking, then what a search stopped early; before there is one the trials that are done, best first."""
    ranking = evidence.ranking
    if ranking is not None:
        return [
            {"candidate": trial.candidate, "params": trial.params, "score": trial.mean, "std": trial.std}
            | {"rank": trial.rank, "scores": list(trial.scores)}
            | rung_of(trial)
            for trial in (*ranking.trials, *ranking.stopped)
        ]
    return [
        {"candidate": trial.candidate, "params": trial.params, "score": trial.mean, "std": trial.std} | rung_of(trial)
        for trial in best_first(evidence.results)
    ]


def rung_of(trial: TrialResult | RankedTrial) -> dict[str, Any]:
    """How much of its resource a trial of a halving search was given; nothing for others."""
    return {"rung": trial.rung.model_dump(mode="json") | {"full": trial.rung.full}} if trial.rung else {}


def _search(evidence: Evidence) -> dict[str, Any] | None:
    """How a search went that decided as it went; before the ranking how far it is."""
    if evidence.ranking is not None:
        summary = evidence.ranking.search
        return summary.model_dump(mode="json") if summary else None
    state = evidence.search
    if state is None:
        return None
    return {"method": state.method, "trials": len(state.trials), "ended": state.ended}


def _feasibility(evidence: Evidence) -> dict[str, Any] | None:
    found = evidence.feasibility
    if found is None:
        return None
    return found.model_dump(mode="json", include={"verdict", "metric", "target", "reasons"})


def _segments(evidence: Evidence) -> dict[str, Any] | None:
    """How segments came to models of their own, and what test rows say of them; None where there are none."""
    summary = evidence.ranking.segments if evidence.ranking else None
    if summary is None:
        return None
    judged = evidence.evaluation.segments if evidence.evaluation else None
    return summary.model_dump(mode="json") | {"evidence": judged.model_dump(mode="json") if judged else None}


def best_first(results: Iterable[TrialResult]) -> list[TrialResult]:
    """Trials by their mean, in the direction of their metric; those with more of their resource before the others."""
    return sorted(
        results,
        key=lambda one: (
            -(one.rung.number if one.rung else 0),
            -one.mean if METRICS[one.metric].greater_is_better else one.mean,
        ),
    )


def _champion(evidence: Evidence) -> dict[str, Any] | None:
    ranking, registration = evidence.ranking, evidence.registration
    if ranking is None:
        return None
    preparation, evaluation, measured = evidence.preparation, evidence.evaluation, evidence.performance
    return {
        "model": registration.model if registration else None,
        "stage": registration.stage if registration else None,
        "candidate": ranking.champion.candidate,
        "params": ranking.champion.params,
        "threshold": ranking.threshold and ranking.threshold.model_dump(mode="json", exclude={"curve"}),
        "features": [column.name for column in preparation.features if column.name != preparation.segment]
        if preparation
        else [],
        "metrics": {name: _interval(evaluation.metrics[name]) for name in in_order(evaluation.metrics)}
        if evaluation
        else {},
        "details": _details(evidence),
        "performance": measured and measured.model_dump(mode="json"),
    } | _labels(evaluation)


def _labels(evaluation: Evaluation | None) -> dict[str, Any]:
    """Each label by itself, where several are predicted."""
    if evaluation is None or not evaluation.labels:
        return {}
    return {"labels": [one.model_dump(mode="json") for one in evaluation.labels]}


def _details(evidence: Evidence) -> dict[str, Any] | None:
    """What the model leans on and bears, and the rows that it ranks highest."""
    found = evidence.details
    return None if found is None else found.model_dump(mode="json")


def _evaluation(evidence: Evidence) -> dict[str, Any] | None:
    """A registered version on rows from elsewhere; None of other runs."""
    found, measured = evidence.evaluation, evidence.performance
    if found is None or found.model is None:
        return None
    return {
        "model": found.model,
        "rows": found.rows,
        "metric": metric_asked(evidence),
        "metrics": {name: _interval(found.metrics[name]) for name in in_order(found.metrics)},
        "before": {name: _interval(found.before[name]) for name in in_order(found.before)},
        "slices": [one.model_dump(mode="json") for one in (*found.slices, *found.weakest)],
        "details": _details(evidence),
        "performance": measured and measured.model_dump(mode="json"),
        "notes": list(found.notes),
    } | _labels(found)


def metric_asked(evidence: Evidence) -> str | None:
    """The objective's metric, as the stage was told that judged a registered version."""
    stage = evidence.stage("evaluate.fresh")
    return (stage.params.get("objective") or {}).get("metric") if stage is not None else None


def in_order(metrics: Iterable[str]) -> list[str]:
    """Names of metrics in the order of the contracts, which a document in the store has lost."""
    places = {name: place for place, name in enumerate(METRICS)}
    return sorted(metrics, key=lambda name: places.get(name, len(places)))


def _interval(interval: Interval) -> dict[str, Any]:
    return interval.model_dump(mode="json")

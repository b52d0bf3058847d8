"""The record of a run that searched, with the documents that its trials, its steps and the choice left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from orchestrator.contracts.documents.training import Ranking, SearchEffects, TrialResult
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.roles import Objective
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.training import SelectParams, TrialParams
from tests.unit.report_case import BEGAN, Kept
from tests.unit.search_case import SVC, run, steps
from workers.training.effects import parameter_effects
from workers.training.select import rank

OBJECTIVE = Objective(predict="churn", task="classification", metric="roc_auc", positive="yes")
FOREST: dict[str, Any] = {
    "random_forest": {
        "range": {"max_depth": {"low": 2, "high": 20, "int": True}, "max_features": {"low": 0.1, "high": 1.0}}
    }
}


def landscape(asked: TrialParams) -> float:
    """Scores as a search finds them: best for an svc with the rbf kernel, C = 10 and gamma = 0.01."""
    given, share = asked.params, asked.rung.share if asked.rung else 1.0
    score = 0.85 - 0.1 * (1 - share)
    if asked.candidate == "random_forest":
        return score - 0.004 * abs(given["max_depth"] - 9) - 0.02 * abs(given["max_features"] - 0.4)
    score -= 0.04 * abs(math.log10(given["C"]) - 1)
    return score + (0.08 - 0.04 * abs(math.log10(given["gamma"]) + 2) if given["kernel"] == "rbf" else 0.0)


def searched(kept: Kept, candidates: Sequence[dict[str, Any]] = (SVC, FOREST), **search: Any) -> RunRecord:
    """A run whose search went as `landscape` has it."""
    calls = steps(candidates, **search)
    found = run(calls, landscape)
    results = [_result(asked, landscape(asked)) for asked in _in_order(found.ran, found.asked)]
    names = tuple(name for one in candidates for name in one)
    ranking = rank(results, SelectParams(objective=OBJECTIVE, candidates=names), found.state)
    return record(kept, results, ranking)


def record(kept: Kept, results: Sequence[TrialResult], ranking: Ranking | None) -> RunRecord:
    effects = SearchEffects(candidates=parameter_effects(results))
    trials = [
        _stage(
            f"train[{one.candidate}#{one.index}.{one.rung.number if one.rung else 0}]", "train.trial", kept, result=one
        )
        for one in results
    ]
    chosen = [_stage("select", "train.select", kept, ranking=ranking, effects=effects)] if ranking else []
    return RunRecord(
        run="churn-1", workflow="churn", status=RunStatus.SUCCEEDED, created=BEGAN, finished=BEGAN + 60,
        plan_digest="sha256:" + "ab" * 32, plan_version=1, stages=(*trials, *chosen),
    )  # fmt: skip


def _in_order(ran: Sequence[TrialParams], asked: Sequence[tuple[str, float | None]]) -> list[TrialParams]:
    places = {stage: place for place, (stage, _) in enumerate(asked)}

    def place(one: TrialParams) -> int:
        rung = f".{one.rung.number}" if one.rung else ""
        return places[f"train[{one.candidate}#{one.index}{rung}]"]

    return sorted(ran, key=place)


def _result(asked: TrialParams, value: float) -> TrialResult:
    return TrialResult(
        candidate=asked.candidate, estimator=asked.estimator, index=asked.index, params=asked.params,
        metric=asked.objective.metric, scores=(value - 0.01, value + 0.01), mean=value, std=0.01, rung=asked.rung,
    )  # fmt: skip


def _stage(identifier: str, task: str, kept: Kept, **documents: Any) -> StageRecord:
    result = documents.get("result")
    tried = result.model_dump(include={"candidate", "index", "params"}) if result else {}
    return StageRecord(
        id=identifier, task=task, queue="train", state=StageState.DONE, attempt=1, worker="train@host",
        started=BEGAN, finished=BEGAN + 0.8, seconds=0.8,
        params={"objective": OBJECTIVE.model_dump(mode="json"), **tried},
        outputs={name: kept.put(one) for name, one in documents.items()},
    )  # fmt: skip

"""A whole search in this process: steps and trials in any order that the ledger allows, scored by a function."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.contracts.calls import StageCall
from orchestrator.contracts.documents.training import SearchState, TrialResult
from orchestrator.contracts.training import SearchParams, TrialParams
from orchestrator.engine.messages import Spent
from orchestrator.plan.search import grows
from orchestrator.spec.models import Spec
from tests.unit.plan_case import document, plan_of
from tests.unit.training_case import Quiet
from workers.runtime.context import StageContext
from workers.training.search import search

Score = Callable[[TrialParams], float | None]  # None: the trial fails
RIDGE: dict[str, Any] = {"ridge_classifier": {"range": {"alpha": {"low": 0.0, "high": 1.0}}, "fixed": {"max_iter": 90}}}

SVC: dict[str, Any] = {
    "svc": {
        "grid": {"kernel": ("linear", "rbf"), "class_weight": (None, "balanced")},
        "range": {
            "C": {"low": 0.001, "high": 1000.0, "log": True},
            "gamma": {"low": 1e-5, "high": 10.0, "log": True, "when": {"kernel": "rbf"}},
        },
        "fixed": {"max_iter": 1000},
    }
}


def steps(candidates: Sequence[dict[str, Any]] = (RIDGE,), **wanted: Any) -> list[StageCall]:
    """The steps of a search as the plan has them."""
    train = {"candidates": tuple(candidates), "search": wanted}
    spec = Spec.model_validate(document(train=train))
    assert grows(spec.train.search)
    return [call for call in plan_of(train=train).stages if call.task == "train.search"]


@dataclass
class Searched:
    """What came of it."""

    state: SearchState
    ran: list[TrialParams] = field(default_factory=list)  # in the order in which they ended
    last: int = 0  # the last step that asked for something

    @property
    def asked(self) -> list[tuple[str, float | None]]:
        """Every trial that was asked for, and its score, in the order of the search."""
        return [(one.stage, one.score) for one in self.state.trials]

    def at(self, rung: int) -> list[tuple[str, int]]:
        """The settings that came to a rung."""
        return [(one.candidate, one.index) for one in self.state.trials if one.rung and one.rung.number == rung]


def run(
    calls: Sequence[StageCall], score: Score, *, order: int | None = None, spent: Callable[[int], Spent] | None = None
) -> Searched:
    """Do what is ready, the earliest or, with `order`, any; `spent` is told how many trials have ended."""
    dice = None if order is None else random.Random(order)
    params = {call.id: SearchParams.model_validate(call.params) for call in calls}
    waits: dict[str, set[str]] = {call.id: set(call.upstream()) & params.keys() for call in calls}
    results: dict[str, list[TrialResult]] = {name: [] for name in params}
    trials: dict[str, tuple[StageCall, tuple[str, ...]]] = {}
    states: dict[str, SearchState] = {}
    found = Searched(SearchState(method=""))
    while waits or trials:
        ready = [*trials, *(name for name, before in waits.items() if not before)]
        one = ready[0] if dice is None else dice.choice(ready)
        if one in trials:
            call, joins = trials.pop(one)
            asked = TrialParams.model_validate(call.params)
            found.ran.append(asked)
            value = score(asked)
            for join in joins:
                if value is not None:
                    results[join].append(_result(asked, value))
                waits[join].discard(one)
            continue
        del waits[one]
        context = StageContext("r-1", one, 1, "k", Path("unused"), Quiet(), None)  # type: ignore[arg-type]
        context.accounts = lambda _: spent(len(found.ran)) if spent else Spent(0.0, 0.0)
        before = states.get(f"search[{params[one].step - 1}]")
        states[one] = found.state = search(results[one], before, params=params[one], context=context).search
        joins = tuple(join for join in context.joins if join in params)
        for call in context.grown:
            assert call.id not in trials
            trials[call.id] = (call, joins)
            for join in joins:
                assert join in waits, f"{one} joins its trials to {join}, which has begun"
                waits[join].add(call.id)
            found.last = params[one].step
        for other in waits.values():
            other.discard(one)
    return found


def _result(asked: TrialParams, value: float) -> TrialResult:
    return TrialResult(
        candidate=asked.candidate, estimator=asked.estimator, index=asked.index, params=asked.params,
        metric=asked.objective.metric, scores=(value,), mean=value, std=0.0, rung=asked.rung,
    )  # fmt: skip


def closeness(asked: TrialParams) -> float:
    """Best at alpha = 0.3, better with more of the resource, and a little wrong with less of it."""
    share = asked.rung.share if asked.rung else 1.0
    noise = random.Random(f"{asked.index}").uniform(-1, 1) * 0.02 * (1 - share)
    return 1.0 - abs(asked.params["alpha"] - 0.3) - 0.2 * (1 - share) + noise

"""Folds that stand apart: of which trials, and what is seen of them by those who take trials."""

from __future__ import annotations

import pytest

from orchestrator.contracts.calls import Gather, Plan
from orchestrator.contracts.training import FoldParams, TrialParams
from orchestrator.plan.signature import Parameter, Signature
from tests.unit.plan_case import call, ids, plan_of, ref

BOOSTING = {
    "name": "boosting",
    "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
    "grid": {"max_iter": [50, 100]},
}
LINEAR = {"name": "linear", "estimator": "sklearn.linear_model.LogisticRegression"}
MB = 2**20
FOLDS = [f"train[boosting#1/{number}]" for number in (1, 2, 3)]


def plan(*candidates, size: int = 5 * MB, train=None, **sections) -> Plan:
    searched = {"candidates": candidates or (BOOSTING,), "search": {"method": "grid", "folds": 3}, **(train or {})}
    return plan_of(train=searched, prints={"sources": {"customers": ref("customers", size)}}, **sections)


def trials_apart(made: Plan) -> list[str]:
    return [one.id for one in made.stages if one.task == "train.joined"]


@pytest.mark.parametrize(
    ("size", "found"),
    [
        (MB - 1, []),
        (MB, ["train[boosting#1]", "train[boosting#2]"]),
        (4 * MB, ["train[boosting#1]", "train[boosting#2]", "train[linear#1]"]),
    ],
)
def test_much_data_stands_apart_sooner_where_a_fit_takes_long(size, found):
    made = plan(BOOSTING, LINEAR, size=size)
    assert trials_apart(made) == found
    assert len([one for one in made.stages if one.task == "train.fold"]) == 3 * len(found)


@pytest.mark.parametrize(("trials", "found"), [(15, 15), (16, 0)])
def test_many_trials_keep_a_pool_busy_by_themselves(trials, found):
    made = plan(BOOSTING | {"grid": {"max_iter": list(range(1, trials + 1))}})
    assert len(trials_apart(made)) == found


def test_each_fold_is_the_trial_and_the_trial_is_made_of_them():
    made = plan(train={"timeout": 60.0, "memory": "1GB"})
    alone = call(plan(size=1000), "train[boosting#1]")
    for number, name in enumerate(FOLDS, start=1):
        fold = call(made, name)
        params = FoldParams.model_validate(fold.params)
        assert params.fold == number
        assert params.model_dump(exclude={"fold"}) == TrialParams.model_validate(alone.params).model_dump()
        assert (fold.inputs, fold.queue) == (alone.inputs, "train")
        assert (fold.policy.timeout_s, fold.policy.memory_mb, fold.policy.tolerate) == (60.0, 1024, True)
    joined = call(made, "train[boosting#1]")
    assert joined.params == alone.params
    assert joined.inputs == {"folds": Gather(stages=tuple(FOLDS), output="score")}
    assert (joined.queue, joined.policy.tolerate, joined.policy.min_success) == ("ops", True, 3)


def test_who_takes_trials_takes_what_the_folds_were_joined_to():
    takes = Signature("look", "look.py:1", (Parameter("results", "json"),), {}, False, (("result", "json"),))
    made = plan(
        stages=[
            {"name": "look", "call": "look:look"},
            {"name": "last", "call": "look:last", "after": "train"},
            {"name": "first", "call": "look:first", "before": "train"},
        ],
        train={"min_success": 1, "max_failures": 1},
        signatures={
            "look:look": takes,
            "look:last": Signature("last", "look.py:2", (), {}, False, (("result", "json"),)),
            "look:first": Signature("first", "look.py:3", (), {}, False, (("result", "json"),)),
        },
    )
    both = ("train[boosting#1]", "train[boosting#2]")
    select = call(made, "select")
    assert select.inputs["results"] == Gather(stages=both, output="result")
    assert (select.params["trials"], select.policy.max_failures) == (2, 1)
    assert call(made, "look").inputs["results"] == Gather(stages=both, output="result")
    assert call(made, "last").after == both
    assert all("first" in call(made, name).upstream() for name in FOLDS)


def test_folds_wait_for_what_is_required_and_carry_a_teams_own_code():
    own = {"name": "ours", "estimator": "models:Ours"}
    made = plan(own, objective={
        "predict": "churn", "task": "classification", "positive": "yes", "target": 0.8, "require": "realistic",
    })  # fmt: skip
    assert ids(made).index("train[ours#1]") > ids(made).index("train[ours#1/3]")
    for number in (1, 2, 3):
        fold = call(made, f"train[ours#1/{number}]")
        assert "require" in fold.after
        assert fold.code is not None
    assert call(made, "train[ours#1]").code is None


def test_searches_that_decide_as_they_go_keep_their_trials_whole():
    drawn = LINEAR | {"range": {"C": {"low": 0.1, "high": 10.0}}}
    made = plan(drawn, train={"search": {"method": "halving", "trials": 6, "folds": 3}})
    assert not any(one.task == "train.fold" for one in made.stages)

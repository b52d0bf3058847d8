"""The plan of a search that decides as it goes: steps in a row, and everything after them known by content only."""

from __future__ import annotations

import itertools

import pytest

from orchestrator.contracts.calls import Gather, Output
from orchestrator.contracts.training import SearchParams
from orchestrator.plan.problems import CannotPlan
from orchestrator.plan.search import brackets_of, mean_share, shares_of
from orchestrator.plan.signature import Parameter, Signature
from orchestrator.spec.models import Spec
from tests.unit.plan_case import call, document, ids, plan_of

RIDGE = {"ridge_classifier": {"range": {"alpha": {"low": 0.0, "high": 1.0}}, "fixed": {"max_iter": 90}}}
DRAWS = Signature("look", "look.py:1", (Parameter("results", "json"),), {}, False, (("result", "json"),))


def train(**search):
    return {"candidates": (RIDGE,), "search": search}


def test_a_search_with_a_bound_known_beforehand_stands_in_the_plan_trial_by_trial():
    assert sum(one.startswith("train[") for one in ids(plan_of(train=train(method="random", trials=30)))) == 30


@pytest.mark.parametrize(
    "search",
    [
        {"method": "halving"},
        {"method": "asha"},
        {"method": "hyperband"},
        {"method": "bayesian"},
        {"method": "random", "time": 60.0},
        {"method": "random", "patience": 5},
    ],
)
def test_other_searches_are_steps_in_a_row_and_the_choice_waits_for_the_last(search):
    plan = plan_of(train=train(**search))
    steps = [one for one in plan.stages if one.task == "train.search"]
    assert not any(one.task == "train.trial" for one in plan.stages)
    assert [one.id for one in steps] == [f"search[{number}]" for number in range(1, len(steps) + 1)]
    assert steps[0].upstream() == ("features",)
    for before, after in itertools.pairwise(steps):
        assert after.inputs["search"] == Output(stage=before.id, output="search")
        assert after.inputs["results"] == Gather(stages=(), output="result")
    select = call(plan, "select")
    assert select.inputs["search"] == Output(stage=steps[-1].id, output="search")
    assert all(one.params["joins"] == ["select"] for one in steps)
    assert all(one.policy.max_failures and one.policy.min_success is None for one in steps)


def test_what_comes_after_a_search_is_recognised_by_content_only():
    plan = plan_of(train=train(method="asha"))
    first = ids(plan).index("search[1]")
    assert all(one.key for one in plan.stages[:first])
    assert not any(one.key for one in plan.stages[first:])


def test_a_stage_of_the_teams_own_that_takes_all_results_waits_for_those_to_come():
    own = {"name": "look", "call": "look:look", "after": "train"}
    plan = plan_of(train=train(method="halving"), stages=(own,), signatures={"look:look": DRAWS})
    look = call(plan, "look")
    last = [one for one in ids(plan) if one.startswith("search[")][-1]
    assert look.inputs["results"] == Gather(stages=(last,), output="result")
    assert call(plan, "search[1]").params["joins"] == ["look", "select"]
    assert look.policy.min_success == 1


def test_a_plan_says_how_many_trials_there_may_be():
    assert plan_of(train=train(method="random", trials=40, patience=5)).notes == (
        "up to 40 trials, as the search goes: 8 at a time",
    )
    assert plan_of(train=train(method="bayesian", trials=40)).notes == (
        "up to 40 trials, as the search goes: 4 at a time",
    )
    assert plan_of(train=train(method="hyperband", trials=17)).notes == (
        (
            "up to 17 trials, as the search goes: on shares 0.11, 0.33, 1 of training rows, one of 3 going up; "
            "9, 5, 3 begin there"
        ),
    )
    assert plan_of(train=train(method="halving", trials=27)).notes == (
        "up to 27 trials, as the search goes: on shares 0.11, 0.33, 1 of training rows, one of 3 going up",
    )


def test_a_search_that_is_given_time_may_try_many():
    assert call(plan_of(train=train(method="random", time="30m")), "search[1]").params["trials"] == 1000
    assert call(plan_of(train=train(method="random", time="30m", trials=50)), "search[1]").params["trials"] == 50
    assert call(plan_of(train=train(method="random", patience=5)), "search[1]").params["trials"] == 20


def test_the_trials_carry_the_limits_of_the_spec():
    wanted = train(method="asha") | {"timeout": "10m", "memory": "2GB", "min_success": 2, "max_failures": 4}
    plan = plan_of(train=wanted)
    policy = SearchParams.model_validate(call(plan, "search[1]").params).policy
    assert (policy.timeout_s, policy.memory_mb, policy.tolerate) == (600, 2048, True)
    assert (call(plan, "select").policy.min_success, call(plan, "select").policy.max_failures) == (2, 4)
    with pytest.raises(CannotPlan, match="asks for 21 successful trials of 20"):
        plan_of(train=train(method="asha") | {"min_success": 21})


@pytest.mark.parametrize(
    ("search", "settings", "rungs"),
    [
        ({}, 27, [1 / 9, 1 / 3, 1]),
        ({}, 5, [1 / 3, 1]),
        ({}, 2, [1]),
        ({"min_resource": 0.5}, 27, [1]),
        ({"factor": 2, "min_resource": 0.1}, 100, [0.125, 0.25, 0.5, 1]),
        ({"resource": "max_iter", "min_resource": 10}, 27, [1 / 9, 1 / 3, 1]),
        ({"resource": "max_iter", "min_resource": 11}, 27, [1 / 3, 1]),
        ({"method": "hyperband"}, 17, [1 / 9, 1 / 3, 1]),
        ({"method": "hyperband"}, 16, [1 / 3, 1]),  # of 16 only eight would begin at a ninth, and none come to the end
    ],
)
def test_rungs_go_down_to_the_least_resource_and_one_setting_at_least_comes_to_the_last(search, settings, rungs):
    spec = Spec.model_validate(document(train=train(**{"method": "halving", **search})))
    assert shares_of(spec.train, settings) == pytest.approx(rungs)


def test_the_brackets_of_hyperband_are_those_of_its_paper():
    """By its formula R = 81 and eta = 3 make brackets of 81, 34, 15, 8 and 5 settings."""
    spec = Spec.model_validate(document(train=train(method="hyperband", min_resource=1 / 81)))
    assert brackets_of(spec.train, 81 + 34 + 15 + 8 + 5) == (81, 34, 15, 8, 5)
    assert sum(brackets_of(spec.train, 100)) == 100
    assert brackets_of(spec.train, 1) == (1,)
    few = Spec.model_validate(document(train=train(method="hyperband", trials=17)))
    assert mean_share(few.train) == pytest.approx((9 / 9 + 3 / 3 + 1 + 5 / 3 + 1 + 3) / 17)

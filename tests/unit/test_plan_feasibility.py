"""The stage that judges the target, in a workflow's plan and in one of its own."""

from __future__ import annotations

import pytest

from orchestrator.contracts.spaces import in_turns
from orchestrator.contracts.training import SearchParams
from orchestrator.plan.build import build, feasibility_plan
from orchestrator.plan.search import budget_s, mean_share
from orchestrator.spec.models import Spec
from tests.unit.plan_case import call, document, fingerprints, ids, plan_of

OBJECTIVE = {"predict": "churn", "task": "classification", "positive": "yes"}
TRAIN = {"candidates": ({"ridge_classifier": {"grid": {"alpha": (1, 10)}}}, "dummy")}
SHARED = ["ingest[customers]", "prepare", "split", "features", "feasibility"]


def test_a_target_adds_the_stage_and_nothing_else_changes_its_key():
    without = plan_of(train=TRAIN)
    with_target = plan_of(train=TRAIN, objective={**OBJECTIVE, "target": 0.8})
    assert ids(with_target) == [*SHARED, *ids(without)[4:]]
    assert [one.key for one in with_target.stages if one.id != "feasibility"] == [one.key for one in without.stages]
    stage = call(with_target, "feasibility")
    assert stage.params["target"] == 0.8
    assert [one["name"] for one in stage.params["timed"]] == ["ridge_classifier", "dummy"]
    assert stage.params["timed"][0]["params"] == {"alpha": 1}
    assert stage.policy.tolerate  # it blocks nothing, also when it fails
    assert "feasibility" not in call(with_target, "train[dummy#1]").upstream()


def test_only_what_is_required_is_waited_for():
    plan = plan_of(train=TRAIN, objective={**OBJECTIVE, "target": 0.8, "require": "realistic"})
    assert ids(plan)[:6] == [*SHARED, "require"]
    assert call(plan, "require").upstream() == ("feasibility",)
    assert not call(plan, "feasibility").policy.tolerate
    assert all("require" in one.upstream() for one in plan.stages if one.task == "train.trial")
    assert all(one.key is not None for one in plan.stages if one.task == "train.trial")


@pytest.mark.parametrize("more", [{"target": 0.8}, {"target": 0.8, "require": "realistic"}])
def test_the_part_that_judges_shares_its_keys_with_the_whole(more):
    spec = Spec.model_validate(document(train=TRAIN, gates=("roc_auc >= 0.8",), objective={**OBJECTIVE, **more}))
    part, whole = feasibility_plan(spec, fingerprints(spec)), build(spec, fingerprints(spec))
    assert part.workflow == "churn.feasibility"
    assert ids(part) == [*SHARED, *(["require"] if "require" in more else [])]
    assert all(one == call(whole, one.id) for one in part.stages)


@pytest.mark.parametrize(("more", "target"), [({"goal": 0.7}, 0.7), ({}, None), ({"goal": 0.7, "target": 0.8}, 0.8)])
def test_without_a_target_the_goal_is_judged_else_nothing(more, target):
    spec = Spec.model_validate(document(train=TRAIN, objective={**OBJECTIVE, **more}))
    part = feasibility_plan(spec, fingerprints(spec))
    assert call(part, "feasibility").params["target"] == target


def test_values_that_get_models_of_their_own_are_counted():
    per = {"column": "store", "min_rows": 60}
    specs = [Spec.model_validate(document(train=train)) for train in ({**TRAIN, "per": per}, TRAIN)]
    asked, plain = (call(feasibility_plan(spec, fingerprints(spec)), "feasibility").params for spec in specs)
    assert asked["segmenting"] == {**per, "max_failed": 0.1}
    assert "segmenting" not in plain


def test_a_teams_own_candidate_is_not_timed():
    plan = plan_of(
        train={"candidates": ({"own": {"estimator": "team:Model"}},)}, objective={**OBJECTIVE, "target": 0.8}
    )
    assert call(plan, "feasibility").params["timed"] == []


@pytest.mark.parametrize("search", [{"method": "asha"}, {"method": "halving"}, {"time": "30m"}])
def test_a_search_that_decides_as_it_goes_waits_for_what_is_required_and_its_first_settings_are_timed(search):
    ridge = {"ridge_classifier": {"range": {"alpha": {"low": 0.0, "high": 1.0}}, "fixed": {"max_iter": 90}}}
    objective = {**OBJECTIVE, "target": 0.8, "require": "realistic"}
    plan = plan_of(train={"candidates": (ridge, "dummy"), "search": search}, objective=objective)
    steps = [one for one in plan.stages if one.task == "train.search"]
    assert steps[0].upstream() == ("require",)
    assert ids(plan)[:7] == [*SHARED, "require", "search[1]"]
    assert [one["name"] for one in call(plan, "feasibility").params["timed"]] == ["ridge_classifier", "dummy"]
    first = next(in_turns([one.space for one in SearchParams.model_validate(steps[0].params).candidates], 9, 0))[1]
    assert call(plan, "feasibility").params["timed"][0]["params"] == first


def test_how_much_a_halving_search_takes_is_known_beforehand():
    many = {"candidates": TRAIN["candidates"][:1]}
    halving = {"method": "halving", "trials": 2, "factor": 2, "min_resource": 0.5}
    spec = Spec.model_validate(document(train={**many, "search": halving}))
    assert mean_share(spec.train) == 1.0  # both at half, one in full: as much as two in full would be by rows
    assert mean_share(Spec.model_validate(document(train=many)).train) == 1.0
    assert budget_s(spec.train.search, 2) is None
    timed = Spec.model_validate(document(train={**many, "search": {"method": "asha", "time": 60, "worker_time": 80}}))
    assert [budget_s(timed.train.search, workers) for workers in (1, 2)] == [60, 40]

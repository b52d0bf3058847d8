"""Small trials that share a stage: which, how many, and who takes what they leave."""

from __future__ import annotations

import pytest

from orchestrator.contracts.calls import Gather, Plan
from orchestrator.contracts.training import TRIALS, TrialParams, TrialsParams
from orchestrator.plan.signature import Parameter, Signature
from tests.unit.plan_case import call, plan_of, ref

DRAWN = {"low": 0.001, "high": 1000.0, "log": True}
RIDGE = {"name": "ridge_classifier", "estimator": "sklearn.linear_model.RidgeClassifier", "range": {"alpha": DRAWN}}
TREE = {
    "name": "decision_tree",
    "estimator": "sklearn.tree.DecisionTreeClassifier",
    "range": {"min_impurity_decrease": DRAWN},
}
FOREST = {
    "name": "random_forest",
    "estimator": "sklearn.ensemble.RandomForestClassifier",
    "range": {"min_impurity_decrease": DRAWN},
}
LOOK = Signature("look", "look.py:1", (Parameter("results", "json"),), {}, False, (("result", "json"),))
STAGE = {"name": "look", "call": "look:look"}


def plan(trials: int, *candidates, size: int = 1000, train=None, **sections) -> Plan:
    searched = {"candidates": candidates or (RIDGE,), "search": {"method": "random", "trials": trials}, **(train or {})}
    return plan_of(train=searched, prints={"sources": {"customers": ref("customers", size)}}, **sections)


def lots(made: Plan) -> list[int]:
    """How many trials each stage of the search holds."""
    held = (one.params.get("settings", [one]) for one in made.stages if one.task in TRIALS)
    return [len(one) for one in held]


@pytest.mark.parametrize(
    ("trials", "size", "most"),
    [(127, 1000, 1), (128, 1000, 2), (1000, 1000, 8), (1000, 8_000_000, 1), (5000, 200_000, 64), (5000, 300_000, 32)],
)
def test_as_many_share_a_stage_as_read_little_and_leave_stages_enough(trials, size, most):
    found = lots(plan(trials, size=size))
    assert sum(found) == trials
    assert set(found[:-1]) == {most}


def test_each_is_what_it_would_be_in_a_stage_of_its_own():
    alone = {one.id: one for one in plan(300, TREE, RIDGE, size=10_000_000).stages}
    shared = [one for one in plan(300, TREE, RIDGE).stages if one.task == "train.trials"]
    each = [one for stage in shared for one in TrialsParams.model_validate(stage.params).each()]
    assert [one.candidate for one in each] == ["decision_tree"] * 150 + ["ridge_classifier"] * 150
    assert each == [TrialParams.model_validate(alone[f"train[{one.candidate}#{one.index}]"].params) for one in each]
    assert shared[0].id == "train[decision_tree#1-4]"
    assert shared[0].inputs == alone["train[decision_tree#1]"].inputs
    assert shared[0].policy.tolerate
    assert shared[0].policy.timeout_s == 4 * alone["train[decision_tree#1]"].policy.timeout_s


def test_the_choice_takes_both_kinds_and_knows_the_order_of_the_spec():
    made = plan(300, FOREST, TREE)
    select = call(made, "select")
    tasks = {one.id: one.task for one in made.stages}
    for name, output, task in (("results", "result", "train.trial"), ("together", "results", "train.trials")):
        source = select.inputs[name]
        assert isinstance(source, Gather)
        assert source.output == output
        assert [one for one in tasks if tasks[one] == task] == list(source.stages)
    assert len(call(made, "select").inputs["results"].stages) == 150  # a forest's trial is not small
    assert (select.params["trials"], select.params["candidates"]) == (300, ["random_forest", "decision_tree"])
    assert (call(plan(30), "select").params["candidates"], "together" in call(plan(30), "select").inputs) == ([], False)


@pytest.mark.parametrize("limit", [{"timeout": 60.0}, {"memory": "1GB"}, {"min_success": 2}, {"max_failures": 9}])
def test_none_share_where_the_spec_holds_single_ones_to_something(limit):
    assert set(lots(plan(300, train=limit))) == {1}


def test_none_share_where_an_own_stage_takes_what_they_leave():
    signatures = {"look:look": LOOK}
    made = plan(300, stages=[{**STAGE, "after": "train"}], signatures=signatures)
    assert set(lots(made)) == {1}
    assert len(call(made, "look").inputs["results"].stages) == 300
    other = Signature("look", "look.py:1", (Parameter("model", "model"),), {}, False, (("result", "json"),))
    assert 4 in lots(plan(300, stages=[STAGE], signatures={"look:look": other}))


def test_a_search_that_is_widened_finds_its_stages_again():
    before, after = plan(600), plan(1000)
    known = {one.key for one in after.stages if one.task == "train.trials"}
    assert [one.key in known for one in before.stages if one.task == "train.trials"] == [True] * 75

"""The plan of a workflow: its stages, their wiring, their policies."""

from __future__ import annotations

import pytest

from orchestrator.contracts.calls import Gather, Output
from orchestrator.contracts.tasks import TASKS
from orchestrator.plan.fingerprints import Rival
from orchestrator.plan.policies import trial_batch
from orchestrator.plan.problems import CannotPlan
from tests.unit.plan_case import call, ids, plan_of, ref

GRID = {"candidates": ({"ridge_classifier": {"grid": {"alpha": (1, 10)}}}, "dummy")}


def test_a_whole_plan_stands_in_lifecycle_order():
    plan = plan_of(train=GRID, gates=("roc_auc >= 0.8",), approve=True, data=_checked())
    assert ids(plan) == [
        "ingest[customers]", "check", "prepare", "split", "features",
        "train[ridge_classifier#1]", "train[ridge_classifier#2]", "train[dummy#1]",
        "select", "evaluate", "spend", "gates", "package", "approve", "register",
    ]  # fmt: skip


def _checked():
    return {"sources": {"customers": "customers.csv"}, "checks": {"age": {"min": 0}}}


def test_what_the_spec_leaves_out_is_no_stage():
    assert not {"check", "gates", "approve"} & set(ids(plan_of(train=GRID)))


def test_each_stage_has_the_inputs_and_parameters_of_its_task():
    plan = plan_of(train=GRID, gates=("beats: dummy",), approve=True, data=_checked())
    for one in plan.stages:
        task = TASKS[one.task]
        required = {name for name in task.inputs if not name.endswith("?")}
        possible = required | {name.removesuffix("?") for name in task.inputs}
        assert required <= one.inputs.keys() <= possible, one.id
        assert one.version == task.version
        assert one.queue == task.queue
        assert task.params is not None
        task.params.model_validate(one.params)


def test_each_input_is_an_output_of_the_task_that_it_comes_from():
    plan = plan_of(train=GRID, gates=("beats: dummy",), data=_checked())
    tasks = {one.id: one.task for one in plan.stages}
    for one in plan.stages:
        for source in one.inputs.values():
            if isinstance(source, Output):
                assert source.output in TASKS[tasks[source.stage]].outputs
            if isinstance(source, Gather):
                assert all(source.output in TASKS[tasks[stage]].outputs for stage in source.stages)


def test_edges_not_layers():
    plan = plan_of(train=GRID, gates=("beats: dummy",), approve=True, data=_checked())
    assert set(call(plan, "prepare").upstream()) == {"ingest[customers]", "check"}
    assert "gates" not in call(plan, "package").upstream()
    assert set(call(plan, "approve").upstream()) == {"gates", "package"}
    assert "approve" in call(plan, "register").after
    assert call(plan, "register").inputs["verdicts"] == Output(stage="gates", output="verdicts")


def test_trials_bear_failures_and_the_choice_judges():
    plan = plan_of(train={**GRID, "min_success": 2, "max_failures": 1, "timeout": "10m", "memory": "2GB"})
    trial, select = call(plan, "train[dummy#1]").policy, call(plan, "select").policy
    assert (trial.tolerate, trial.timeout_s, trial.memory_mb) == (True, 600, 2048)
    assert (select.min_success, select.max_failures, select.tolerate) == (2, 1, False)
    assert call(plan_of(train=GRID), "select").policy.min_success == 1


def test_more_successes_than_trials_are_refused():
    with pytest.raises(CannotPlan, match=r"train.min_success: asks for 9 successful trials of 3"):
        plan_of(train={**GRID, "min_success": 9})


@pytest.mark.parametrize(
    ("trials", "size", "folds", "batch"),
    [(40, 100_000, 5, 2), (320, 100_000, 5, 8), (320, 10, 5, 16), (320, 10_000_000, 5, 1), (10, 10, 5, 1)],
)
def test_small_trials_share_messages_while_pools_stay_busy(trials, size, folds, batch):
    assert trial_batch(trials, size, folds) == batch


def test_approval_is_held_until_its_deadline():
    policy = call(plan_of(train=GRID, approve={"deadline": "7d", "otherwise": "approve"}), "approve").policy
    assert policy.hold is not None
    assert (policy.hold.deadline_s, policy.hold.otherwise) == (7 * 86400, "approve")


def test_own_estimators_bring_their_code_to_trials_and_to_whoever_loads_the_model():
    train = {"candidates": ({"my.models:Ours": {"grid": {"k": (1, 2)}}}, "dummy")}
    plan = plan_of(train=train)
    assert call(plan, "train[Ours#1]").code.entry == "my.models:Ours"
    assert call(plan, "train[dummy#1]").code is None
    assert all(call(plan, name).code.snapshot == ref("models") for name in ("select", "evaluate", "package"))


def test_a_rival_comes_with_its_bundle_its_rows_and_the_raw_table():
    rivals = {"churn@3": Rival(ref("bundle"), ref("rows"))}
    gates = call(plan_of(train=GRID, gates=("beats: churn@3",), prints={"rivals": rivals}), "gates")
    assert gates.inputs["rival_bundle"] == ref("bundle")
    assert gates.inputs["rival_rows"] == ref("rows")
    assert gates.inputs["table"] == Output(stage="ingest[customers]", output="table")


def test_production_stands_for_the_version_that_is_live_when_it_is_planned():
    asked = ("not_worse_than: production by 0.01", "beats: churn@3")
    rivals = {f"churn@{version}": Rival(ref(f"bundle{version}"), ref("rows")) for version in (3, 4)}
    third, fourth = (
        call(plan_of(train=GRID, gates=asked[:1], prints={"rivals": rivals, "live": live}), "gates")
        for live in ("churn@3", "churn@4")
    )
    assert (third.params["live"], third.inputs["rival_bundle"]) == ("churn@3", ref("bundle3"))
    assert third.key != fourth.key
    both = call(plan_of(train=GRID, gates=asked, prints={"rivals": rivals, "live": "churn@3"}), "gates")
    assert both.inputs["rival_bundle"] == ref("bundle3")
    with pytest.raises(CannotPlan, match="churn@4 and churn@3"):
        plan_of(train=GRID, gates=asked, prints={"rivals": rivals, "live": "churn@4"})


def test_a_live_version_that_no_gate_asks_for_leaves_the_key_alone():
    plans = (plan_of(train=GRID, gates=("beats: dummy",), prints={"live": live}) for live in (None, "churn@4"))
    assert len({call(plan, "gates").key for plan in plans}) == 1


def test_with_nothing_in_production_there_is_no_rival():
    gates = call(plan_of(train=GRID, gates=("beats: production",)), "gates")
    assert gates.params["live"] is None
    assert "rival_bundle" not in gates.inputs


def test_the_prepared_table_is_given_where_slices_are_asked_for_and_only_there():
    plain = plan_of(train=GRID, gates=("accuracy >= 0.5",))
    assert "prepared" not in call(plain, "evaluate").inputs
    assert "prepared" not in call(plain, "gates").inputs
    asked = {"metric": "accuracy", "at_least": 0.5, "slices": "tenure"}
    slices = ({"tenure": (0, 10, 80)}, "Contract")
    sliced = plan_of(train=GRID, gates=(asked,), evaluation={"slices": slices})
    for stage in ("evaluate", "gates"):
        assert call(sliced, stage).inputs["prepared"] == Output(stage="prepare", output="table")
    assert [one["column"] for one in call(sliced, "evaluate").params["slices"]] == ["tenure", "Contract"]
    assert [one["column"] for one in call(sliced, "gates").params["slices"]] == ["tenure"]


def test_two_rivals_are_refused():
    with pytest.raises(CannotPlan, match=r"gates\[1\]: gates compare with churn@1 and churn@2"):
        plan_of(train=GRID, gates=("beats: churn@1", "beats: churn@2"))


def test_equal_names_of_candidates_are_refused():
    with pytest.raises(CannotPlan, match=r"train.candidates\[1\]: another candidate is named 'dummy'"):
        plan_of(train={"candidates": ("dummy", "dummy")})


def test_a_grid_search_cannot_draw():
    candidates = ({"ridge_classifier": {"range": {"alpha": {"low": 1, "high": 2}}}},)
    with pytest.raises(CannotPlan, match=r"train.candidates\[0\].range.alpha: a grid search cannot draw"):
        plan_of(train={"candidates": candidates, "search": {"method": "grid"}})


def test_without_a_known_environment_there_are_no_keys():
    plan = plan_of(train=GRID, prints={"environments": {"prep": None}})
    assert {one.key for one in plan.stages} == {None}


def test_the_plan_carries_the_spec_and_the_run_options():
    plan = plan_of(train=GRID, run={"on_failure": "continue", "max_parallel": 3})
    assert (plan.on_failure, plan.max_parallel) == ("continue", 3)
    assert plan.spec["objective"]["predict"] == "churn"


def test_the_rows_ranked_highest_are_asked_of_classes_alone():
    top = call(plan_of(evaluation={"top": (50, "5%")}), "evaluate").params["top"]
    assert top == [{"rows": 50, "share": None}, {"rows": None, "share": 0.05}]
    assert call(plan_of(), "evaluate").params["top"] == [{"rows": None, "share": 0.1}]
    values = plan_of(objective={"predict": "spent", "task": "regression"})
    assert call(values, "evaluate").params["top"] == []

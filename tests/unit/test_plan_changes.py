"""What changed since an earlier plan, and how long the rest may take."""

from __future__ import annotations

import pytest

from orchestrator.contracts.calls import Code, StageCall
from orchestrator.plan.changes import Change, changes
from orchestrator.plan.estimate import OVERHEAD_S, estimate
from orchestrator.plan.ordering import in_plan_order
from tests.unit.plan_case import plan_of, ref

TRAIN = {"candidates": ({"ridge_classifier": {"grid": {"alpha": (1, 2, 3, 4)}}},)}


def through_json(plan):
    """As Redis gives a plan back: without defaults, lists for tuples, in no order."""
    return [StageCall.model_validate_json(call.model_dump_json(exclude_defaults=True)) for call in plan.stages][::-1]


def found(before, after):
    return {one.stage: one for one in changes(through_json(before), after.stages)}


def test_an_equal_plan_has_no_changes():
    assert changes(through_json(plan_of(train=TRAIN)), plan_of(train=TRAIN).stages) == []


def test_reasons_lie_in_the_stage_or_in_what_stands_before_it():
    reasons = found(plan_of(train=TRAIN), plan_of(train=TRAIN, split={"test": 0.3}))
    assert reasons["split"] == Change("split", "changed", ("params: test",))
    assert reasons["features"].reasons == ("upstream: split",)
    assert reasons["select"].reasons == ("upstream: train, features, split",)
    assert "prepare" not in reasons


def test_parameters_are_named_one_level_down():
    more = {"candidates": ({"ridge_classifier": {"grid": {"alpha": (1, 2, 3, 5)}}},)}
    assert found(plan_of(train=TRAIN), plan_of(train=more))["train[ridge_classifier#4]"].reasons == ("params: alpha",)


def test_sources_code_and_environment_are_told_apart():
    plan = plan_of(train=TRAIN)
    source = plan_of(train=TRAIN, prints={"sources": {"customers": ref("other")}})
    assert found(plan, source)["ingest[customers]"].reasons == ("source",)
    pools = {"prep": "sha256:env", "train": "sha256:new", "evaluate": "sha256:env", "ops": "sha256:env"}
    assert found(plan, plan_of(train=TRAIN, prints={"environments": pools}))["select"].reasons[0].startswith("upstream")
    assert found(plan, plan_of(train=TRAIN, prints={"environments": pools}))["train[ridge_classifier#1]"].reasons == (
        "environment",
    )
    own = {"stages": ({"name": "own", "call": "my.own:f", "after": "prepare"},), "train": TRAIN}
    edited = {"code": {"my.own:f": Code(snapshot=ref("edited"), entry="my.own:f")}}
    assert found(plan_of(**own), plan_of(**own, prints=edited))["own"].reasons == ("code",)


def test_stages_come_and_go():
    reasons = found(plan_of(train=TRAIN), plan_of(train=TRAIN, gates=("beats: dummy",)))
    assert reasons["gates"].kind == "new"
    assert reasons["register"].reasons == ("inputs",)
    assert found(plan_of(train=TRAIN, gates=("beats: dummy",)), plan_of(train=TRAIN))["gates"].kind == "removed"


SECONDS = {
    "data.ingest": 1.0,
    "data.prepare": 1.0,
    "data.split": 1.0,
    "features.build": 1.0,
    "train.trial:ridge_classifier": 4.0,
    "train.select": 1.0,
    "evaluate.model": 1.0,
    "release.package": 1.0,
    "release.register": 1.0,
}


@pytest.mark.parametrize(("processes", "rounds"), [(1, 4), (2, 2), (4, 1), (8, 1)])
def test_trials_share_the_processes_of_their_pool(processes, rounds):
    plan = plan_of(train=TRAIN)
    seconds = estimate(plan, (), SECONDS, {"train": processes})
    assert seconds == pytest.approx(4 + 4 * rounds + 4 + (8 + rounds) * OVERHEAD_S)


def test_what_is_cached_takes_no_time_and_what_is_unknown_makes_no_estimate():
    plan = plan_of(train=TRAIN)
    everything = {call.id for call in plan.stages}
    assert estimate(plan, everything, {}, {}) == 0
    assert estimate(plan, everything - {"register"}, SECONDS, {}) == pytest.approx(1 + OVERHEAD_S)
    assert estimate(plan, (), {**SECONDS, "select": 2.0} | {"train.select": 0.0}, {}) is not None
    assert estimate(plan, (), {name: one for name, one in SECONDS.items() if name != "data.split"}, {}) is None


def test_folds_that_stand_apart_share_the_processes_too():
    plan = plan_of(
        train={"candidates": TRAIN["candidates"][:1], "search": {"folds": 4}},
        prints={"sources": {"customers": ref("customers", 5 << 20)}},
    )
    folds = [call for call in plan.stages if call.task == "train.fold"]
    known = SECONDS | {"train.fold:ridge_classifier": 4.0, "train.joined": 0.0}
    rounds = len(folds) // 2
    assert len(folds) % 4 == 0
    assert estimate(plan, (), known, {"train": 2}) == pytest.approx(4 + 4 * rounds + 4 + (9 + rounds) * OVERHEAD_S)


class _Stage:
    def __init__(self, call):
        self.id, self.after = call.id, call.upstream()


def test_stages_are_shown_in_lifecycle_order_whatever_order_redis_has_them_in():
    grid = {"candidates": ({"ridge_classifier": {"grid": {"alpha": tuple(range(12))}}},)}
    plan = plan_of(
        train=grid, gates=("beats: dummy",), stages=({"name": "own", "call": "my.own:f", "after": "prepare"},)
    )
    mixed = sorted(plan.stages, key=lambda call: hash(call.key))
    assert [one.id for one in in_plan_order(_Stage(call) for call in mixed)] == [call.id for call in plan.stages]

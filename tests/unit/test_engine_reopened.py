"""Which results under recipe keys are no answer: those made of other inputs than the hits before them hold."""

from __future__ import annotations

import pytest

from orchestrator.contracts.calls import ArtifactRef, Gather, Kind, Output, Plan, Policy, StageCall
from orchestrator.contracts.keys import made_of
from orchestrator.engine.messages import CacheRecord
from orchestrator.engine.submission import inputs_of, reopened, usable


def ref(name: str) -> ArtifactRef:
    return ArtifactRef(kind=Kind.JSON, digest=f"sha256:{name}", size=1)


def call(identifier: str, *needs: str, gather: bool = False, after: str = "", tolerate: bool = False) -> StageCall:
    one = {need: Output(stage=need, output="echo") for need in needs}
    return StageCall(
        id=identifier, task="ops.probe", queue="ops", version=1, after=(after,) if after else (),
        inputs={"all": Gather(stages=needs, output="echo")} if gather else one, policy=Policy(tolerate=tolerate),
    )  # fmt: skip


TRIALS = (call("t1", "rows", tolerate=True), call("t2", "rows", tolerate=True))
CHAIN = (call("select", "t1", "t2", gather=True), call("judge", "select"), call("tell", after="judge"))
PLAN = Plan(workflow="w", stages=(call("rows"), *TRIALS, *CHAIN))


def hits(without: str = "", **left: str) -> dict[str, CacheRecord]:
    """A result of each stage, made of what those before it left; `left` by stage names what it left instead."""
    outputs = {one.id: {"echo": ref(left.get(one.id, one.id))} for one in PLAN.stages if one.id != without}
    return {
        one.id: CacheRecord(outputs[one.id], inputs=made_of(inputs_of(one, outputs)))
        for one in PLAN.stages
        if one.id in outputs
    }


def test_what_was_made_of_the_very_hits_before_it_is_a_hit() -> None:
    assert reopened(PLAN, hits()) == set()


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("rows", {"t1", "t2", "select", "judge", "tell"}),
        ("t1", {"select", "judge", "tell"}),
        ("select", {"judge", "tell"}),
        ("judge", set()),  # it is only waited for
    ],
)
def test_a_stage_that_was_redone_otherwise_takes_those_after_it_with_it(changed: str, again: set[str]) -> None:
    assert reopened(PLAN, hits() | {changed: hits(**{changed: "other"})[changed]}) == again


def test_what_came_of_fewer_trials_is_none_of_all() -> None:
    fewer = hits(without="t2")
    assert reopened(PLAN, hits() | {"select": fewer["select"]}) == {"select", "judge", "tell"}
    assert reopened(PLAN, fewer) == {"select", "judge", "tell"}


@pytest.mark.parametrize(("lost", "again"), [("select", {"select", "judge", "tell"}), ("rows", set())])
def test_where_a_hit_is_lost_what_comes_of_a_search_is_uncertain(lost: str, again: set[str]) -> None:
    assert reopened(PLAN, {one: hit for one, hit in hits().items() if one != lost}) == again


def test_what_0_1_0_kept_does_not_say_what_it_was_made_of() -> None:
    old = {one: CacheRecord(hit.outputs) for one, hit in hits().items()}
    assert reopened(PLAN, old) == set()
    assert reopened(PLAN, {one: hit for one, hit in old.items() if one != "t2"}) == {"select", "judge", "tell"}


def test_where_the_choice_is_made_again_since_its_bytes_are_gone_so_is_what_came_of_it() -> None:
    pack = call("pack", "select")  # not known, and it needs the choice
    plan = Plan(workflow="w", stages=(*PLAN.stages, pack))
    assert usable(plan, hits(), lambda _: True).keys() == hits().keys()
    found = usable(plan, hits(), lambda digest: digest != ref("select").digest)
    assert found.keys() == {"rows", "t1", "t2"}

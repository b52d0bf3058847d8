"""Any spec makes a plan that is a DAG in order, with keys that say what changed and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.contracts.calls import Plan
from orchestrator.plan.build import build
from orchestrator.spec.models import Spec
from tests.unit.plan_case import document, fingerprints, ref

NUMBERS = st.integers(1, 4)


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """The sections of a spec that are drawn, as a person would write them."""
    names = ("dummy", "ridge_classifier", "random_forest")
    candidates = [
        {name: {"grid": {"k": tuple(range(draw(NUMBERS)))}, "fixed": {"seed": draw(NUMBERS)}}}
        for name in names[: draw(st.integers(1, 3))]
    ]
    chosen: dict[str, Any] = {"train": {"candidates": tuple(candidates), "search": {"folds": draw(st.integers(2, 6))}}}
    if draw(st.booleans()):
        chosen["gates"] = ("roc_auc >= 0.8", "beats: dummy")[: draw(st.integers(1, 2))]
    if draw(st.booleans()):
        chosen["approve"] = True
    if draw(st.booleans()):
        chosen["data"] = {"sources": {"customers": {"file": "customers.csv"}}, "checks": {"age": {"min": 0}}}
    if draw(st.booleans()):
        chosen["features"] = {"derive": {"ratio": "a / b"}}
    spine = [("ingest", "prepare"), ("prepare", "features"), ("prepare", None), (None, "features"), ("split", "select")]
    chosen["stages"] = tuple(
        {"name": f"own{place}", "call": f"my.own{place}:f"}
        | ({"after": after} if after else {})
        | ({"before": before} if before else {})
        for place, (after, before) in enumerate(draw(st.lists(st.sampled_from(spine), max_size=3)))
    )
    return chosen


def planned(written: dict[str, Any], **prints: Any) -> Plan:
    spec = Spec.model_validate(document(**written))
    return build(spec, fingerprints(spec, **prints))


def keys(plan: Plan) -> dict[str, str | None]:
    return {call.id: call.key for call in plan.stages}


def behind(plan: Plan, *groups: str) -> set[str]:
    """The stages of these groups and all that depends on them."""
    found: set[str] = set()
    for call in plan.stages:
        if call.id.partition("[")[0] in groups or found & set(call.upstream()):
            found.add(call.id)
    return found


@given(sections())
@settings(max_examples=60, deadline=None)
def test_every_plan_is_a_dag_in_topological_order_with_unique_ids(written):
    plan = planned(written)
    seen: set[str] = set()
    for call in plan.stages:
        assert call.id not in seen
        assert set(call.upstream()) <= seen
        seen.add(call.id)
    assert len({call.key for call in plan.stages if call.key}) == sum(call.key is not None for call in plan.stages)


@given(sections(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_keys_do_not_depend_on_the_order_of_keys(written, shuffling):
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        items = list(value.items())
        shuffling.shuffle(items)
        return {key: shuffled(item) for key, item in items}

    assert keys(planned(shuffled(written))) == keys(planned(written))


CHANGES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "gates": ({"gates": ("accuracy >= 0.5",)}, ("spend",)),
    "approve": ({"approve": {"deadline": "1h"}}, ("approve",)),
    "split": ({"split": {"test": 0.3}}, ("split",)),
    "prepare": ({"prepare": {"drop": "note"}}, ("prepare",)),
    "features": ({"features": {"derive": {"other": "a + b"}}}, ("features", "package")),
    "ignore": ({"columns": {"ignore": "note"}}, ("split", "features", "train")),
    "run": ({"run": {"max_parallel": 2, "on_failure": "continue"}}, ()),
}


@given(sections(), st.sampled_from(sorted(CHANGES)))
@settings(max_examples=100, deadline=None)
def test_a_change_of_a_section_changes_its_stage_and_what_depends_on_it(written, name):
    changed, groups = CHANGES[name]
    before, after = planned(written), planned(written | changed)
    old, new = keys(before), keys(after)
    expected = behind(after, *groups) - {"approve"}
    if written.get(name) == changed.get(name) and name in written:
        return
    touched = {stage for stage in new if stage in old and new[stage] != old[stage]}
    assert touched <= expected
    if name != "approve":  # an approval has no key, and passes none on
        fresh = {stage for stage in expected if new[stage] is not None}
        assert fresh <= touched | (new.keys() - old.keys())


@given(sections())
@settings(max_examples=30, deadline=None)
def test_folds_change_the_split_and_all_after_it(written):
    train = written["train"]
    more = written | {"train": train | {"search": {"folds": train["search"]["folds"] + 1}}}
    before, after = planned(written), planned(more)
    touched = {stage for stage, key in keys(after).items() if key != keys(before)[stage]}
    assert touched == behind(after, "split") - {"approve"}


@given(sections())
@settings(max_examples=30, deadline=None)
def test_other_bytes_of_the_source_change_every_key_and_another_pool_only_its_own(written):
    old = keys(planned(written))
    other = keys(planned(written, sources={"customers": ref("other")}))
    assert all(other[stage] != key for stage, key in old.items() if key is not None)
    pools = {"prep": "sha256:env", "train": "sha256:new", "evaluate": "sha256:env", "ops": "sha256:env"}
    trained = planned(written, environments=pools)
    touched = {stage for stage, key in keys(trained).items() if key != old[stage]}
    assert touched == behind(trained, "train", "select") - {"approve"}


@given(sections())
@settings(max_examples=30, deadline=None)
def test_the_goal_and_the_metric_leave_data_alone(written):
    objective = {"predict": "churn", "task": "classification", "positive": "yes"}
    plain = planned(written | {"objective": objective})
    assert keys(planned(written | {"objective": objective | {"goal": 0.9}})) == keys(plain)
    other = planned(written | {"objective": objective | {"metric": "accuracy"}})
    touched = {stage for stage, key in keys(other).items() if key != keys(plain)[stage]}
    assert touched == behind(other, "train", "select") - {"approve"}

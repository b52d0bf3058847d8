"""Keys: the same recipe has the same key, and every ingredient changes it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.contracts.calls import ArtifactRef, Code, Gather, Kind, Output, Policy, StageCall
from orchestrator.contracts.environment import environment, environment_digest
from orchestrator.contracts.keys import content_key, recipe_key

SNAPSHOT = ArtifactRef(kind=Kind.FILE, digest="sha256:" + "c" * 64, size=1)
TABLE = ArtifactRef(kind=Kind.TABLE, digest="sha256:" + "a" * 64, size=10, rows=3)
OTHER = ArtifactRef(kind=Kind.TABLE, digest="sha256:" + "b" * 64, size=10, rows=3)
ENVIRONMENTS = {"prep": "sha256:e", "train": "sha256:f"}
KEYS = {"one": "sha256:1", "two": "sha256:2", "early": "sha256:3"}

CALL = StageCall(
    id="enrich",
    task="custom",
    queue="prep",
    version=1,
    params={"radius": 5, "deep": {"a": 1, "b": [1, 2]}},
    inputs={"table": Output(stage="one", output="table"), "more": Gather(stages=("one", "two"), output="x")},
    after=("early",),
    code=Code(snapshot=SNAPSHOT, entry="enrich:geo", requires=("rich>=13",)),
)

CHANGES: dict[str, dict[str, Any]] = {
    "task": {"task": "data.check"},
    "version": {"version": 2},
    "params": {"params": {"radius": 6, "deep": {"a": 1, "b": [1, 2]}}},
    "order in a list": {"params": {"radius": 5, "deep": {"a": 1, "b": [2, 1]}}},
    "input name": {"inputs": {"t": Output(stage="one", output="table"), "more": CALL.inputs["more"]}},
    "output": {"inputs": {"table": Output(stage="one", output="rows"), "more": CALL.inputs["more"]}},
    "producer": {"inputs": {"table": Output(stage="two", output="table"), "more": CALL.inputs["more"]}},
    "gather order": {
        "inputs": {"table": CALL.inputs["table"], "more": Gather(stages=("two", "one"), output="x")},
    },
    "artifact": {"inputs": {"table": TABLE, "more": CALL.inputs["more"]}},
    "after": {"after": ()},
    "no code": {"code": None},
    "entry": {"code": Code(snapshot=SNAPSHOT, entry="enrich:other", requires=("rich>=13",))},
    "snapshot": {
        "code": Code(snapshot=SNAPSHOT.model_copy(update={"digest": "sha256:d"}), entry="enrich:geo"),
    },
    "queue": {"queue": "train"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_ingredient_changes_the_recipe_key(change: str) -> None:
    changed = CALL.model_copy(update=CHANGES[change])
    assert recipe_key(changed, KEYS, ENVIRONMENTS) != recipe_key(CALL, KEYS, ENVIRONMENTS)


@pytest.mark.parametrize("producer", ["one", "two", "early"])
def test_an_upstream_key_changes_the_recipe_key(producer: str) -> None:
    assert recipe_key(CALL, {**KEYS, producer: "sha256:9"}, ENVIRONMENTS) != recipe_key(CALL, KEYS, ENVIRONMENTS)


def test_what_does_not_change_the_result_does_not_change_the_key() -> None:
    changed = CALL.model_copy(update={"id": "x", "policy": Policy(attempts=9), "shadow": "custom.geo", "key": "k"})
    assert recipe_key(changed, KEYS, ENVIRONMENTS) == recipe_key(CALL, KEYS, ENVIRONMENTS)


def test_no_recipe_key_without_keys_of_the_data_or_an_environment() -> None:
    assert recipe_key(CALL, {**KEYS, "two": None}, ENVIRONMENTS) is None
    assert recipe_key(CALL, KEYS, {"train": "sha256:f"}) is None
    approve = CALL.model_copy(update={"task": "release.approve", "inputs": {}, "code": None})
    assert recipe_key(approve, KEYS, ENVIRONMENTS) is None


def test_coming_after_an_approval_keeps_the_key() -> None:
    assert recipe_key(CALL, {**KEYS, "early": None}, ENVIRONMENTS) is not None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def reversed_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_order(value[key]) for key in reversed(list(value))}
    return [reversed_order(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_dict_order_is_irrelevant(params: dict[str, Any]) -> None:
    call = CALL.model_copy(update={"params": params})
    turned = CALL.model_copy(update={"params": reversed_order(params), "inputs": reversed_order(CALL.inputs)})
    assert recipe_key(call, KEYS, ENVIRONMENTS) == recipe_key(turned, KEYS, ENVIRONMENTS)
    assert content_key(call, {"table": TABLE}, "e") == content_key(turned, {"table": TABLE}, "e")


def test_content_key_follows_bytes_not_producers() -> None:
    key = content_key(CALL, {"table": TABLE, "more": (TABLE, OTHER)}, "e")
    moved = CALL.model_copy(update={"inputs": {}, "after": ()})
    assert content_key(moved, {"more": (TABLE, OTHER), "table": TABLE}, "e") == key
    assert content_key(CALL, {"table": OTHER, "more": (TABLE, OTHER)}, "e") != key
    assert content_key(CALL, {"table": TABLE, "more": (OTHER, TABLE)}, "e") != key
    assert content_key(CALL, {"table": TABLE, "more": (TABLE, OTHER)}, "f") != key


def test_environment_names_what_results_depend_on() -> None:
    assert {"python", "machine", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops"} <= set(environment())
    assert environment_digest() == environment_digest()
    assert environment_digest().startswith("sha256:")

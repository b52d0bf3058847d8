"""Values that are nearly right: sound documents of every kind with something wrong at one node or a few."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz.mutation import DOCUMENTS, changed
from tests.fuzz.specs import planned
from tests.fuzz.test_corpus import broken_by
from tests.fuzz.variations import SETTINGS

pytestmark = pytest.mark.filterwarnings("default")

# A workflow file with every section; JSON is YAML.
SPEC: dict[str, Any] = {
    "name": "all-of-it",
    "seed": 7,
    "objective": {"predict": "bought", "task": "classification", "metric": "roc_auc", "positive": "yes", "goal": 0.9,
                  "threshold": {"metric": "f1"}, "costs": {"false_positive": 1, "false_negative": 5.0}},
    "columns": {"id": "id", "time": "when", "ignore": ["city"]},
    "data": {
        "sources": {"people": {"file": "people.csv", "delimiter": ",", "missing": ["", "NA"]}},
        "checks": {"age": {"type": "number", "min": 0, "max": 120, "missing": "10%", "unique": False}},
        "rows": {"min": 1, "max": 1000},
    },
    "prepare": {
        "rename": {"income": "money"}, "drop": [], "cast": {"age": "integer", "when": {"to": "date"}},
        "filter": ["age >= 18"], "deduplicate": {"by": ["id"], "keep": "last"},
    },
    "split": {"test": "25%", "method": "time", "gap": 1},
    "features": {"derive": {"ratio": "money / age"}, "columns": {"money": {"type": "numeric", "scale": "robust"}}},
    "train": {
        "candidates": [
            {"logistic_regression": {"grid": {"C": [0.1, 1]}}},
            {"hist_gradient_boosting": {"range": {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}}}},
            {"voting": {"of": ["gaussian_nb", {"deep": {"estimator": "decision_tree", "fixed": {"max_depth": 3}}}]}},
            {"ours:Ours": {"fixed": {"depth": 2}, "requires": ["numpy>=2"]}},
        ],
        "search": {"method": "asha", "trials": 9, "folds": 2, "batch": 2, "factor": 3, "min_resource": 0.1,
                   "patience": 3, "tolerance": 0.1, "time": 60, "worker_time": "1h"},
    },
    "stages": [
        {"name": "geo", "call": "ours:enrich", "after": "ingest", "with": {"radius": 2.0, "token": {"secret": "T"}}}
    ],
    "gates": ["roc_auc >= 0.8", "beats: dummy", {"metric": "brier", "at_most": 0.2}],
    "approve": {"deadline": "7d", "otherwise": "reject"},
    "run": {"on_failure": "stop", "max_parallel": 4},
}  # fmt: skip

WORDS = (
    *(
        "",
        " ",
        "x",
        "0",
        "-1",
        "1e999",
        "NaN",
        "~",
        "[",
        "{}",
        "${NAME}",
        "$${",
        "a.b",
        "a:b",
        "../x",
        "__row__",
        "yes",
    ),
    *("\x00", "\x1b[2J", "\n", "\u2028", "𝔘", "a" * 300, "1" * 50, "@", "1%", "<= 1%", "101%", "7d", "2024-02-30"),
    *("age", "money", "bought", "id", "ingest", "roc_auc >= 0.8", "beats: x@1", "ours:enrich", "numpy>>2", "(" * 300),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.sampled_from((0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, 1e308, -0.0)),
    st.integers(-3, 12), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(WORDS),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def changes(document: Any) -> SearchStrategy[list[Any]]:
    """Up to three changes of the document, each as [path, value], or as [path] where something is taken away."""
    paths = [list(path) for path in _paths(document)]
    elsewhere = st.builds(lambda path, key: [*path, key], st.sampled_from(paths), st.sampled_from(WORDS))
    path = st.one_of(st.sampled_from(paths), elsewhere)
    moved = st.sampled_from(paths).map(lambda at: copy.deepcopy(_at(document, at)))
    one = st.one_of(st.tuples(path).map(list), st.tuples(path, st.one_of(VALUES, moved)).map(list))
    return st.lists(one, min_size=1, max_size=3)


def _paths(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, below in inside:
        yield from _paths(below, (*above, step))


def _at(document: Any, path: list[Any]) -> Any:
    for step in path:
        document = document[step]
    return document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_with_a_few_wrong_nodes_is_read_or_refused(name: str) -> None:
    @SETTINGS
    @given(changes(DOCUMENTS[name]()))
    def try_them(asked: list[Any]) -> None:
        why = broken_by(name, json.dumps(asked).encode())
        assert why is None, why

    try_them()


def test_a_workflow_file_with_a_few_wrong_nodes_is_planned_or_refused() -> None:
    assert planned(json.dumps(SPEC).encode(), []).stages

    @SETTINGS
    @given(changes(SPEC))
    def try_them(asked: list[Any]) -> None:
        text = json.dumps(changed(SPEC, json.dumps(asked).encode()), ensure_ascii=False)
        why = broken_by("spec", text.encode(errors="replace"))
        assert why is None, why

    try_them()

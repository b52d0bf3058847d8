"""The learned transformer: one dense float64 matrix, without a warning, whatever a fold holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.documents.data import Preparation, PreparedColumn
from workers.features.preparation import feature_columns, learned

RULES: dict[str, dict[str, Any]] = {
    "n_median": {"type": "numeric", "missing": "median", "scale": "standard"},
    "n_indicator": {"type": "numeric", "missing": "indicator", "scale": "robust"},
    "n_mean": {"type": "numeric", "missing": "mean", "scale": "minmax"},
    "n_constant": {"type": "numeric", "missing": "constant", "fill": -1.0, "scale": "none"},
    "n_none": {"type": "numeric", "missing": "none", "scale": "none"},
    "b": {"type": "boolean", "missing": "most_frequent", "scale": "none"},
    "b_indicator": {"type": "boolean", "missing": "indicator", "scale": "none"},
    "c": {"type": "categorical", "missing": "constant", "fill": "(missing)", "encode": "onehot", "rare": 0.1},
    "c_frequent": {"type": "categorical", "missing": "most_frequent", "encode": "onehot", "rare": 0},
    "c_indicator": {"type": "categorical", "missing": "indicator", "encode": "onehot", "rare": 0},
    "c_none": {"type": "categorical", "missing": "none", "encode": "onehot", "rare": 0},
    "o": {
        "type": "categorical",
        "missing": "constant",
        "fill": "?",
        "encode": "ordinal",
        "rare": 2,
        "scale": "standard",
    },
    "o_none": {"type": "categorical", "missing": "none", "encode": "ordinal", "rare": 0, "scale": "none"},
    "t": {"type": "text"},
}


def preparation(*names: str) -> Preparation:
    features = tuple(
        PreparedColumn(name=name, source="data", rule=ColumnPreparation(**RULES[name]), reason="") for name in names
    )
    return Preparation(features=features, target_kind="regression")


def frame(kind: str, rows: int = 20) -> pd.DataFrame:
    """Columns of every rule: `usual`, `empty` (no value at all), `constant`, or `unseen` (other values)."""
    columns: dict[str, Any] = {}
    for name, rule in RULES.items():
        numbers = {"usual": [1.0, np.nan, 3.0, 0.0], "constant": [1.0] * 4, "unseen": [1e9, -5.0, np.nan, 0.0]}
        texts = {"usual": ["a", "b", None, "a"], "constant": ["a"] * 4, "unseen": ["new", "a", None, "z"]}
        if rule["type"] in ("numeric", "boolean"):
            columns[name] = pd.array(numbers.get(kind, [np.nan] * 4) * (rows // 4), dtype="float64")
        elif rule["type"] == "text":
            words = ["a cat", "(missing)", "x", "!"] if kind != "empty" else ["(missing)"] * 4
            columns[name] = pd.array(words * (rows // 4), dtype="str")
        else:
            columns[name] = pd.array(texts.get(kind, [None] * 4) * (rows // 4), dtype="str")
    return pd.DataFrame(columns)


@pytest.mark.parametrize("fitted", ["usual", "empty", "constant"])
@pytest.mark.parametrize("asked", ["usual", "empty", "constant", "unseen"])
def test_any_fold_can_be_fitted_and_any_rows_transformed(fitted: str, asked: str) -> None:
    transformer = learned(preparation(*RULES)).fit(frame(fitted))
    matrix = transformer.transform(frame(asked))
    assert isinstance(matrix, np.ndarray)
    assert matrix.dtype == np.float64
    names = transformer.get_feature_names_out()
    gaps = {str(name).split("__")[1] for name in names[np.isnan(matrix).any(axis=0)]}
    assert gaps <= {"n_none", "o_none"}


def test_a_row_is_transformed_the_same_alone_as_among_others() -> None:
    transformer = learned(preparation(*RULES)).fit(frame("usual"))
    rows = frame("unseen")
    together = transformer.transform(rows)
    for position in range(4):
        np.testing.assert_array_equal(transformer.transform(rows.iloc[[position]])[0], together[position])


def test_what_is_learned_is_what_scikit_learn_says() -> None:
    rows = frame("usual")
    matrix = learned(preparation("n_indicator", "c", "n_median")).fit_transform(rows)
    filled = rows[["n_median"]].fillna(rows["n_median"].median())
    assert matrix.shape == (20, 1 + 1 + 3 + 1)
    assert matrix[:, 1].tolist() == rows["n_indicator"].isna().tolist()
    assert matrix[:4, 2:5].tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]  # (missing), a, b
    np.testing.assert_allclose(matrix[:, 5:], StandardScaler().fit_transform(filled.to_numpy()))


def test_rare_and_unseen_categories() -> None:
    rows = pd.DataFrame({"c": pd.array(["a"] * 18 + ["b", "c"], dtype="str")})
    transformer = learned(preparation("c")).fit(rows)
    asked = pd.DataFrame({"c": pd.array(["a", "b", "never"], dtype="str")})
    assert transformer.transform(asked).tolist() == [[1, 0], [0, 1], [0, 1]]


def test_the_columns_are_the_features_in_order() -> None:
    assert feature_columns(preparation("c", "n_mean")) == ["c", "n_mean"]


def test_the_transformer_holds_classes_of_scikit_learn_only() -> None:
    transformer = learned(preparation(*RULES)).fit(frame("usual"))

    def modules(value: Any) -> set[str]:
        nested = [step for _, step, *_ in getattr(value, "transformers_", None) or getattr(value, "steps", None) or []]
        own = {type(value).__module__.split(".")[0]} - {"builtins"}
        return own.union(*map(modules, nested))

    assert modules(transformer) == {"sklearn"}

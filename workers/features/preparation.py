"""What is learned from training rows: a resolved preparation as a scikit-learn ColumnTransformer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler

from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.values import canonical

WORDS = 500  # most frequent words that a text column becomes at most

_Dtype = type[np.float32] | type[np.float64]
_SCALERS = {"standard": StandardScaler, "robust": RobustScaler, "minmax": MinMaxScaler}


def feature_columns(preparation: Preparation) -> list[str]:
    """The frame's columns that the transformer is given, in the frame's order."""
    return [column.name for column in preparation.features]


def learned(preparation: Preparation, segments: Sequence[str] | None = None) -> ColumnTransformer:
    """The unfitted transformer of a frame's feature columns into one matrix of the preparation's dtype.

    Columns of one rule share a step; the order of steps is that of their first columns. It holds classes of
    scikit-learn only, so that a model file needs no code of ours. Indicators are there even where a fold
    has no gap, and a column that is empty in a fold becomes a constant. The matrix is dense, or sparse where the
    preparation says so and a column becomes many. With `segments` a last column says which of
    them a row belongs to, -1 where it is none.
    """
    dtype = np.float32 if preparation.dtype == "float32" else np.float64
    steps: list[tuple[str, object, object]] = []
    for rule, columns in _by_rule(preparation):
        name = f"{rule.type}{len(steps) + 1}"
        if rule.type == "text":
            steps.extend((f"{name}_{position}", _words(dtype), column) for position, column in enumerate(columns, 1))
            continue
        steps.append((name, _values(rule, dtype, sparse=preparation.sparse), columns))
        if rule.missing == "indicator":
            steps.append((f"{name}_missing", MissingIndicator(features="all", error_on_new=False), columns))
    if segments is not None:
        steps.append(("segment", _numbered(segments, dtype), [preparation.segment]))
    return ColumnTransformer(steps, remainder="drop", sparse_threshold=float(preparation.sparse))


def _numbered(segments: Sequence[str], dtype: _Dtype) -> OrdinalEncoder:
    return OrdinalEncoder(
        categories=[np.array(segments, dtype=object)],
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=-1,
        dtype=dtype,
    )


def _by_rule(preparation: Preparation) -> list[tuple[ColumnPreparation, list[str]]]:
    """Columns with equal rules, together."""
    groups: dict[bytes, tuple[ColumnPreparation, list[str]]] = {}
    for column in preparation.features:
        if column.name == preparation.segment:
            continue
        key = canonical(column.rule.model_dump(mode="json", exclude={"parts"}))
        groups.setdefault(key, (column.rule, []))[1].append(column.name)
    return list(groups.values())


def _values(rule: ColumnPreparation, dtype: _Dtype, *, sparse: bool) -> object:
    """Imputation, encoding and scale of columns that are numbers or categories."""
    steps: list[tuple[str, object]] = []
    imputer = _imputer(rule)
    if imputer is not None:
        steps.append(("missing", imputer))
    if rule.type == "categorical":
        steps.append(("encode", _encoder(rule, dtype, sparse=sparse and rule.scale not in _SCALERS)))
    if rule.scale in _SCALERS:
        steps.append(("scale", _SCALERS[rule.scale]()))
    return Pipeline(steps) if steps else "passthrough"


def _imputer(rule: ColumnPreparation) -> SimpleImputer | None:
    """What stands in for a missing value; an indicator goes with the usual stand-in of the type."""
    if rule.missing == "none":
        return None
    if rule.missing == "constant":
        return SimpleImputer(strategy="constant", fill_value=rule.fill, keep_empty_features=True)
    usual = "median" if rule.type in ("numeric", "date") else "most_frequent"
    strategy = usual if rule.missing in ("indicator", None) else rule.missing
    return SimpleImputer(strategy=strategy, keep_empty_features=True)


def _encoder(rule: ColumnPreparation, dtype: _Dtype, *, sparse: bool) -> OneHotEncoder | OrdinalEncoder:
    """Categories to numbers; one that was never seen is zeros, or the bucket of rare ones, or -1."""
    rare = rule.rare or None
    if rule.encode == "ordinal":
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=rare, dtype=dtype)
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=rare, sparse_output=sparse, dtype=dtype)


def _words(dtype: _Dtype) -> TfidfVectorizer:
    """Weights of the most frequent words."""
    words = r"(?u)\b\w+\b"  # one letter is a word too, so that no text is left without any
    return TfidfVectorizer(max_features=WORDS, token_pattern=words, dtype=dtype)

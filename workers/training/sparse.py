"""Prepared rows as a sparse matrix, for estimators that take one; dense for the others, where that is small enough."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.errors import InvalidInput

DENSE_BYTES = 1 << 30  # of a fold's training and validation rows together, made dense for an estimator

Prepared: TypeAlias = NDArray[Any] | sparse.csr_matrix  # rows × prepared columns


def takes_sparse(estimator: BaseEstimator) -> bool:
    """Whether it says so itself, by scikit-learn's tag; an ensemble does where all inside it do."""
    return hasattr(estimator, "__sklearn_tags__") and bool(get_tags(estimator).input_tags.sparse)


def suited(preparation: Preparation, estimator: BaseEstimator) -> Preparation:
    """The preparation whose rows the estimator takes."""
    if not preparation.sparse or takes_sparse(estimator):
        return preparation
    return preparation.model_copy(update={"sparse": False})


def dense(sides: tuple[Any, Any], estimator: BaseEstimator, label: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Training and validation rows, made dense for an estimator. Raises InvalidInput where they would be too large."""
    train, validation = sides
    rows, columns = train.shape[0] + validation.shape[0], train.shape[1]
    size = rows * columns * train.dtype.itemsize
    if size > DENSE_BYTES:
        raise InvalidInput(
            f"{label}: {type(estimator).__name__} takes no sparse matrix, and {rows:,} rows × {columns:,} "
            f"columns are {size / 2**30:,.1f} GB dense, {DENSE_BYTES / 2**30:g} at most: leave it out, or make fewer "
            "columns of the categories (features.columns: encode: ordinal, or rare)"
        )
    return train.toarray(), validation.toarray()


def arrays(prepared: Prepared) -> list[NDArray[Any]]:
    """The array that dense rows are, or the three of sparse ones: values, columns, starts of rows."""
    rows: Any = prepared
    return [rows.data, rows.indices, rows.indptr] if sparse.issparse(rows) else [rows]


def stored(made: Any) -> Prepared:
    """What a transformer made, as folds keep it: C order, or CSR with sorted columns.

    Most estimators want these: each trial would make its own copy of any other.
    """
    if not sparse.issparse(made):
        return np.ascontiguousarray(made)
    rows = sparse.csr_matrix(made)
    rows.sum_duplicates()
    return rows


def joined(parts: list[NDArray[Any]], shape: tuple[int, int]) -> sparse.csr_matrix:
    """The matrix of three arrays that `stored` has put in order; they are not copied."""
    rows = sparse.csr_matrix(tuple(parts), shape=shape, copy=False)
    rows.has_sorted_indices = rows.has_canonical_format = True  # or scipy would look, and write
    return rows

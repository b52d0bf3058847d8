"""Sets of labels: one number for each row in tables, a column of 0 and 1 for each label in estimators and metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.contracts.documents.data import Preparation


def encoded(indicator: NDArray[Any]) -> NDArray[np.int64]:
    """Rows × labels of 0 and 1 as one number for each row: label j stands for 2 to the power of j (62 at most)."""
    return np.asarray(indicator, dtype=np.int64) @ (np.int64(1) << np.arange(indicator.shape[1], dtype=np.int64))


def decoded(codes: NDArray[Any], labels: int) -> NDArray[np.int64]:
    """The rows × labels of 0 and 1 that the numbers stand for."""
    places = np.arange(labels, dtype=np.int64)
    return (np.asarray(codes, dtype=np.int64)[:, None] >> places) & 1


def truth_of(target: NDArray[Any], preparation: Preparation) -> NDArray[Any]:
    """A frame's target as estimators and metrics take it: as it is, or rows × labels."""
    return decoded(target, len(preparation.classes)) if preparation.target_kind == "multilabel" else target


def strata(codes: NDArray[Any], labels: int, *, fewest: int, most: int) -> NDArray[np.intp]:
    """What a split keeps the shares of, as a number for each row: its label set, as far as rows are many enough.

    A set with less than `fewest` rows is divided by the rarest label in it, and what is still smaller is put together.
    Where more than `most` strata are left all rows are one: the split is then a plain one.
    """
    _, found = np.unique(codes, return_inverse=True)
    indicator = decoded(codes, labels).astype(bool)
    rarity = np.where(indicator, indicator.sum(axis=0), len(codes) + 1)
    rarest = np.where(indicator.any(axis=1), rarity.argmin(axis=1), labels)
    found = np.where(_rows_alike(found) < fewest, found.max() + 1 + rarest, found)
    found = np.where(_rows_alike(found) < fewest, -1, found)
    values, counts = np.unique(found, return_counts=True)
    if counts.min() < fewest:  # too few even together
        found = np.where(found == values[counts.argmin()], values[counts.argmax()], found)
    values, found = np.unique(found, return_inverse=True)
    return found if len(values) <= most else np.zeros_like(found)


def _rows_alike(found: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each row, how many have the same number."""
    _, places, counts = np.unique(found, return_inverse=True, return_counts=True)
    return np.asarray(counts[places])

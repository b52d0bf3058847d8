"""The test rows and the folds by each method: scikit-learn's own splitters wherever it has one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from orchestrator.contracts.data import SplitParams
from orchestrator.contracts.errors import DataError
from workers.data.identity import Hashes, shares

Positions = np.ndarray[Any, np.dtype[np.intp]]
TEST, LEFT_OUT = -1, -2


class Rows(NamedTuple):
    """The rows that have a target, as the methods see them."""

    target: pd.Series[Any]
    identity: Hashes
    groups: np.ndarray[Any, Any] | None
    order: Positions  # the place of each row in time, or in the table


def by_random(rows: Rows, params: SplitParams) -> Positions:
    """A shuffled part for the test, shuffled folds of the rest."""
    train, _ = train_test_split(np.arange(len(rows.target)), test_size=params.test, random_state=params.seed)
    return _folded(len(rows.target), train, KFold(params.folds, shuffle=True, random_state=params.seed).split(train))


def by_class(rows: Rows, params: SplitParams) -> Positions:
    """As `random`, with the shares of classes kept everywhere."""
    labels = rows.target.to_numpy()
    every = np.arange(len(labels))
    values, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2 or math.ceil(params.test * len(labels)) < len(values):
        _enough_of_each(labels, params)
        raise DataError(
            f"split: a test of {params.test:.4g} of {len(labels):,} rows cannot hold all {len(values)} classes of "
            f"{params.objective.target_name!r} (raise split.test)"
        )
    train, _ = train_test_split(every, test_size=params.test, random_state=params.seed, stratify=labels)
    _enough_of_each(labels[train], params)
    splitter = StratifiedKFold(params.folds, shuffle=True, random_state=params.seed)
    return _folded(len(labels), train, splitter.split(train, labels[train]))


def by_hash(rows: Rows, params: SplitParams) -> Positions:
    """Each row's side and fold by its identity alone: they stay when rows are added."""
    folds: Positions = np.floor(shares(rows.identity, f"fold {params.seed}") * params.folds).astype(np.intp)
    folds[shares(rows.identity, f"test {params.seed}") < params.test] = TEST
    return folds


def by_group(rows: Rows, params: SplitParams) -> Positions:
    """Whole groups for the test and in each fold; folds keep the shares of classes as far as groups allow."""
    groups = np.asarray(rows.groups)
    count = len(np.unique(groups))
    for_test = math.ceil(params.test * count)
    if count - for_test < params.folds:
        raise DataError(
            f"split: {count} groups in {params.columns.group!r} are too few for a test of {params.test:.4g} "
            f"and {params.folds} folds (lower train.search.folds or split.test)"
        )
    every = np.arange(len(groups))
    shuffle = GroupShuffleSplit(n_splits=1, test_size=params.test, random_state=params.seed)
    train, _ = next(shuffle.split(every, groups=groups))
    labels = rows.target.to_numpy()[train]
    if params.objective.task == "classification":
        _enough_of_each(labels, params)
        stratified = StratifiedGroupKFold(params.folds, shuffle=True, random_state=params.seed)
        return _folded(len(groups), train, stratified.split(train, labels, groups[train]))
    grouped = GroupKFold(params.folds, shuffle=True, random_state=params.seed)
    return _folded(len(groups), train, grouped.split(train, groups=groups[train]))


def by_time(rows: Rows, params: SplitParams, times: pd.Series[Any]) -> Positions:
    """The last rows for the test, an expanding window before them; rows of one time stay together."""
    in_order = np.argsort(rows.order, kind="stable")
    ranked = times.to_numpy()[in_order]
    count = len(ranked)
    start = _between_ties(ranked, count - math.ceil(params.test * count), 0, count)
    train = start - params.gap
    folds = np.full(count, LEFT_OUT, dtype=np.intp)
    folds[start:] = TEST
    if train < params.folds + 1:
        raise DataError(
            f"split: {max(train, 0)} rows before the test and its gap are too few for {params.folds} folds in time "
            "(lower train.search.folds, split.gap or split.test)"
        )
    splitter = TimeSeriesSplit(n_splits=params.folds)
    cuts = [int(validation[0]) for _, validation in splitter.split(np.arange(train))]
    edges = [0, *(_between_ties(ranked[:train], cut, 0, train) for cut in cuts), train]
    for block, (low, high) in enumerate(pairwise(edges)):
        if high <= low:
            raise DataError(
                f"split: too few different values in {params.columns.time!r} for {params.folds} folds in time "
                "(lower train.search.folds)"
            )
        folds[low:high] = block
    if edges[1] <= params.gap:
        raise DataError(
            f"split: a gap of {params.gap} rows leaves nothing of the {edges[1]} rows before the first fold "
            "(lower split.gap or train.search.folds)"
        )
    result = np.empty(count, dtype=np.intp)
    result[in_order] = folds
    return result


def _between_ties(ranked: np.ndarray[Any, Any], cut: int, low: int, high: int) -> int:
    """The place nearest to `cut` where the time changes; the cut itself where it never does."""
    cut = min(max(cut, low + 1), high - 1)
    before = int(np.searchsorted(ranked, ranked[cut], side="left"))
    after = int(np.searchsorted(ranked, ranked[cut], side="right"))
    possible = [place for place in (before, after) if low < place < high]
    if not possible:
        raise DataError(
            "split: nearly all rows have the same time, so that no boundary can be drawn (use another method)"
        )
    return min(possible, key=lambda place: (abs(place - cut), place))


def _folded(count: int, train: Positions, parts: Iterable[tuple[Positions, Positions]]) -> Positions:
    """The fold of each row from the validation sides of a splitter, in its own order."""
    folds = np.full(count, TEST, dtype=np.intp)
    for fold, (_, validation) in enumerate(parts):
        folds[train[validation]] = fold
    return folds


def _enough_of_each(labels: np.ndarray[Any, Any], params: SplitParams) -> None:
    """Every class must have a member for each fold."""
    values, counts = np.unique(labels, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if count < params.folds:
            raise DataError(
                f"split: class {value!r} of {params.objective.target_name!r} has too few rows to train on: {count:,}, "
                f"fewer than the {params.folds} folds (lower train.search.folds, or filter out or merge the class)"
            )


METHODS: dict[str, Callable[[Rows, SplitParams], Positions]] = {
    "random": by_random,
    "stratified": by_class,
    "hash": by_hash,
    "group": by_group,
}

"""Scores of simple models on growing samples of each fold's training rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.errors import InvalidInput
from workers.scoring import respond, score
from workers.training.fitting import fit
from workers.training.folds import PreparedFold

LARGEST = 10_000  # rows of a fold that are learned from, and that are judged on: beyond, curves are extrapolated
CELLS = 1_000_000  # of a sample, rows × columns: wide data is judged on fewer rows, but on a thousand at least
SMALLEST = 20
STEPS = 6  # sizes of a curve, each about twice the one before
DRAWS = 2  # samples of each size and fold; the largest, which takes all rows, once

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Scorer:
    """How a fitted model's answers are judged."""

    metric: str
    preparation: Preparation
    seed: int
    quantile: float | None = None

    def score(self, model: BaseEstimator, fold: PreparedFold, rows: Rows) -> float:
        """The metric on the fold's validation rows of a model that learned from these of its training rows.

        NaN where the model cannot be fitted, or the metric is undefined.
        """
        weight = None if fold.weight is None else fold.weight[rows]
        classes, positive = self.preparation.classes, self.preparation.positive
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a small sample does not converge, or has a column of one value
            try:
                fold = fold.taken_by(model, type(model).__name__)
                fitted = fit(clone(model), fold.train[rows], fold.target[rows], weight)
                answer = respond(fitted, fold.validation, self.metric, classes=classes, positive=positive)
            except (ValueError, InvalidInput):  # missing values that are kept, a sample of one class, too many columns
                return float("nan")
            return score(
                self.metric,
                fold.truth,
                answer,
                weight=fold.truth_weight,
                classes=classes,
                positive=positive,
                quantile=self.quantile,
            )


def sizes_of(rows: int) -> tuple[int, ...]:
    """Sample sizes up to `rows`, each about twice the one before; fewer than three make no curve."""
    sizes = {round(rows / 2**step) for step in range(STEPS)}
    return tuple(sorted(size for size in sizes if size >= SMALLEST))


def permutations(fold: PreparedFold, scorer: Scorer) -> Iterator[Rows]:
    """Orders of a fold's training rows whose beginnings are the samples: nested, every class among the first rows."""
    for draw in range(DRAWS):
        dice = np.random.default_rng([scorer.seed, fold.number, draw])
        order = dice.permutation(len(fold.target)).astype(np.intp)
        if scorer.preparation.target_kind == "regression":
            yield order
        else:
            yield _each_class_early(order, fold.target)


def _each_class_early(order: Rows, target: NDArray[Any]) -> Rows:
    """The rows of each class spread evenly, so that any beginning has about the classes' shares (stratified)."""
    _, codes = np.unique(target[order], return_inverse=True)
    place = np.empty(len(order))
    for code in range(codes.max() + 1):
        mine = np.flatnonzero(codes == code)
        place[mine] = np.arange(len(mine)) / len(mine)  # the first row of each class stands at the very beginning
    return order[np.argsort(place, kind="stable")]


def curve_scores(model: BaseEstimator, folds: list[PreparedFold], sizes: tuple[int, ...], scorer: Scorer) -> Floats:
    """Folds × draws × sizes; NaN where a sample leaves the metric undefined."""
    found = np.full((len(folds), DRAWS, len(sizes)), np.nan)
    for place, fold in enumerate(folds):
        for draw, order in enumerate(permutations(fold, scorer)):
            for step, size in enumerate(sizes):
                if draw and size >= len(order):
                    found[place, draw, step] = found[place, 0, step]
                else:
                    found[place, draw, step] = scorer.score(model, fold, order[:size])
    return found


def whole_score(model: BaseEstimator, fold: PreparedFold, scorer: Scorer) -> float:
    """The score of a model of all of the fold's training rows."""
    return scorer.score(model, fold, np.arange(len(fold.target), dtype=np.intp))


def bounded(fold: PreparedFold, scorer: Scorer) -> PreparedFold:
    """The fold with as many rows as are worth their time; rows are drawn, training rows with their classes' shares."""
    most = max(1000, min(LARGEST, CELLS // max(1, fold.train.shape[1])))
    if len(fold.target) > most:
        rows = np.sort(next(permutations(fold, scorer))[:most])
        weight = None if fold.weight is None else fold.weight[rows]
        fold = replace(fold, train=fold.train[rows], target=fold.target[rows], weight=weight)
    if len(fold.truth) > most:
        dice = np.random.default_rng([scorer.seed, fold.number])
        rows = np.sort(dice.permutation(len(fold.truth))[:most])
        weight = None if fold.truth_weight is None else fold.truth_weight[rows]
        fold = replace(fold, validation=fold.validation[rows], truth=fold.truth[rows], truth_weight=weight)
    return fold

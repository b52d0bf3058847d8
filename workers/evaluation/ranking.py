"""Metrics that judge an order, of many resamples at once: each is one row of weights over the test rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # weights (resamples × rows) → values (resamples,)


def divided(above: Floats, below: Floats) -> Floats:
    """The quotient, NaN where the divisor is zero."""
    empty: Floats = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=below != 0))


def present_mean(values: Floats) -> Floats:
    """The mean of each row's values, NaN left out."""
    present = ~np.isnan(values)
    return divided(np.where(present, values, 0.0).sum(axis=1), present.sum(axis=1).astype(float))


def roc_auc(positive: NDArray[np.bool_], scores: Floats) -> Statistic:
    """Area under the ROC curve: the chance that a positive row outranks a negative one, ties counting half."""
    order, starts = _tied(scores)
    marks = positive[order].astype(float)

    def areas(weights: Floats) -> Floats:
        ranked = weights[:, order]
        above = _together(ranked * marks, starts)
        below = _together(ranked, starts) - above
        beaten = np.cumsum(below, axis=1)
        pairs = np.einsum("ij,ij->i", above, beaten) - np.einsum("ij,ij->i", above, below) / 2
        return divided(pairs, above.sum(axis=1) * below.sum(axis=1))

    return areas


def average_precision(positive: NDArray[np.bool_], scores: Floats) -> Statistic:
    """Mean of precision over the positive rows in falling order of score."""
    order, starts = _tied(-scores)
    marks = positive[order].astype(float)

    def precisions(weights: Floats) -> Floats:
        ranked = weights[:, order]
        hits = _together(ranked * marks, starts)
        reached = np.cumsum(_together(ranked, starts), axis=1)
        precision = np.nan_to_num(divided(np.cumsum(hits, axis=1), reached), nan=0.0)
        return divided((hits * precision).sum(axis=1), hits.sum(axis=1))

    return precisions


def hits_at_top(positive: NDArray[np.bool_], scores: Floats, share: float) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Weights → the share of positives among the rows of highest score, and the share of all positives among them.

    The rows are the top `share` by weight. Of rows with one score that lie across its edge each counts in part: what
    taking them in a random order gives on average.
    """
    order, starts = _tied(-scores)
    marks = positive[order].astype(float)

    def rates(weights: Floats) -> tuple[Floats, Floats]:
        ranked = weights[:, order]
        mass, hits = _together(ranked, starts), _together(ranked * marks, starts)
        reached = np.cumsum(mass, axis=1)
        room = share * reached[:, -1:]
        taken = np.clip(room - (reached - mass), 0.0, mass)
        found = (hits * np.nan_to_num(divided(taken, mass), nan=0.0)).sum(axis=1)
        return divided(found, room[:, 0]), divided(found, hits.sum(axis=1))

    return rates


def _tied(scores: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    return order, np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])


def _together(ranked: Floats, starts: NDArray[np.intp]) -> Floats:
    """Sums over rows of equal score; without any, the rows as they are."""
    return ranked if len(starts) == ranked.shape[1] else np.add.reduceat(ranked, starts, axis=1)

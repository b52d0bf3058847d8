"""Bounds by order statistics, whatever the values are distributed as."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def at_most(clusters: Sequence[Sequence[float]], quantile: float, alpha: float) -> float | None:
    """A value that this quantile is not above, by all but `alpha` of samples; None: there are too few values.

    It is the k-th smallest value, with the least k of which a binomial variable is not above k − 1 in 1 − `alpha` of
    cases (Conover 1999, Practical Nonparametric Statistics, 3.2). Values of a cluster may hang together: they count
    for as many as a simple sample whose share below the quantile would vary as that of the clusters does, fewer for
    there being few clusters (Woodruff 1952, JASA 47; Korn and Graubard 1998, Survey Methodology 24). At least two
    clusters, each with a value.
    """
    values = np.sort(np.concatenate([np.asarray(cluster, dtype=float) for cluster in clusters]))
    size, number = len(values), len(clusters)
    point = values[math.ceil(quantile * size) - 1]
    below = np.array([np.count_nonzero(np.asarray(cluster) <= point) for cluster in clusters])
    sizes = np.array([len(cluster) for cluster in clusters])
    share = below.sum() / size
    simple = share * (1 - share) * size / (size - 1)
    varies = number / (number - 1) * np.square(below - share * sizes).sum() / size
    effect = max(1.0, varies / simple) if simple > 0 else 1.0
    few = stats.t.ppf(1 - alpha, size - 1) / stats.t.ppf(1 - alpha, number - 1)
    worth = int(size / effect * few**2 + 1e-9)
    rank = _rank(worth, quantile, alpha)
    return None if rank is None else float(values[math.ceil(rank / worth * size) - 1])


def median_at_most(values: Sequence[float], alpha: float) -> float | None:
    """The same for the median of independent values."""
    rank = _rank(len(values), 0.5, alpha)
    return None if rank is None else float(np.sort(values)[rank - 1])


def covered(number: int, alpha: float) -> float:
    """The share of all values that the largest of so many independent ones is not below, by all but `alpha` of samples.

    Wilks 1941, "Determination of sample sizes for setting tolerance limits", Annals of Mathematical Statistics 12.
    """
    return float(alpha ** (1 / number))


def _rank(size: int, quantile: float, alpha: float) -> int | None:
    rank = int(stats.binom.ppf(1 - alpha, size, quantile)) + 1
    return rank if rank <= size else None

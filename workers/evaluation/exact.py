"""Intervals that do not lean on large samples: exact where they can be, conservative where they cannot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from workers.calibration import BINS, mass_bins

Floats = NDArray[np.float64]
Ends = tuple[float, float]


def clopper_pearson(hits: float, rows: float, alpha: float) -> Ends:
    """The exact interval of a proportion (Clopper and Pearson 1934); counts may be effective, not whole."""
    misses = max(rows - hits, 0.0)
    low = 0.0 if hits <= 0 else float(stats.beta.ppf(alpha / 2, hits, misses + 1))
    high = 1.0 if misses <= 0 else float(stats.beta.ppf(1 - alpha / 2, hits + 1, misses))
    return low, high


def mid_p(hits: float, rows: float, alpha: float) -> Ends:
    """The interval of a proportion of which the count seen is only half part of the tail (Lancaster 1961).

    Clopper–Pearson's holds the truth in at least its confidence at every true share, this one on average over them
    (Agresti and Gottard 2007, Computational Statistics & Data Analysis 51:6447–6458). Counts may be effective.
    """
    misses = max(rows - hits, 0.0)

    def below(share: float) -> float:
        """Of the true share, by the mid-p confidence distribution: the mean of both that Clopper–Pearson has."""
        least = 1.0 if hits <= 0 else float(special.betainc(hits, misses + 1, share))
        most = 0.0 if misses <= 0 else float(special.betainc(hits + 1, misses, share))
        return (least + most) / 2

    low = 0.0 if hits <= 0 else float(optimize.brentq(lambda share: below(share) - alpha / 2, 0.0, 1.0))
    high = 1.0 if misses <= 0 else float(optimize.brentq(lambda share: below(share) - 1 + alpha / 2, 0.0, 1.0))
    return low, high


def f1_of_share(share: float) -> float:
    """F1 from the share of hits among hits and both kinds of error, which is binomial given their number."""
    return 2 * share / (1 + share)


def area_variance(area: float, positives: float, negatives: float) -> float:
    """The variance of a ROC area of independent rows, as Newcombe (2006) takes it from Hanley and McNeil."""
    half = (positives + negatives) / 2 - 1
    inner = 1 + half * ((1 - area) / (2 - area) + area / (1 + area))
    return area * (1 - area) * inner / (positives * negatives)


def newcombe_auc(area: float, positives: float, negatives: float, alpha: float, *, longer: float = 1.0) -> Ends:
    """Method 5 of Newcombe (2006, Statistics in Medicine 25:559–573): a score interval of the ROC area.

    Its variance is that of Hanley and McNeil, taken at the end itself, so that an area of 1 has a width. `longer`
    multiplies its standard error.
    """
    reach = float(stats.norm.ppf(1 - alpha / 2)) * longer

    def off(theta: float) -> float:
        return (area - theta) ** 2 - reach**2 * area_variance(theta, positives, negatives)

    # At an area of 0 or 1 that area is itself a root; the other one is the end that is wanted.
    low = 0.0 if area <= 0 else float(optimize.brentq(off, 0.0, min(area, 1 - 1e-12)))
    high = 1.0 if area >= 1 else float(optimize.brentq(off, max(area, 1e-12), 1.0))
    return low, high


def paired_area(area: float, smaller: float, alpha: float) -> Ends:
    """The exact interval of a ROC area from as many pairs as the smaller class has rows.

    Pair each of its rows with another row of the larger class: the pairs ranked rightly are binomial with the area as
    their chance, and if every pair of the sample is ranked rightly then so are these. No distribution makes the area
    vary more (Birnbaum and Klose 1957: at most θ(1−θ)/min(m, n)).
    """
    return clopper_pearson(area * smaller, smaller, alpha)


def median_ranks(rows: int, alpha: float) -> tuple[int, int] | None:
    """Positions (from 0) of the order statistics that hold the median; None when no pair holds it surely enough."""
    below = int(stats.binom.ppf(alpha / 2, rows, 0.5))  # the smallest k with P(X ≤ k) ≥ α/2
    return None if below == 0 else (below - 1, rows - below)


def mid_confusions(matrix: Floats, rng: np.random.Generator, number: int) -> Floats:
    """Draws of a confusion matrix both of whose quantiles are ends of what is computed from it, by mid-p.

    Of each draw, half come from the distribution of the low ends and half from that of the high ones, as the mid-p
    confidence distribution is the mean of both (Fay and Brittain 2016, Statistics in Medicine 35:2726–2740).
    """
    low, high = (fiducial_confusions(matrix, rng, number, low=side) for side in (True, False))
    choice = rng.integers(0, 2, size=(number, len(matrix), 1))  # for each class by itself
    return np.asarray(np.where(choice == 0, low, high))


def fiducial_confusions(matrix: Floats, rng: np.random.Generator, number: int, *, low: bool) -> Floats:
    """Draws of a confusion matrix whose quantiles are the low (or high) ends of what is computed from it.

    Clopper–Pearson's ends are quantiles of Beta(hits, misses + 1) and Beta(hits + 1, misses); metrics of several
    classes meld one such draw for each (Fay, Proschan and Brittain 2015, Biometrics 71:146–156). Two classes get one
    pseudo-row each, as there; more share a single one by their pull on a mean over classes, the rarest the most. Class
    sizes are drawn from a Dirichlet distribution on the rows of the truth.
    """
    size = len(matrix)
    rows = matrix.sum(axis=1)
    present = rows > 0
    pull = np.divide(1.0, rows, out=np.zeros(size), where=present)
    pseudo = present.astype(float) if size == 2 else pull / max(pull.sum(), 1e-300)
    shape = matrix.copy()
    own = np.eye(size, dtype=bool)
    shape[own] += 0.0 if low else pseudo
    if low:
        errors = np.where(own, 0.0, matrix)
        made = errors.sum(axis=1, keepdims=True)
        spread = np.where(made > 0, errors / np.maximum(made, 1e-300), (~own) * present / max(present.sum() - 1, 1))
        shape += spread * pseudo[:, None]
    cells = rng.gamma(np.broadcast_to(shape, (number, size, size)))
    within = cells / np.maximum(cells.sum(axis=2, keepdims=True), 1e-300)
    share = rng.gamma(np.broadcast_to(rows, (number, size)))
    return np.asarray(within * (share / share.sum(axis=1, keepdims=True))[:, :, None])


def binned_gaps(
    probability: Floats, event: NDArray[np.bool_], weights: Floats, share: float, rng: np.random.Generator, number: int
) -> tuple[Floats, Floats]:
    """Draws of the calibration error, and of what chance adds to that of a model whose probabilities are true.

    The first are of rates with Jeffreys' distribution in each bin, Beta(½ + k, ½ + n − k). `share` is what a row counts
    as of an independent one.
    """
    order, (codes,) = mass_bins(probability, weights[None, :])
    mass = np.bincount(codes, weights[order], minlength=BINS)
    filled = mass > 0
    rows = np.bincount(codes, minlength=BINS)[filled] * share
    told = np.bincount(codes, weights[order] * probability[order], minlength=BINS)[filled] / mass[filled]
    true = np.bincount(codes, weights[order] * event[order], minlength=BINS)[filled] / mass[filled]
    rates = rng.beta(rows * true + 0.5, rows * np.maximum(1 - true, 0.0) + 0.5, size=(number, len(rows)))
    whole = np.maximum(np.round(rows), 1).astype(np.int64)
    seen = rng.binomial(whole, np.clip(told, 0.0, 1.0), size=(number, len(rows))) / whole
    parts = mass[filled] / mass.sum()
    return np.asarray(np.abs(rates - told) @ parts), np.asarray(np.abs(seen - told) @ parts)

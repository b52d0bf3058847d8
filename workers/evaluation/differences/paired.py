"""Differences of two models on the same independent rows that need no resampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Floats = NDArray[np.float64]
Ends = tuple[float, float]

_POINTS = 1000  # midpoints of the distribution that is integrated over


def matched_difference(gained: int, lost: int, rows: int, alpha: float) -> Ends:
    """The interval of a difference of matched proportions: (gained − lost) / rows.

    Fay and Lumbard (2021, Statistics in Medicine 40:1147–1159) meld the exact intervals of the share of rows that
    differ and of the share of gains among them. It leaves out 0 exactly where McNemar's exact test (1947) rejects, and
    has a width where no row differs.
    """
    return (
        _melded_low(gained, lost, rows, alpha / 2),
        -_melded_low(lost, gained, rows, alpha / 2),
    )


def _melded_low(gained: int, lost: int, rows: int, tail: float) -> float:
    """The lower end: a quantile of (2B − 1)·S with B ~ Beta(gained, lost + 1).

    S is the lower confidence distribution of the share that differs where the product is positive, else the upper one.
    """
    differing = gained + lost
    levels = (np.arange(_POINTS) + 0.5) / _POINTS
    most = stats.beta.ppf(levels, differing + 1, rows - differing) if differing < rows else np.ones(_POINTS)
    least = stats.beta.ppf(levels, differing, rows - differing + 1) if differing else np.zeros(_POINTS)
    if gained == 0:  # B is 0 for sure: minus the upper end of the share
        return -float(stats.beta.ppf(1 - tail, differing + 1, rows - differing)) if differing < rows else -1.0

    def excess(difference: float) -> float:
        share = np.maximum(most if difference < 0 else least, 1e-300)
        return float(stats.beta.cdf((1 + difference / share) / 2, gained, lost + 1).mean()) - tail

    return float(optimize.brentq(excess, -1.0, 1.0, xtol=1e-10))


def area_difference(positive: NDArray[np.bool_], mine: Floats, theirs: Floats, alpha: float) -> Ends:
    """The interval of a difference of two ROC areas by DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44:837–845).

    The placements are taken from mid-ranks (Sun and Xu 2014, IEEE Signal Processing Letters 21:1389–1393). Both classes
    need two rows. For few rows the ends are moved out as by t with the rows of the rarer class (Hesterberg 2015), as
    those of the bootstrap are. Without any spread both ends are the difference itself.
    """
    (above, below), (above_too, below_too) = _placements(positive, mine), _placements(positive, theirs)
    gains, losses = above - above_too, below - below_too
    rarer = min(len(gains), len(losses))
    error = np.sqrt(gains.var(ddof=1) / len(gains) + losses.var(ddof=1) / len(losses))
    reach = float(stats.t.ppf(1 - alpha / 2, rarer - 1) * np.sqrt(rarer / (rarer - 1)) * error)
    return float(gains.mean()) - reach, float(gains.mean()) + reach


def _placements(positive: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """For each positive row the share of negatives below it; for each negative row the share of positives above it."""
    ranks = stats.rankdata(scores)
    above, below = stats.rankdata(scores[positive]), stats.rankdata(scores[~positive])
    return (ranks[positive] - above) / len(below), 1 - (ranks[~positive] - below) / len(above)

"""A learning curve as an inverse power law, extrapolated with a band.

error(n) = c + a n^-b with a, c >= 0: the form that fits learning curves best across data and learners (Hestness et al.,
"Deep Learning Scaling is Predictable, Empirically", 2017; Viering and Loog, "The Shape of Learning Curves: a Review",
IEEE TPAMI 45(6), 2023). The error is the metric itself where less is better, else its distance from 1, the best value.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from orchestrator.contracts.feasibility import Forecast, LearningCurve
from orchestrator.contracts.metrics import Metric

EXPONENTS = np.linspace(0.1, 1.5, 29)  # of b; observed ones lie between 0.1 and 1
RESAMPLES = 500
FURTHER = 10  # times the rows: how far `more` looks
POINTS = 3  # sizes at least

Floats = NDArray[np.float64]


class PowerLaw(NamedTuple):
    """error(n) = c + a n^-b, for one curve or for many at once."""

    a: Floats
    b: Floats
    c: Floats

    def at(self, rows: float) -> Floats:
        """The error that is expected of so many training rows."""
        expected: Floats = self.c + self.a * rows**-self.b
        return expected


def fit_power_law(rows: Floats, errors: Floats) -> PowerLaw:
    """Least squares with a, c >= 0 over a grid of exponents, for each line of `errors` (curves × sizes).

    Sizes weigh as their rows, since scores of larger samples vary less. With two unknowns the bounded minimum is the
    free one where that is allowed, else the better of the two edges.
    """
    weights = rows / rows.sum()
    found: list[tuple[Floats, Floats, Floats]] = []  # by exponent: a, c, sum of squares
    for b in EXPONENTS:
        power = rows**-b
        squares, mean = float(weights @ power**2), float(weights @ power)
        with_power, alone = errors @ (weights * power), errors @ weights
        a = (with_power - mean * alone) / (squares - mean**2)
        c = alone - a * mean
        options = [(a, c), (np.zeros_like(a), alone), (with_power / squares, np.zeros_like(a))]
        misfits = [((errors - c[:, None] - np.outer(a, power)) ** 2) @ weights for a, c in options]
        misfits[0] = np.where((a >= 0) & (c >= 0), misfits[0], np.inf)
        chosen = np.argmin(misfits, axis=0)
        lines = np.arange(len(errors))
        found.append(
            (
                np.array([one[0] for one in options])[chosen, lines],
                np.array([one[1] for one in options])[chosen, lines],
                np.array(misfits)[chosen, lines],
            )
        )
    best = np.argmin([misfit for _, _, misfit in found], axis=0)
    lines = np.arange(len(errors))
    return PowerLaw(
        np.array([a for a, _, _ in found])[best, lines],
        EXPONENTS[best],
        np.array([c for _, c, _ in found])[best, lines],
    )


def learning_curve(
    model: str, sizes: tuple[int, ...], scores: Floats, metric: Metric, *, rows: int, confidence: float, seed: int
) -> LearningCurve | None:
    """The curve of `scores` (folds × draws × sizes) led on to `rows` and further; None where too few are defined.

    The band comes from a bootstrap over folds, each with its draws. Percentiles of few folds are too narrow: they are
    widened by sqrt(k / (k - 1)) and by Student's t over the normal quantile (Hesterberg, "What Teachers Should Know
    About the Bootstrap", The American Statistician 69(4), 2015).
    """
    defined = ~np.isnan(scores).any(axis=(0, 1))
    if defined.sum() < POINTS or len(scores) < 2:
        return None
    known = np.array(sizes, dtype=float)[defined]
    by_fold = scores[:, :, defined].mean(axis=1)
    errors = 1.0 - by_fold if metric.greater_is_better else by_fold
    law = fit_power_law(known, errors.mean(axis=0, keepdims=True))
    dice = np.random.default_rng(seed)
    picks = dice.integers(0, len(errors), size=(RESAMPLES, len(errors)))
    again = fit_power_law(known, errors[picks].mean(axis=1))

    def forecast(at: int) -> Forecast:
        middle = float(law.at(at)[0])
        low, high = _band(middle, again.at(at), len(errors), confidence)
        return _forecast(at, middle, low, high, metric)

    mean, limit = by_fold.mean(axis=0), float(law.c[0])
    return LearningCurve(
        model=model,
        rows=tuple(int(size) for size in known),
        scores=tuple(float(value) for value in mean),
        spread=tuple(float(value) for value in by_fold.std(axis=0)),
        exponent=float(law.b[0]),
        limit=1.0 - limit if metric.greater_is_better else limit,
        now=forecast(rows),
        more=forecast(FURTHER * rows),
    )


def _band(middle: float, errors: Floats, folds: int, confidence: float) -> tuple[float, float]:
    """The lower and the upper end around the middle; errors are never below 0."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(errors, [tail, 1 - tail])
    wider = math.sqrt(folds / (folds - 1)) * float(t.ppf(1 - tail, folds - 1) / norm.ppf(1 - tail))
    return max(0.0, middle - wider * max(0.0, middle - low)), middle + wider * max(0.0, high - middle)


def _forecast(rows: int, middle: float, low: float, high: float, metric: Metric) -> Forecast:
    if metric.greater_is_better:
        return Forecast(rows=rows, value=1.0 - middle, low=1.0 - high, high=1.0 - low)
    return Forecast(rows=rows, value=middle, low=low, high=high)

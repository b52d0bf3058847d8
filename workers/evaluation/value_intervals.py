"""Intervals of losses and of what predicted values explain: means, R², the median, metrics of quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workers.evaluation import exact
from workers.evaluation.bootstrap import (
    Ends,
    Found,
    expanded_percentile,
    resampled,
    studentised_mean,
    studentised_r2,
    wider,
)
from workers.evaluation.effective import rarest
from workers.evaluation.rare import dominated, few_large, with_few_beyond, with_rare_errors
from workers.evaluation.statistics import statistic

if TYPE_CHECKING:
    from workers.evaluation.intervals import Judge

PROBABLE = frozenset({"log_loss", "brier"})  # losses of what was told of a row, which bounds them
HANGS = "a single row makes up over a quarter of it"
FEWEST_BEYOND = 3  # independent rows beyond a quantile, below which its D² has no interval


def mean(judge: Judge, name: str, value: float) -> Found:
    """Of a mean of losses, or its root, by the bootstrap-t, with guards for losses too rare to have been seen."""
    hangs = value > 0 and dominated(name, judge.sample)
    if hangs and name in PROBABLE:
        return _hanging(judge, name, value)
    ends = studentised_mean(name, judge.sample, judge.resamples, judge.alpha, judge.seed)
    if name == "pinball":
        return _pinball(judge, value, ends)
    found, method, note = with_rare_errors(name, judge.sample, value, ends, judge.alpha)
    return found, method, note or (HANGS if hangs else None)


def _hanging(judge: Judge, name: str, value: float) -> Found:
    """Percentiles for a loss of probabilities most of which is one row's; above, rows like the largest may be more."""
    drawn = resampled(judge.sample, {name: statistic(name, judge.sample)}, judge.resamples, judge.seed)[name]
    low, high = expanded_percentile(drawn, judge.sample.units.draws, judge.alpha) or (0.0, value)
    high = max(high, few_large(name, judge.sample, judge.alpha))
    found, _, note = with_rare_errors(name, judge.sample, value, (low, high), judge.alpha)
    return found, "bootstrap and rare errors", note or HANGS


def _pinball(judge: Judge, value: float, ends: Ends | None) -> Found:
    """The bootstrap-t's ends joined to percentiles with t for the rows beyond the quantile, and to a guard."""
    drawn = expanded_percentile(judge.draws["pinball"], rarest(judge.sample), judge.alpha)
    ends = ends if drawn is None else wider(drawn, ends)
    found, _, note = with_rare_errors("pinball", judge.sample, value, ends, judge.alpha)
    return with_few_beyond(judge.sample, value, found, judge.alpha), "bootstrap and bootstrap-t", note


def median(judge: Judge) -> Found:
    """Of the median absolute error of independent rows: two of the errors themselves."""
    errors = np.sort(np.abs(judge.sample.truth - judge.sample.prediction))
    ranks = exact.median_ranks(len(errors), judge.alpha)
    return ranks and (float(errors[ranks[0]]), float(errors[ranks[1]])), "order statistics", None


def explained(judge: Judge, _: float) -> Found:
    """The bootstrap-t's ends of R²."""
    return studentised_r2(judge.sample, judge.resamples, judge.alpha, judge.seed), "bootstrap-t", None


def spared(judge: Judge, value: float) -> Found:
    """Of D²: percentiles with t for the rows beyond the quantile, joined to the same ones without their bias.

    The best constant is found on the rows that it is judged on, so D² is too small, and once more in resamples:
    by as much as their median lies below the value (Efron and Tibshirani 1993, chapter 10), twice.
    """
    units, draws = rarest(judge.sample), judge.draws["d2_pinball"]
    if units < FEWEST_BEYOND:
        return None, "bootstrap", f"fewer than {FEWEST_BEYOND} independent rows should lie beyond the quantile"
    ends = expanded_percentile(draws, units, judge.alpha)
    if ends is None:
        return None, "bootstrap", None
    bias = 2 * (float(np.nanmedian(draws)) - value)
    return wider(ends, (ends[0] - bias, min(ends[1] - bias, 1.0))), "bootstrap", None

"""The interval of the calibration error, which chance alone makes larger than it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workers.evaluation import exact
from workers.evaluation.bootstrap import Found, expanded_percentile, far_quantile
from workers.evaluation.effective import rarest, units_holding
from workers.evaluation.statistics import told_and_true

if TYPE_CHECKING:
    from workers.evaluation.intervals import Judge


def calibration(judge: Judge, value: float) -> Found:
    """The upper end is the bootstrap's, which adds to what chance adds already, or that of rates not seen yet.

    The lower end takes away what chance may have added, which by the triangle inequality is at most its own error.
    """
    ends = expanded_percentile(judge.draws["ece"], rarest(judge.sample), judge.alpha)
    if ends is None:
        return None, "bootstrap", None
    probability, event = told_and_true(judge.sample)
    share = units_holding(judge.sample, np.ones(len(judge.sample), dtype=bool)) / len(judge.sample)
    rng = np.random.default_rng(judge.seed)
    gaps, chance = exact.binned_gaps(
        probability, event, judge.sample.row_weights, share, rng, max(judge.resamples, 1000)
    )
    high = max(ends[1], far_quantile(gaps, 1 - judge.alpha / 2))
    low = max(0.0, value - far_quantile(chance, 1 - judge.alpha / 2))
    return (low, high), "bootstrap and Jeffreys", None

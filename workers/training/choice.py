"""The champion among trials: the best, or the simplest that is about as good."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from orchestrator.contracts.documents.training import TrialResult
from orchestrator.contracts.metrics import METRICS


def standard_error(result: TrialResult) -> float:
    """Of the mean of the fold scores; 0 for a single fold."""
    count = len(result.scores)
    return float(np.std(result.scores, ddof=1) / math.sqrt(count)) if count > 1 else 0.0


def best_first(results: Sequence[TrialResult], metric: str) -> list[TrialResult]:
    """By their means; equal ones stay in their order."""
    sign = 1.0 if METRICS[metric].greater_is_better else -1.0
    return sorted(results, key=lambda result: -sign * result.mean)


def chosen_of(ordered: Sequence[TrialResult], spec_order: Sequence[TrialResult], metric: str, rule: str) -> TrialResult:
    """The champion of trials that stand best first, by the rule.

    one_standard_error takes, among the trials within one standard error of the best mean, the simplest: of the
    candidate that stands first in the spec, the one with the best mean. People list simple candidates first; nothing
    measured enters, so that the choice is the same on every machine.
    """
    best = ordered[0]
    if rule != "one_standard_error":
        return best
    sign = 1.0 if METRICS[metric].greater_is_better else -1.0
    error = standard_error(best)
    near = {id(result) for result in ordered if sign * (best.mean - result.mean) <= error}
    first = next(result.candidate for result in spec_order if id(result) in near)
    return next(result for result in ordered if id(result) in near and result.candidate == first)

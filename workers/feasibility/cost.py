"""What one fit of each candidate takes on a fold, estimated from fits on small samples."""

from __future__ import annotations

import math
import time
import warnings

from sklearn.base import BaseEstimator, clone

from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.feasibility import FeasibilityParams, TimedCandidate
from orchestrator.contracts.training import TrialParams
from workers.feasibility.samples import Rows, Scorer, permutations
from workers.training.estimators import build
from workers.training.fitting import fit
from workers.training.folds import PreparedFold

SMALL, LARGER = 400, 1600  # rows of the two samples
STEEPEST = 3.0  # of the power of rows that time grows with, as of Gaussian processes


def fit_seconds(fold: PreparedFold, rows: int, params: FeasibilityParams, scorer: Scorer) -> dict[str, float]:
    """Seconds of a fit on so many rows like the fold's, by candidate; those that cannot be fitted are left out."""
    order = next(permutations(fold, scorer))
    found = {}
    for candidate in params.timed:
        seconds = _seconds(candidate, fold, order, rows, params)
        if seconds is not None:
            found[candidate.name] = round(seconds, 4)
    return found


def _seconds(
    candidate: TimedCandidate, fold: PreparedFold, order: Rows, rows: int, params: FeasibilityParams
) -> float | None:
    """The time of the larger sample, led on by the power with which time grew from the smaller one."""
    small, larger = order[:SMALL], order[:LARGER]
    try:
        estimator = build(
            TrialParams(
                candidate=candidate.name,
                estimator=candidate.estimator,
                index=1,
                params=candidate.params,
                objective=params.objective,
                roles=params.roles,
                seed=params.seed,
            )
        )
        fold = fold.taken_by(estimator, candidate.name)
        _timed(estimator, fold, small)  # what is loaded and compiled by the first fit is no cost of the second
        first, second = _timed(estimator, fold, small), _timed(estimator, fold, larger)
    except (CycleryError, ValueError, TypeError, RuntimeError, ArithmeticError):
        return None  # its trials will say why
    if len(larger) == len(small):
        return second
    power = math.log(max(second, 1e-6) / max(first, 1e-6)) / math.log(len(larger) / len(small))
    return float(second * (rows / len(larger)) ** min(max(power, 0.0), STEEPEST))


def _timed(estimator: BaseEstimator, fold: PreparedFold, rows: Rows) -> float:
    weight = None if fold.weight is None else fold.weight[rows]
    model = clone(estimator)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(model, fold.train[rows], fold.target[rows], weight)
    return time.perf_counter() - started

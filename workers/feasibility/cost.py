"""What one fit of each candidate takes, estimated from fits on small samples."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
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


@dataclass(frozen=True, slots=True)
class Growth:
    """How the time of a candidate's fit grows: of so many rows so many seconds, by a power of the rows."""

    least: int  # rows of the smaller sample: fewer take no less
    rows: int
    seconds: float
    power: float

    def of(self, rows: ArrayLike) -> float:
        """Seconds of a fit on so many rows; of several numbers the sum."""
        grown = np.maximum(rows, self.least) / self.rows
        return round(float(np.sum(self.seconds * grown**self.power)), 4)


def growths(fold: PreparedFold, params: FeasibilityParams, scorer: Scorer) -> dict[str, Growth]:
    """How fits on rows like the fold's grow, by candidate; those that cannot be fitted are left out."""
    order = next(permutations(fold, scorer))
    found = {candidate.name: _growth(candidate, fold, order, params) for candidate in params.timed}
    return {name: growth for name, growth in found.items() if growth is not None}


def _growth(candidate: TimedCandidate, fold: PreparedFold, order: Rows, params: FeasibilityParams) -> Growth | None:
    """From the times of two samples."""
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
    power = 0.0
    if len(larger) > len(small):
        power = math.log(max(second, 1e-6) / max(first, 1e-6)) / math.log(len(larger) / len(small))
    return Growth(len(small), len(larger), second, min(max(power, 0.0), STEEPEST))


def _timed(estimator: BaseEstimator, fold: PreparedFold, rows: Rows) -> float:
    weight = None if fold.weight is None else fold.weight[rows]
    model = clone(estimator)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(model, fold.train[rows], fold.target[rows], weight)
    return time.perf_counter() - started

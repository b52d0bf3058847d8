"""One trial on one fold: fitted, scored and timed; and the document of a trial that was scored on all of them."""

from __future__ import annotations

import math
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.documents.training import TrialResult
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.training import ROWS, TrialParams
from workers.labels import truth_of
from workers.runtime.context import StageContext
from workers.scoring import respond, score
from workers.training.estimators import blaming, describe
from workers.training.fitting import fit, takes_weights, training_weights, unweighted_note
from workers.training.folds import PreparedFold, texts
from workers.training.result import result_of
from workers.training.sampling import sample
from workers.training.sparse import Prepared


class Scored(NamedTuple):
    """One fold of a trial; times are in seconds."""

    score: float
    fit_s: float
    score_s: float
    warnings: tuple[str, ...]


def score_fold(model: BaseEstimator, fold: PreparedFold, preparation: Preparation, params: TrialParams) -> Scored:
    """Fit on a fold's training rows and score on its validation rows. Raises DataError where the score is undefined."""
    label, metric = describe(params), params.objective.metric
    classes, positive = preparation.classes, preparation.positive
    fold = fold.taken_by(model, label)
    features, target, weight = _training_rows(fold, params)
    target, truth = truth_of(target, preparation), truth_of(fold.truth, preparation)
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught, blaming(label, f" on fold {fold.rows.place}"):
        warnings.simplefilter("always")
        fit(model, features, target, weight)
        fitted = time.perf_counter()
        answer = respond(model, fold.validation, metric, classes=classes, positive=positive)
        value = score(
            metric,
            truth,
            answer,
            weight=fold.truth_weight,
            classes=classes,
            positive=positive,
            quantile=params.objective.quantile,
        )
    done = time.perf_counter()
    if not math.isfinite(value):
        raise DataError(f"{label}: {_undefined(metric, fold, value, preparation)}")
    notes = () if weight is None or takes_weights(model) else (unweighted_note(model),)
    return Scored(value, fitted - started, done - fitted, (*fold.warnings, *texts(caught), *notes))


def _training_rows(fold: PreparedFold, params: TrialParams) -> tuple[Prepared, NDArray[Any], NDArray[Any] | None]:
    """Features, target and weights that the estimator is fitted on."""
    if params.rung is None or params.rung.resource != ROWS or params.rung.full:
        return fold.train, fold.target, training_weights(fold.target, fold.weight, params.weights)
    chosen = sample(fold.target, params.rung.amount, params.objective.task, (params.seed, fold.number))
    target, weight = fold.target[chosen], None if fold.weight is None else fold.weight[chosen]
    return fold.train[chosen], target, training_weights(target, weight, params.weights)


def _undefined(metric: str, fold: PreparedFold, value: float, preparation: Preparation) -> str:
    seen = np.unique(fold.truth)
    only = f", all of class {seen[0]}" if len(seen) == 1 else ""
    if preparation.target_kind == "multilabel":
        labels = zip(preparation.classes, truth_of(fold.truth, preparation).T, strict=True)
        alike = [str(name) for name, mine in labels if len(np.unique(mine)) == 1]
        only = f", which are all the same in {', '.join(alike)}" if alike else ""
    where = f"fold {fold.rows.place} ({len(fold.truth)} validation rows{only})"
    return f"{metric} is {value} on {where}: use fewer folds, a stratified split or another metric"


def scored_result(scored: Sequence[Scored], params: TrialParams) -> TrialResult:
    """The document of a trial, of its folds as they were scored."""
    return result_of(params, [fold.score for fold in scored], (text for fold in scored for text in fold.warnings))


def measure(scored: Sequence[Scored], context: StageContext) -> None:
    """Keep what these folds took beside what their stage leaves."""
    context.measure("fit_seconds", sum(fold.fit_s for fold in scored))
    context.measure("score_seconds", sum(fold.score_s for fold in scored))
    context.measure("peak_memory_mb", peak_memory_mb())


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux, bytes on macOS
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)

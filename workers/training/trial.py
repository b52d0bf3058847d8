"""train.trial: one candidate with one set of parameters, scored on every fold."""

from __future__ import annotations

import math
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from orchestrator.contracts.documents import Preparation, SplitSummary, TrialResult
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.training import ROWS, TrialParams
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.interruption import StageCancelled
from workers.scoring import respond, score
from workers.training.estimators import blaming, build, describe
from workers.training.fitting import fit, takes_weights, training_weights, unweighted_note
from workers.training.folds import PreparedFold, prepared_folds, texts
from workers.training.sampling import sample
from workers.training.sparse import Prepared


class TrialOutputs(NamedTuple):
    """What a trial leaves."""

    result: TrialResult


class _Scored(NamedTuple):
    score: float
    fit_s: float
    score_s: float
    warnings: tuple[str, ...]


def trial(
    frame: Artifact,
    rows: Artifact,
    preparation: Preparation,
    summary: SplitSummary,
    *,
    params: TrialParams,
    context: StageContext,
) -> TrialOutputs:
    """Fit the pipeline on each fold's training rows and score it on its validation rows.

    The scores are those of scikit-learn's cross_validate on the same pipeline, frame and folds. A metric that is
    undefined on a fold fails the trial: a mean over the other folds would compare trials on different rows. On a rung
    whose resource is rows the estimator sees a share of the fold's training rows; the preparation has seen them all.
    """
    estimator = build(params)
    folds = prepared_folds(frame, rows, preparation, summary, context)
    scored: list[_Scored] = []
    for fold in folds:
        if context.cancelled:
            raise StageCancelled
        scored.append(_score_fold(clone(estimator), fold, preparation, params))
        context.progress(len(scored) / summary.folds)
    _measure(scored, context)
    return TrialOutputs(_result(scored, params))


def _score_fold(model: BaseEstimator, fold: PreparedFold, preparation: Preparation, params: TrialParams) -> _Scored:
    label, metric = describe(params), params.objective.metric
    classes, positive = preparation.classes, preparation.positive
    fold = fold.taken_by(model, label)
    features, target, weight = _training_rows(fold, params)
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught, blaming(label, f" on fold {fold.number}"):
        warnings.simplefilter("always")
        fit(model, features, target, weight)
        fitted = time.perf_counter()
        answer = respond(model, fold.validation, metric, classes=classes, positive=positive)
        value = score(
            metric,
            fold.truth,
            answer,
            weight=fold.truth_weight,
            classes=classes,
            positive=positive,
            quantile=params.objective.quantile,
        )
    done = time.perf_counter()
    if not math.isfinite(value):
        raise DataError(f"{label}: {_undefined(metric, fold, value)}")
    notes = () if weight is None or takes_weights(model) else (unweighted_note(model),)
    return _Scored(value, fitted - started, done - fitted, (*fold.warnings, *texts(caught), *notes))


def _training_rows(fold: PreparedFold, params: TrialParams) -> tuple[Prepared, NDArray[Any], NDArray[Any] | None]:
    """Features, target and weights that the estimator is fitted on."""
    if params.rung is None or params.rung.resource != ROWS or params.rung.full:
        return fold.train, fold.target, training_weights(fold.target, fold.weight, params.weights)
    chosen = sample(fold.target, params.rung.amount, params.objective.task, (params.seed, fold.number))
    target, weight = fold.target[chosen], None if fold.weight is None else fold.weight[chosen]
    return fold.train[chosen], target, training_weights(target, weight, params.weights)


def _undefined(metric: str, fold: PreparedFold, value: float) -> str:
    seen = np.unique(fold.truth)
    only = f", all of class {seen[0]}" if len(seen) == 1 else ""
    rows = f"{len(fold.truth)} validation rows{only}"
    return f"{metric} is {value} on fold {fold.number} ({rows}): use fewer folds, a stratified split or another metric"


def _result(scored: list[_Scored], params: TrialParams) -> TrialResult:
    scores = [fold.score for fold in scored]
    return TrialResult(
        candidate=params.candidate,
        estimator=params.estimator,
        index=params.index,
        params=params.params,
        metric=params.objective.metric,
        scores=tuple(scores),
        mean=float(np.mean(scores)),
        std=float(np.std(scores)),
        warnings=tuple(_once(scored)),
        rung=params.rung,
    )


def _once(scored: list[_Scored]) -> Iterator[str]:
    yield from dict.fromkeys(text for fold in scored for text in fold.warnings)


def _measure(scored: list[_Scored], context: StageContext) -> None:
    context.measure("fit_seconds", sum(fold.fit_s for fold in scored))
    context.measure("score_seconds", sum(fold.score_s for fold in scored))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux, bytes on macOS
    context.measure("peak_memory_mb", peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))

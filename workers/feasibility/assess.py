"""train.feasibility: what simple models reach on the training rows, and what that says of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from orchestrator.contracts.documents.data import Preparation, SplitSummary
from orchestrator.contracts.feasibility import (
    Baseline,
    Feasibility,
    FeasibilityParams,
    LargeSegments,
    LearningCurve,
)
from orchestrator.contracts.metrics import METRICS
from workers.feasibility.cost import Growth, growths
from workers.feasibility.curve import learning_curve
from workers.feasibility.enough import enough_rows, large_segments
from workers.feasibility.models import CURVES, simple_models
from workers.feasibility.neighbour import reachable_error
from workers.feasibility.samples import Floats, Scorer, bounded, curve_scores, sizes_of, whole_score
from workers.feasibility.verdict import judge, ranked, reasons
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.interruption import StageCancelled
from workers.training.folds import PreparedFold, prepared_folds
from workers.training.matrix import Matrix, training_matrix


class FeasibilityOutputs(NamedTuple):
    """What the stage leaves."""

    feasibility: Feasibility


def assess(
    frame: Artifact,
    rows: Artifact,
    preparation: Preparation,
    summary: SplitSummary,
    *,
    params: FeasibilityParams,
    context: StageContext,
) -> FeasibilityOutputs:
    """Judge the target by baselines, learning curves and, for accuracy, nearest neighbours; test rows are not read.

    Models are scored on the folds that the trials are scored on. Seconds of a fit of each candidate are measured
    beside the document: `fit_seconds`, by candidate, of all training rows of one fold; `segments_fit_seconds` of those
    of one fold in each large segment, together.
    """
    metric = METRICS[params.objective.metric]
    matrix = training_matrix(frame, rows, context)
    target = np.array(matrix.target)
    scorer = Scorer(metric.name, preparation, params.seed, params.objective.quantile)
    folds, learned_from = [], 0
    for fold in prepared_folds(frame, rows, preparation, summary, context):
        folds.append(bounded(fold, scorer))
        learned_from = max(learned_from, len(fold.target))
    enough = enough_rows(target, int(folds[0].train.shape[1]), preparation, params.objective.quantile)
    baselines, curves = _measured(folds, len(target), scorer, params, context)
    reachable = None
    if metric.name == "accuracy":
        reachable = reachable_error(folds, len(preparation.classes), params.confidence)
    growth = growths(folds[-1], params, scorer)
    context.measure("fit_seconds", {name: one.of(learned_from) for name, one in growth.items()})
    segments = _segments(matrix, growth, learned_from / len(target), params, context)
    found = Feasibility(
        metric=metric.name,
        greater_is_better=metric.greater_is_better,
        target=params.target,
        verdict=None,
        reasons=(
            *reasons(metric, enough, baselines, curves, reachable, params.confidence),
            *((segments.sentence,) if segments is not None else ()),
        ),
        rows=len(target),
        features=int(folds[0].train.shape[1]),
        enough=enough,
        baselines=baselines,
        curves=curves,
        reachable=reachable,
        confidence=params.confidence,
        notes=_notes(folds, learned_from, baselines, params),
        segments=segments,
    )
    return FeasibilityOutputs(found if params.target is None else _judged(found, params.target))


def _segments(
    matrix: Matrix, growth: Mapping[str, Growth], share: float, params: FeasibilityParams, context: StageContext
) -> LargeSegments | None:
    """The segments that get models of their own; `share` of the rows of each is learned from in a fold."""
    if params.segmenting is None:
        return None
    segments, rows = large_segments(matrix.frame[params.segmenting.column], params.segmenting)
    context.measure("segments_fit_seconds", {name: one.of(rows * share) for name, one in growth.items()})
    return segments


def _judged(found: Feasibility, target: float) -> Feasibility:
    """With the verdict on a target, its reason first."""
    verdict, reason = judge(target, METRICS[found.metric], found.enough, found.curves, found.reachable)
    return found.model_copy(update={"verdict": verdict, "reasons": (reason, *found.reasons)})


def _measured(
    folds: list[PreparedFold], rows: int, scorer: Scorer, params: FeasibilityParams, context: StageContext
) -> tuple[tuple[Baseline, ...], tuple[LearningCurve, ...]]:
    """Every simple model's scores with all rows, and the curves of those that have one."""
    sizes = sizes_of(min(len(fold.target) for fold in folds))
    baselines, curves = [], []
    models = simple_models(params.objective, params.seed)
    for done, (name, model) in enumerate(models.items(), 1):
        if context.cancelled:
            raise StageCancelled
        scores = None
        if name in CURVES and sizes:
            scores = curve_scores(model, folds, sizes, scorer)
            curves.append(
                learning_curve(
                    name,
                    sizes,
                    scores,
                    METRICS[scorer.metric],
                    rows=rows,
                    confidence=params.confidence,
                    seed=params.seed,
                )
            )
        whole = _whole(model, folds, sizes, scores, scorer)
        if np.isfinite(whole).all():
            baselines.append(_baseline(name, whole))
        context.progress(done / len(models))
    return tuple(baselines), ranked([one for one in curves if one is not None], METRICS[scorer.metric])


def _whole(
    model: BaseEstimator, folds: list[PreparedFold], sizes: tuple[int, ...], scores: Floats | None, scorer: Scorer
) -> Floats:
    """By fold the score with all rows; the curve's last point serves where it lacks a row at most."""
    return np.array(
        [
            scores[place, 0, -1]
            if scores is not None and len(fold.target) <= sizes[-1] + 1
            else whole_score(model, fold, scorer)
            for place, fold in enumerate(folds)
        ]
    )


def _baseline(name: str, scores: Floats) -> Baseline:
    values = tuple(float(value) for value in scores)
    return Baseline(model=name, mean=float(scores.mean()), std=float(scores.std()), scores=values)


def _notes(
    folds: list[PreparedFold], rows: int, baselines: tuple[Baseline, ...], params: FeasibilityParams
) -> tuple[str, ...]:
    notes = []
    kept = {one.model for one in baselines}
    lost = [name for name in simple_models(params.objective, params.seed) if name not in kept]
    if lost:
        why = f"missing values that are kept, or a fold on which {params.objective.metric} is undefined"
        if issparse(folds[0].train):
            why += ", or too many columns for a model that takes no sparse matrix"
        notes.append(f"left out, since not fitted or scored on every fold ({why}): {', '.join(lost)}")
    most = max(len(fold.target) for fold in folds)
    if most < rows:
        notes.append(f"models learned from {most:,} of up to {rows:,} rows of each fold: the rest is extrapolated")
    return tuple(notes)

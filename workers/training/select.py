"""train.select: ranks the trials, refits the champion on all training rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from orchestrator.contracts.documents.data import Preparation, SplitSummary
from orchestrator.contracts.documents.training import (
    RankedTrial,
    Ranking,
    SearchEffects,
    SearchState,
    TrialResult,
    TrialsResult,
)
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.segments import SegmentPlan, SegmentResults
from orchestrator.contracts.training import SelectParams, TrialParams
from workers.features.preparation import feature_columns, learned
from workers.labels import truth_of
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.training.choice import best_first, chosen_of, standard_error
from workers.training.effects import parameter_effects
from workers.training.estimators import blaming, build, describe
from workers.training.fitting import takes_weights, training_weights
from workers.training.folds import prepared_folds, texts
from workers.training.matrix import Matrix, training_matrix
from workers.training.progress import sentence, told
from workers.training.routing import routed, summary_of
from workers.training.sparse import suited
from workers.training.threshold import decide, with_threshold


class SelectOutputs(NamedTuple):
    """The champion, fitted, and how it came to be chosen."""

    model: BaseEstimator
    ranking: Ranking
    effects: SearchEffects  # a document of its own: releases that read rankings do not know it


def select(  # noqa: PLR0913, PLR0917  (the inputs of a stage)
    results: list[TrialResult],
    frame: Artifact,
    rows: Artifact,
    preparation: Preparation,
    summary: SplitSummary | None = None,
    search: SearchState | None = None,
    segments: SegmentPlan | None = None,
    models: list[BaseEstimator] | None = None,
    fitted: list[SegmentResults] | None = None,
    together: list[TrialsResult] | None = None,
    *,
    params: SelectParams,
    context: StageContext,
) -> SelectOutputs:
    """Rank the trials that came to an end, and fit the best one on all training rows.

    The model is Pipeline([("prepare", ColumnTransformer), ("model", estimator)]). Where the workflow sets a decision
    threshold, it is chosen on the folds, and the last step is the estimator inside a FixedThresholdClassifier.
    Where segments have models of their own, that model is of all rows, and stands beside theirs in a RoutedModel.
    """
    results = [*results, *(one for stage in together or () for one in stage.results)]
    ranking = rank(results, params, search)
    matrix = training_matrix(frame, rows, context)
    chosen = _trial(ranking, params)
    pipeline = _pipeline(chosen, preparation)
    with warnings.catch_warnings(record=True) as caught, blaming(describe(chosen), " on all training rows"):
        warnings.simplefilter("always")
        _fit(pipeline, matrix, preparation, params)
        if params.threshold is not None and summary is not None:
            folds = prepared_folds(frame, rows, preparation, summary, context)
            threshold = decide(build(chosen), folds, preparation, params)
            pipeline = with_threshold(pipeline, threshold, preparation)
            ranking = ranking.model_copy(update={"threshold": threshold})
    if params.segmenting is not None and segments is not None:
        told_of = summary_of(segments, fitted or [], params.segmenting, len(matrix.target))
        pipeline = routed(pipeline, preparation, matrix, models or [], fitted or [])
        ranking = ranking.model_copy(update={"segments": told_of})
    for line in texts(caught):
        context.log.warning("%s", line)
    effects = parameter_effects(in_order(results, params.candidates))
    return SelectOutputs(pipeline, ranking, SearchEffects(candidates=effects))


def _pipeline(chosen: TrialParams, preparation: Preparation) -> Pipeline:
    estimator = build(chosen)
    return Pipeline([("prepare", learned(suited(preparation, estimator))), ("model", estimator)])


def _fit(pipeline: Pipeline, matrix: Matrix, preparation: Preparation, params: SelectParams) -> None:
    """On all training rows, with their weights where the estimator takes some."""
    weight = training_weights(matrix.target, matrix.weight, params.weights)
    weighted = weight is not None and takes_weights(pipeline.named_steps["model"])
    weights = {"model__sample_weight": np.array(weight)} if weighted else {}
    target = np.array(truth_of(matrix.target, preparation))
    pipeline.fit(matrix.frame[feature_columns(preparation)], target, **weights)


def rank(results: Sequence[TrialResult], params: SelectParams, search: SearchState | None = None) -> Ranking:
    """All trials, best mean first; equal means stand in the order of the spec.

    Of a search that halves only trials in full are ranked: a mean on fewer rows says nothing about the champion. The
    other settings follow in `stopped`.

    `choice` says what one_standard_error takes.
    """
    if not results:
        raise DataError("no trial came to an end, so there is no model to choose: see the errors of the trials")
    metric = METRICS[params.objective.metric]
    spec_order = in_order(results, params.candidates)
    ordered, stopped = parted(best_first(spec_order, metric.name))
    if not ordered:
        raise DataError("no trial in full came to an end, so there is no model to choose: see the errors of the trials")
    best, chosen = ordered[0], chosen_of(ordered, spec_order, metric.name, params.rule)
    places = [chosen, *(result for result in ordered if result is not chosen)]
    trials = tuple(_ranked(place, result) for place, result in enumerate(places, 1))
    return Ranking(
        metric=metric.name,
        greater_is_better=metric.greater_is_better,
        rule=params.rule,
        trials=trials,
        champion=trials[0],
        estimator=chosen.estimator,
        reason=_reason(chosen, best, len(ordered), params, search),
        stopped=tuple(_ranked(place, result) for place, result in enumerate(stopped, len(trials) + 1)),
        search=told(search) if search else None,
        weights=params.weights,
    )


def in_order(results: Sequence[TrialResult], candidates: Sequence[str]) -> list[TrialResult]:
    """As a plan would have listed them: trials that a search asked for come in the order in which they were asked."""
    places = {name: place for place, name in enumerate(candidates)}
    if not places:
        return list(results)
    return sorted(results, key=lambda one: (places.get(one.candidate, len(places)), one.index))


def parted(ordered: Sequence[TrialResult]) -> tuple[list[TrialResult], list[TrialResult]]:
    """Trials in full, and each other setting at the highest rung that it was scored at; the highest rungs first."""
    full = [one for one in ordered if one.rung is None or one.rung.full]
    settled = {(one.candidate, one.index) for one in full}
    stopped: list[TrialResult] = []
    for one in sorted(ordered, key=lambda one: -(one.rung.number if one.rung else 0)):  # stable: the best first
        if (one.candidate, one.index) not in settled:
            settled.add((one.candidate, one.index))
            stopped.append(one)
    return full, stopped


def _ranked(place: int, result: TrialResult) -> RankedTrial:
    return RankedTrial(
        rank=place,
        candidate=result.candidate,
        index=result.index,
        params=result.params,
        mean=result.mean,
        std=result.std,
        scores=result.scores,
        rung=result.rung,
    )


def _reason(
    chosen: TrialResult, best: TrialResult, count: int, params: SelectParams, search: SearchState | None
) -> str:
    metric = params.objective.metric
    missing = sum(one.failed for one in search.trials) if search else (params.trials or count) - count
    in_full = " in full" if chosen.rung is not None else ""
    among = f"{count} trial{'s' if count > 1 else ''}{in_full}"
    among += f" ({missing} failed and {'are' if missing > 1 else 'is'} left out)" if missing else ""
    how = f"; {sentence(told(search))}" if search else ""
    score = f"mean {metric} {chosen.mean:.4g} over {len(chosen.scores)} folds"
    if chosen is best:
        return f"{chosen.candidate}#{chosen.index} has the best {score}, among {among}{how}"
    return (
        f"{chosen.candidate}#{chosen.index} is the simplest, by the order of candidates, within one standard error "
        f"({standard_error(best):.2g}) of the best, {best.candidate}#{best.index} ({best.mean:.4g}): {score}, "
        f"among {among}{how}"
    )


def _trial(ranking: Ranking, params: SelectParams) -> TrialParams:
    """The champion's trial again, with the seed that the refit takes."""
    return TrialParams(
        candidate=ranking.champion.candidate,
        estimator=ranking.estimator,
        index=ranking.champion.index,
        params=ranking.champion.params,
        objective=params.objective,
        roles=params.roles,
        seed=params.seed,
        weights=params.weights,
    )

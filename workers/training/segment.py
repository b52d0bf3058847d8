"""train.segment: the trials of some segments, and for each the best one fitted on all of its training rows."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from orchestrator.contracts.documents.data import Preparation, SplitSummary
from orchestrator.contracts.documents.training import TrialResult
from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.segments import SegmentParams, SegmentPlan, SegmentResult, SegmentResults, SegmentTrial
from orchestrator.contracts.training import TrialParams
from workers.routing import RoutedModel
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.interruption import StageCancelled
from workers.scoring import respond, score
from workers.training.choice import best_first, chosen_of
from workers.training.estimators import blaming, build, describe
from workers.training.fitting import fit, training_weights
from workers.training.folds import PreparedFold, PreparedFolds, prepared_folds
from workers.training.result import result_of

FEWEST_FOLDS = 2  # that a segment's trials are scored on
Rows = NDArray[np.intp]


class SegmentOutputs(NamedTuple):
    """The models of this stage's segments, and what came of each segment."""

    models: BaseEstimator
    fitted: SegmentResults


def segment(
    frame: Artifact,
    rows: Artifact,
    preparation: Preparation,
    summary: SplitSummary,
    segments: SegmentPlan,
    *,
    params: SegmentParams,
    context: StageContext,
) -> SegmentOutputs:
    """Score each trial on the split's own folds, within each segment, and fit the best one on the whole segment.

    The preparation is that of all segments' rows: learned on a fold's training rows for its scores, on all training
    rows for the model. A fold counts for a segment where all its trials can be scored on it. A segment without two
    such folds, or with a single class, or whose trials all fail, is left to the model of all rows, with the reason.
    """
    names = segments.batches[params.number - 1]
    folds = prepared_folds(frame, rows, preparation, summary, context)
    bench = _Bench(names, segments, folds, preparation, context)
    bench.score()
    features = folds.whole()
    fitted = [bench.fit(number, features) for number in range(len(names))]
    if bench.foreign():
        context.forget()
    models = RoutedModel.of([model for model, _ in fitted if model is not None])
    return SegmentOutputs(models, SegmentResults(results=tuple(result for _, result in fitted)))


class _Bench:
    """The segments of one stage, with the scores of their trials so far."""

    def __init__(
        self,
        names: tuple[str, ...],
        plan: SegmentPlan,
        folds: PreparedFolds,
        preparation: Preparation,
        context: StageContext,
    ) -> None:
        self.names, self.plan, self.folds, self.preparation, self.context = names, plan, folds, preparation, context
        numbers = {name: number for number, name in enumerate(names)}
        values = folds.matrix.frame[plan.column]
        self.of = values.map(numbers).fillna(-1).to_numpy(dtype=np.intp)  # the number of each training row's segment
        self.scores: list[list[dict[int, float]]] = [[{} for _ in plan.trials] for _ in names]  # by trial and fold
        self.errors: list[dict[int, str]] = [{} for _ in names]  # by trial
        self.estimators = [self._built(place) for place in range(len(plan.trials))]

    def score(self) -> None:
        """Every trial of every segment on every fold; fold by fold, since a large one may have to be prepared anew."""
        for done, fold in enumerate(self.folds, start=1):
            train, validation = self._rows(fold.rows.train), self._rows(fold.rows.validation)
            for number in range(len(self.names)):
                if self.context.cancelled:
                    raise StageCancelled
                self._score(number, fold, train[number], validation[number])
            self.context.progress(done / (self.folds.count + 1))

    def foreign(self) -> bool:
        """Whether a class of the team's own failed, which may work the next time: a licence, a service, a file."""
        return any(":" in self.plan.trials[place].estimator for errors in self.errors for place in errors)

    def fit(self, number: int, features: NDArray[Any]) -> tuple[BaseEstimator | None, SegmentResult]:
        """The model of a segment, with what its trials came to; None where there is no model.

        `features` are those of all training rows, prepared.
        """
        if self.context.cancelled:
            raise StageCancelled
        rows = np.flatnonzero(self.of == number)
        failed = [self._failed(number, place) for place in self.errors[number]]
        result = SegmentResult(segment=self.names[number], rows=len(rows), trials=tuple(failed))
        results = self._results(number)
        if not results:
            return None, result.model_copy(update=self._reason(number))
        metric = self.plan.trials[0].objective.metric
        ordered = best_first(list(results), metric)
        chosen = chosen_of(ordered, list(results), metric, self.plan.rule)
        ranked = [chosen, *(one for one in ordered if one is not chosen)]
        result = result.model_copy(update={"trials": (*map(_kept, ranked), *failed)})
        matrix = self.folds.matrix
        weight = None if matrix.weight is None else matrix.weight[rows]
        place = next(place for place, one in enumerate(self.plan.trials) if _same(one, chosen))
        try:
            return self._fitted(place, features[rows], matrix.target[rows], weight), result
        except CycleryError as error:
            self.errors[number][place] = str(error)
            return None, result.model_copy(update={"why": "failed", "reason": str(error)})

    def _built(self, place: int) -> BaseEstimator | None:
        try:
            return build(self.plan.trials[place])
        except CycleryError as error:
            for errors in self.errors:
                errors[place] = str(error)
            return None

    def _rows(self, positions: Rows) -> list[Rows]:
        """Where the rows of each segment stand among some rows."""
        numbers = self.of[positions]
        order = np.argsort(numbers, kind="stable")
        starts = np.searchsorted(numbers[order], np.arange(len(self.names) + 1))
        return [order[low:high] for low, high in pairwise(starts)]

    def _score(self, number: int, fold: PreparedFold, train: Rows, validation: Rows) -> None:
        """All trials of one segment on one fold, unless there is nothing to learn or to judge."""
        target = fold.target[train]
        if not len(validation) or len(train) < 2 or self._single(target):
            return
        features, judged, truth = fold.train[train], fold.validation[validation], fold.truth[validation]
        weight = None if fold.weight is None else fold.weight[train]
        truth_weight = None if fold.truth_weight is None else fold.truth_weight[validation]
        for place, trial in enumerate(self.plan.trials):
            if place in self.errors[number]:
                continue
            try:
                model = self._fitted(place, features, target, weight, f" on fold {fold.rows.place}")
                with blaming(describe(trial), f" on fold {fold.rows.place}"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    value = self._judged(model, judged, truth, truth_weight)
                self.scores[number][place][fold.number] = value
            except CycleryError as error:
                self.errors[number][place] = str(error)

    def _single(self, target: NDArray[Any]) -> bool:
        """Whether there is one class only."""
        return self.preparation.target_kind != "regression" and len(set(target.tolist())) < 2

    def _fitted(
        self, place: int, features: NDArray[Any], target: NDArray[Any], weight: NDArray[Any] | None, where: str = ""
    ) -> BaseEstimator:
        trial = self.plan.trials[place]
        with warnings.catch_warnings(), blaming(describe(trial), where):
            warnings.simplefilter("ignore")  # of thousands of fits; the trials of the model of all rows tell theirs
            model = clone(self.estimators[place])
            return fit(model, features, target, training_weights(target, weight, trial.weights))

    def _judged(self, model: Any, features: NDArray[Any], truth: NDArray[Any], weight: NDArray[Any] | None) -> float:
        objective, classes, positive = (
            self.plan.trials[0].objective,
            self.preparation.classes,
            self.preparation.positive,
        )
        answer = respond(model, features, objective.metric, classes=classes, positive=positive)
        return score(
            objective.metric,
            truth,
            answer,
            weight=weight,
            classes=classes,
            positive=positive,
            quantile=objective.quantile,
        )

    def _results(self, number: int) -> list[TrialResult]:
        """The trials that did not fail, on the folds that all of them could be scored on; none on too few folds."""
        known = {place: found for place, found in enumerate(self.scores[number]) if place not in self.errors[number]}
        folds = sorted(
            fold
            for fold in set().union(*known.values())
            if all(math.isfinite(found.get(fold, math.nan)) for found in known.values())
        )
        if len(folds) < FEWEST_FOLDS:
            return []
        return [result_of(self.plan.trials[place], [found[fold] for fold in folds]) for place, found in known.items()]

    def _reason(self, number: int) -> dict[str, str]:
        if len(self.errors[number]) == len(self.plan.trials):
            return {"why": "failed", "reason": next(iter(self.errors[number].values()))}
        if self._single(self.folds.matrix.target[self.of == number]):
            return {"why": "thin", "reason": "all training rows are of one class"}
        metric = self.plan.trials[0].objective.metric
        few = "rows" if self.preparation.target_kind == "regression" else "rows of a class"
        return {"why": "thin", "reason": f"{metric} can be told on fewer than {FEWEST_FOLDS} folds: too few {few}"}

    def _failed(self, number: int, place: int) -> SegmentTrial:
        trial = self.plan.trials[place]
        return SegmentTrial(
            candidate=trial.candidate, index=trial.index, params=trial.params, error=self.errors[number][place]
        )


def _kept(result: TrialResult) -> SegmentTrial:
    return SegmentTrial(**result.model_dump(include={"candidate", "index", "params", "scores", "mean", "std"}))


def _same(trial: TrialParams, result: TrialResult) -> bool:
    return (trial.candidate, trial.index) == (result.candidate, result.index)

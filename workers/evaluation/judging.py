"""A model on rows that it has not seen: metrics with intervals, and everything else that an evaluation holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.documents.data import Preparation, Scalar
from orchestrator.contracts.documents.evaluation import Details, Evaluation, Importance, SegmentsEvidence, SliceEvidence
from orchestrator.contracts.evaluation import EvaluateParams
from workers.evaluation.answers import predicted
from workers.evaluation.baseline import answers_of, learned_baseline
from workers.evaluation.evidence.curves import curves
from workers.evaluation.evidence.dependence import partial_dependence
from workers.evaluation.evidence.importance import REPEATS, importance_ends, permutation_importance, sampled_rows
from workers.evaluation.evidence.robustness import robustness
from workers.evaluation.evidence.segments import Answered, segments_evidence, single_model
from workers.evaluation.evidence.tops import tops
from workers.evaluation.intervals import Judge, intervals, names_of
from workers.evaluation.label_intervals import label_evidence
from workers.evaluation.points import point
from workers.evaluation.rows import TARGET, weights_of
from workers.evaluation.sample import Sample, sample_from
from workers.evaluation.slices import Columns, named_slices, weakest_slices
from workers.evaluation.units import Units
from workers.labels import truth_of


class Judged(NamedTuple):
    """The evidence, the predictions that it rests on, and what the model leans on and bears."""

    evaluation: Evaluation
    predictions: pd.DataFrame
    details: Details


@dataclass(frozen=True)
class _Case:
    """A model, and the rows that it is judged on."""

    model: Any
    test: pd.DataFrame
    units: Units
    preparation: Preparation
    train: pd.DataFrame | None
    params: EvaluateParams

    @cached_property
    def features(self) -> pd.DataFrame:
        """What the model is asked about."""
        return self.test[[column.name for column in self.preparation.features]]

    @cached_property
    def truth(self) -> NDArray[Any]:
        """As estimators take it."""
        return truth_of(self.test[TARGET].to_numpy(), self.preparation)

    def predicted(self, model: Any) -> pd.DataFrame:
        """What a model answers to these rows."""
        return predicted(model, self.features, self.test[TARGET], self.preparation)

    def sample(self, predictions: pd.DataFrame) -> Sample:
        """Predictions of these rows, as arrays."""
        return sample_from(
            predictions,
            kind=self.preparation.target_kind,
            classes=all_classes(self.preparation, self.test[TARGET]),
            positive=self.preparation.positive,
            units=self.units,
            weights=weights_of(self.test),
            costs=self.params.costs,
            quantile=self.params.objective.quantile,
        )


def judge(
    model: Any,
    test: pd.DataFrame,
    units: Units,
    preparation: Preparation,
    *,
    train: pd.DataFrame | None,
    columns: Columns | None,
    params: EvaluateParams,
) -> Judged:
    """Metrics with intervals, the dummy's metrics, confusion, curves, importance and slices of some rows.

    `test` has the columns of a frame, its rows in the order of `units`; `train` has the training rows that the dummy
    learns from, or is None where they are not at hand; `columns` is what slices are made of.
    """
    case = _Case(model, test, units, preparation, train, params)
    predictions = case.predicted(model)
    sample, importance = case.sample(predictions), _importance(case)
    evaluation = _evaluation(case, sample, importance, _slices(sample, columns, params))
    return Judged(evaluation, predictions, _details(case, sample, importance))


def _evaluation(case: _Case, sample: Sample, importance: tuple[Importance, ...], slices: _Slices) -> Evaluation:
    params = case.params
    return Evaluation(
        kind=sample.kind,
        rows=len(sample),
        metrics=intervals(sample, confidence=params.confidence, resamples=params.resamples, seed=params.seed),
        dummy=_dummy(case.train, sample),
        classes=sample.classes,
        positive=case.preparation.positive,
        quantile=sample.quantile,
        confusion=_confusion(sample),
        curves=curves(sample),
        importance=importance,
        notes=(*_notes(sample, case.preparation), *_importance_note(importance, len(sample)), *slices.notes),
        labels=label_evidence(Judge(sample, (), params.confidence, params.resamples, params.seed)),
        slices=slices.named,
        weakest=slices.weakest,
        searched=slices.searched,
        segments=_segments(case, sample),
    )


def _details(case: _Case, sample: Sample, importance: tuple[Importance, ...]) -> Details:
    """What a reader may want to know besides: the rows ranked highest, and how the model takes other data."""
    params, leaned_on = case.params, [one.feature for one in importance]
    return Details(
        tops=tops(sample, params.top, confidence=params.confidence, resamples=params.resamples, seed=params.seed),
        importance=importance_ends(importance),
        dependence=partial_dependence(case.model, case.features, case.preparation, leaned_on, params.seed),
        robustness=robustness(
            case.model,
            case.features,
            case.truth,
            params.objective,
            case.preparation,
            leaned_on,
            weights=weights_of(case.test),
            seed=params.seed,
        ),
    )


def _segments(case: _Case, sample: Sample) -> SegmentsEvidence | None:
    """Segment by segment, where they have models of their own, and the segments of the training rows are known."""
    segment = case.preparation.segment
    single = single_model(case.model) if segment is not None else None
    if single is None or case.train is None:
        return None
    answered = Answered(case.features, case.test[TARGET], sample)
    alone = case.sample(case.predicted(single))
    return segments_evidence(case.model, answered, alone, case.train[segment], case.preparation, case.params)


class _Slices(NamedTuple):
    named: tuple[SliceEvidence, ...] = ()
    weakest: tuple[SliceEvidence, ...] = ()
    searched: int = 0
    notes: tuple[str, ...] = ()


def _slices(sample: Sample, columns: Columns | None, params: EvaluateParams) -> _Slices:
    if columns is None:
        return _Slices()
    options: dict[str, Any] = {"confidence": params.confidence, "resamples": params.resamples, "seed": params.seed}
    named, notes = named_slices(sample, columns, **options)
    if not params.weakest:
        return _Slices(named, notes=notes)
    leave_out = {*params.objective.targets, params.roles.id, params.roles.weight} - {None}
    weakest, searched = weakest_slices(
        sample, columns, params.objective.metric, params.weakest, leave_out=map(str, leave_out), **options
    )
    return _Slices(named, weakest, searched, notes)


def all_classes(preparation: Preparation, truth: pd.Series) -> tuple[Scalar, ...]:
    """The model's classes, then those that only test rows have."""
    known = preparation.classes
    if preparation.target_kind == "regression":
        return ()
    if preparation.target_kind == "multilabel":
        return known
    return (*known, *sorted({value for value in truth.tolist() if value not in known}, key=str))


def _dummy(train: pd.DataFrame | None, sample: Sample) -> dict[str, float | None]:
    if train is None:
        return {}
    answered = answers_of(learned_baseline(train, sample), sample)
    return {name: point(name, answered)[0] for name in names_of(sample)}


def _confusion(sample: Sample) -> tuple[tuple[int, ...], ...]:
    size = len(sample.classes)
    if sample.kind not in ("binary", "multiclass"):
        return ()
    cells = (sample.truth * size + sample.prediction).astype(np.intp)
    return tuple(tuple(line) for line in np.bincount(cells, minlength=size * size).reshape(size, size).tolist())


def _importance(case: _Case) -> tuple[Importance, ...]:
    return permutation_importance(
        case.model,
        case.features,
        case.truth,
        case.params.objective,
        classes=case.preparation.classes,
        positive=case.preparation.positive,
        weights=weights_of(case.test),
        seed=case.params.seed,
    )


def _notes(sample: Sample, preparation: Preparation) -> tuple[str, ...]:
    """What a reader must know to judge the intervals."""
    notes = []
    if sample.units.kind == "groups":
        notes.append(f"rows hang together in {sample.units.count} groups: intervals resample whole groups")
    if sample.units.kind == "blocks":
        notes.append(f"test rows follow training rows in time: intervals resample blocks of {sample.units.block} rows")
    if sample.weights is not None:
        notes.append("metrics and intervals honour the weight column")
    unseen = sample.classes[len(preparation.classes) :]
    if unseen:
        notes.append(f"{', '.join(map(str, unseen))}: in test rows only, the model cannot predict it")
    return tuple(notes)


def _importance_note(importance: tuple[Importance, ...], rows: int) -> tuple[str, ...]:
    if not importance:
        return ()
    used = sampled_rows(rows, len(importance))
    share = "all" if used == rows else f"{used} of {rows}"
    return (f"importance: each column was shuffled {REPEATS} times on {share} test rows",)

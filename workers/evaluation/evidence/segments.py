"""A routed model segment by segment: how its scores spread, the best and the weakest, and what it gains."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.documents.evaluation import Gain, SegmentsEvidence
from orchestrator.contracts.documents.training import Curve
from orchestrator.contracts.evaluation import EvaluateParams
from orchestrator.contracts.metrics import metric_of
from orchestrator.contracts.segments import QUANTILES
from workers.evaluation.differences.gain import difference
from workers.evaluation.points import point
from workers.evaluation.sample import Sample
from workers.evaluation.slices import Mask, slice_evidence
from workers.routing import RoutedModel

LEAST_ROWS = 20  # test rows of a segment that is judged by itself
LISTED = 10  # best and weakest
BINS = 20


class Answered(NamedTuple):
    """The test rows: as the model is given them, with their truth, and with its answers."""

    features: pd.DataFrame
    truth: pd.Series
    sample: Sample


def single_model(model: Pipeline) -> Pipeline | None:
    """The model of all rows that is part of a routed one; None where the model is not routed."""
    last = model.steps[-1][1]
    if not isinstance(last, RoutedModel):
        return None
    return Pipeline([*model.steps[:-1], (model.steps[-1][0], last.alone())])


def segments_evidence(
    model: Pipeline,
    judged: Answered,
    single: Sample,
    known: pd.Series,
    preparation: Preparation,
    params: EvaluateParams,
) -> SegmentsEvidence:
    """What the test rows say of the segments; `single` is the model of all rows on them, `known` their training values.

    A segment is judged where it has 20 test rows and the metric is defined on them. Best and weakest are found among
    all that were judged, so their intervals allow for all of them (Bonferroni).
    """
    metric, column = params.objective.metric, str(preparation.segment)
    names = model.named_steps["prepare"].named_transformers_["segment"].categories_[0].tolist()
    values = judged.features[column]
    own = values.isin(names).to_numpy(dtype=bool)
    masks, scores = _by_segment(values, names, judged.sample, metric)
    order = sorted(scores, key=lambda name: scores[name], reverse=metric_of(metric).greater_is_better)
    shown = min(LISTED, max(1, len(order) // 2))
    best, weakest = order[:shown], order[shown:][::-1][:shown]
    options: dict[str, Any] = {"confidence": params.confidence, "resamples": params.resamples, "seed": params.seed}
    listed = {f"{column}={name}": masks[name] for name in (*best, *weakest)}
    evidence = slice_evidence(judged.sample, listed, names=(metric,), among=len(order), **options)
    found = difference(metric, judged.sample.take(own), single.take(own), **options)
    return SegmentsEvidence(
        column=column,
        metric=metric,
        own_rows=int(own.sum()),
        other_rows=int((~own).sum()),
        unknown=len(set(values.dropna()) - set(known.dropna())),
        judged=len(order),
        unjudged=int(values[own].nunique()) - len(order),
        least_rows=LEAST_ROWS,
        means=tuple(np.quantile(list(scores.values()), QUANTILES).tolist()) if scores else (),
        histogram=_histogram(np.array(list(scores.values()))) if scores else None,
        best=evidence[: len(best)],
        weakest=evidence[len(best) :],
        routed=found.mine,
        single=found.theirs,
        gain=Gain(value=found.value, low=found.low, high=found.high, confidence=params.confidence, method=found.method),
    )


def _by_segment(
    values: pd.Series, names: list[str], sample: Sample, metric: str
) -> tuple[dict[str, Mask], dict[str, float]]:
    """The rows of each segment that can be judged, and the metric's value on them."""
    masks: dict[str, Mask] = {}
    scores: dict[str, float] = {}
    counts = values.value_counts()
    for name in names:
        if counts.get(name, 0) < LEAST_ROWS:
            continue
        mask = (values == name).to_numpy(dtype=bool)
        value, _ = point(metric, sample.take(mask))
        if value is not None:
            masks[name], scores[name] = mask, value
    return masks, scores


def _histogram(scores: NDArray[np.float64]) -> Curve:
    counts, edges = np.histogram(scores, bins=min(BINS, max(1, len(scores))))
    return Curve(x=tuple(edges.tolist()), y=(*map(float, counts), 0.0))

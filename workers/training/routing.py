"""The segments' models and the model of all rows as one, with a summary of how each segment came to its model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.errors import StageFailed
from orchestrator.contracts.segments import (
    NAMED,
    QUANTILES,
    SegmentPlan,
    SegmentResult,
    SegmentResults,
    SegmentsSummary,
    Unserved,
)
from orchestrator.contracts.training import Segmenting
from workers.features.preparation import feature_columns, learned
from workers.routing import RoutedModel
from workers.training.matrix import Matrix


def routed(
    pipeline: Pipeline,
    preparation: Preparation,
    matrix: Matrix,
    models: Sequence[RoutedModel],
    fitted: Sequence[SegmentResults],
) -> Pipeline:
    """The pipeline with the segments' models in its last step, which routes by a number that the first step gives."""
    estimators: dict[str, Any] = {}
    for part, results in zip(models, fitted, strict=True):
        names = [one.segment for one in results.results if one.why is None]
        estimators |= zip(names, part.estimators_, strict=True)
    names = sorted(estimators)
    numbering = learned(preparation, segments=names) if names else None
    if numbering is None:
        return pipeline
    numbering.fit(matrix.frame[feature_columns(preparation)], np.array(matrix.target))
    model = RoutedModel.of([estimators[name] for name in names], pipeline.named_steps["model"])
    return Pipeline([("prepare", numbering), ("model", model)])


def summary_of(plan: SegmentPlan, fitted: Sequence[SegmentResults], asked: Segmenting, rows: int) -> SegmentsSummary:
    """What came of the segments; `rows` are all training rows.

    Raises StageFailed where the fits of a larger share of the segments failed than is borne.
    """
    found = {one.segment: one for results in fitted for one in results.results}
    lost = [
        SegmentResult(segment=name, rows=0, why="failed", reason=f"its stage segment[{number}] failed")
        for number, batch in enumerate(plan.batches, start=1)
        for name in batch
        if name not in found
    ]
    results = [*found.values(), *lost]
    own = [one for one in results if one.why is None]
    unserved = sorted((one for one in results if one.why is not None), key=lambda one: (one.why or "", one.segment))
    failed = [one for one in unserved if one.why == "failed"]
    if len(failed) > asked.max_failed * len(results):
        raise StageFailed(
            f"the fits of {len(failed)} of {len(results)} segments failed, and train.per.max_failed bears "
            f"{100 * asked.max_failed:g} %: {failed[0].segment}: {failed[0].reason}"
        )
    means = [one.trials[0].mean for one in own if one.trials[0].mean is not None]
    served = sum(one.rows for one in own)
    return SegmentsSummary(
        column=plan.column,
        min_rows=plan.min_rows,
        segments=plan.segments,
        own=len(own),
        small=plan.small,
        thin=len(unserved) - len(failed),
        failed=len(failed),
        rows=served,
        other_rows=rows - served,
        champions=dict(Counter(one.trials[0].candidate for one in own).most_common()),
        means=tuple(np.quantile(means, QUANTILES).tolist()) if means else (),
        unserved=tuple(
            Unserved(segment=one.segment, why=one.why or "failed", reason=one.reason or "") for one in unserved[:NAMED]
        ),
    )

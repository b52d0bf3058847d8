"""The rows that a model ranks highest: how many of them are positive, and how many of the positives they hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.contracts.documents.evaluation import Interval, TopEvidence
from orchestrator.contracts.evaluation import Top
from workers.evaluation.bootstrap import expanded_percentile, resampled, wider
from workers.evaluation.effective import effective, rarest
from workers.evaluation.exact import clopper_pearson
from workers.evaluation.ranking import Statistic, hits_at_top
from workers.evaluation.sample import Floats, Sample


def tops(
    sample: Sample, asked: Sequence[Top], *, confidence: float, resamples: int, seed: int
) -> tuple[TopEvidence, ...]:
    """Precision, recall and lift of each top that there are rows for; none where no score ranks the rows.

    The lift of a share of rows is its recall over that share, which is fixed: so are its ends.
    """
    positive = sample.truth == sample.positive
    if sample.kind != "binary" or sample.order is None or not positive.any():
        return ()
    found = []
    for top in asked:
        share = float(top.rows) / len(sample) if top.rows is not None else float(top.share or 0.0)
        if not 0 < share <= 1:
            continue
        precision, recall = _rates(sample, positive, share, confidence, resamples, seed)
        lift = recall.model_copy(
            update={
                name: None if end is None else end / share
                for name, end in (("value", recall.value), ("low", recall.low), ("high", recall.high))
            }
        )
        rows = top.rows if top.rows is not None else max(1, round(share * len(sample)))
        found.append(TopEvidence(top=top.text, rows=rows, share=share, precision=precision, recall=recall, lift=lift))
    return tuple(found)


def _rates(
    sample: Sample, positive: NDArray[np.bool_], share: float, confidence: float, resamples: int, seed: int
) -> tuple[Interval, Interval]:
    """The wider of the bootstrap, in which the edge of the top moves too, and Clopper–Pearson's with the edge fixed."""
    order = np.asarray(sample.order)
    rates = hits_at_top(positive, order, share)
    values = rates(sample.row_weights[None, :])
    statistics: dict[str, Statistic] = {
        "precision": lambda weights: rates(weights)[0],
        "recall": lambda weights: rates(weights)[1],
    }
    draws = resampled(sample, statistics, resamples, seed)
    edge = np.sort(order)[::-1][max(0, round(share * len(order)) - 1)]
    return (
        _interval(sample, float(values[0][0]), draws["precision"], positive, order >= edge, confidence),
        _interval(sample, float(values[1][0]), draws["recall"], order >= edge, positive, confidence),
    )


def _interval(
    sample: Sample,
    value: float,
    draws: Floats,
    hits: NDArray[np.bool_],
    among: NDArray[np.bool_],
    confidence: float,
) -> Interval:
    alpha = 1 - confidence
    rows = float(among.sum()) if sample.independent else effective(sample, draws, hits, among, alpha)
    guard = clopper_pearson(value * rows, rows, alpha)
    ends = wider(guard, expanded_percentile(draws, rarest(sample), alpha))
    return Interval(
        value=value,
        low=max(0.0, min(ends[0], value)),
        high=min(1.0, max(ends[1], value)),
        confidence=confidence,
        method="bootstrap and clopper-pearson" if sample.independent else "bootstrap and korn-graubard",
    )

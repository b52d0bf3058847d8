"""The points of a report's plots, at most two hundred for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from orchestrator.contracts.documents.training import Curve
from workers.evaluation.sample import Sample

Floats = NDArray[np.float64]

POINTS = 200
BINS = 10  # of the calibration, equal in rows


def curves(sample: Sample) -> dict[str, Curve]:
    """`roc`, `precision_recall`, `gains`, `calibration` of a binary target; `residuals`, `predicted` of values."""
    if sample.kind == "regression":
        return _values(sample)
    return _binary(sample) if sample.kind == "binary" else {}


def _values(sample: Sample) -> dict[str, Curve]:
    """The same rows in both, evenly over the range of predictions."""
    shown = _even(np.argsort(sample.prediction, kind="stable"))
    truth, prediction = sample.truth[shown], sample.prediction[shown]
    return {"residuals": _curve(prediction, truth - prediction), "predicted": _curve(truth, prediction)}


def _binary(sample: Sample) -> dict[str, Curve]:
    positive = sample.truth == sample.positive
    found: dict[str, Curve] = {}
    if sample.order is not None and positive.any() and not positive.all():
        false, true, _ = metrics.roc_curve(positive, sample.order, sample_weight=sample.weights)
        found["roc"] = _curve(*_thinned(false, true))
        found["gains"] = _curve(*_thinned(*_gains(positive, sample.order, sample.row_weights)))
        precision, recall, _ = metrics.precision_recall_curve(positive, sample.order, sample_weight=sample.weights)
        found["precision_recall"] = _curve(*_thinned(recall[::-1], precision[::-1]))
    if sample.scores is not None:
        found |= _calibration(positive, sample.scores, sample.row_weights)
    return found


def _gains(positive: NDArray[np.bool_], order: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The share of all rows against the share of positives among them, from the highest score down; ties at once."""
    ranking = np.argsort(-order, kind="stable")
    ranked = order[ranking]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    shares = [np.r_[0.0, np.cumsum(part[ranking])[ends]] for part in (weights, weights * positive)]
    return shares[0] / shares[0][-1], shares[1] / shares[1][-1]


def _calibration(positive: NDArray[np.bool_], scores: Floats, weights: Floats) -> dict[str, Curve]:
    """Mean probability against the share of positives, in bins of equally many rows, and the rows of each bin."""
    order = np.argsort(scores, kind="stable")
    bins = [part for part in np.array_split(order, min(BINS, max(1, len(order) // 10))) if weights[part].sum() > 0]
    expected = np.array([np.average(scores[part], weights=weights[part]) for part in bins])
    observed = np.array([np.average(positive[part], weights=weights[part]) for part in bins])
    rows = np.array([len(part) for part in bins], dtype=float)
    return {"calibration": _curve(expected, observed), "calibration_rows": _curve(expected, rows)}


def _even(indices: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most two hundred of them, evenly, with both ends."""
    picks = np.unique(np.linspace(0, len(indices) - 1, min(POINTS, len(indices))).round().astype(np.intp))
    return indices[picks]


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Points evenly along the curve's length, so that its corners stay."""
    length = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
    if len(x) <= POINTS or length[-1] == 0:
        return x, y
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)).clip(0, len(x) - 1))
    return x[kept], y[kept]


def _curve(x: Floats, y: Floats) -> Curve:
    return Curve(x=tuple(float(value) for value in x), y=tuple(float(value) for value in y))

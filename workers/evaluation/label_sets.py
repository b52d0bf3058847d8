"""Metrics of several labels, of many resamples at once; each label by itself is a binary target.

With weights of one these are scikit-learn's metrics; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from orchestrator.contracts.errors import DataError
from workers.evaluation.ranking import Floats, Statistic, average_precision, divided, present_mean, roc_auc
from workers.evaluation.sample import Sample
from workers.evaluation.units import CELLS

ALONE = {"f1_macro": "f1", "average_precision_macro": "average_precision", "roc_auc_macro": "roc_auc"}
"""Means over labels: by the metric of one label."""

RATIOS = frozenset({"f1_micro", "f1_samples", "jaccard", "subset_accuracy", "hamming_loss"})
"""Metrics whose loss is one sum over rows divided by another."""


def of_label(sample: Sample, position: int) -> Sample:
    """One label of a sample as a binary target, on the same rows."""
    score = None if sample.probabilities is None else sample.probabilities[:, position]
    return replace(
        sample,
        kind="binary",
        truth=sample.truth[:, position],
        prediction=sample.prediction[:, position],
        probabilities=None if score is None else np.column_stack([1 - score, score]),
        classes=(0, 1),
        positive=1,
        ranking=None,
        costs=None,
    )


def loss_parts(name: str, sample: Sample) -> tuple[Floats, Floats]:
    """What is wrong of each row, and what it is counted among: the sums of both make the metric's loss.

    A row without any label, in truth and prediction, has nothing right for f1_samples and jaccard (0, as in
    scikit-learn).
    """
    hits = (sample.truth * sample.prediction).sum(axis=1)
    named = sample.truth.sum(axis=1) + sample.prediction.sum(axis=1)
    wrong = named - 2 * hits
    each = np.ones(len(sample))
    match name:
        case "f1_micro":
            return wrong, named
        case "f1_samples":
            return 1 - np.nan_to_num(divided(2 * hits, named), nan=0.0), each
        case "jaccard":
            return 1 - np.nan_to_num(divided(hits, named - hits), nan=0.0), each
        case "subset_accuracy":
            return (wrong > 0).astype(float), each
        case _:  # hamming_loss
            return wrong / sample.truth.shape[1], each


def label_set_statistic(name: str, sample: Sample) -> Statistic:
    """A metric of several labels as a function of row weights."""
    if name in RATIOS:
        above, below = loss_parts(name, sample)
        start, sign = (0.0, 1.0) if name == "hamming_loss" else (1.0, -1.0)
        return lambda weights: start + sign * divided(weights @ above, weights @ below)
    if name == "f1_macro":
        return _f1_macro(sample)
    columns = _given(sample.probabilities).T
    if name == "average_precision_micro":
        return _of_all(sample, columns.T)
    area: Callable[..., Statistic] = roc_auc if name == "roc_auc_macro" else average_precision
    each = [area(truth == 1, column) for truth, column in zip(sample.truth.T, columns, strict=True)]
    return lambda weights: present_mean(np.stack([one(weights) for one in each], axis=1))


def _f1_macro(sample: Sample) -> Statistic:
    hits, named = sample.truth * sample.prediction, sample.truth + sample.prediction
    return lambda weights: np.asarray(
        np.nan_to_num(divided(2 * (weights @ hits), weights @ named), nan=0.0).mean(axis=1)
    )


def _of_all(sample: Sample, probabilities: Floats) -> Statistic:
    """Average precision of all pairs of a row and a label; few resamples at a time, which have as many weights."""
    labels = sample.truth.shape[1]
    precision = average_precision(sample.truth.ravel() == 1, probabilities.ravel())
    most = max(1, CELLS // max(sample.truth.size, 1))

    def precisions(weights: Floats) -> Floats:
        parts = [weights[start : start + most] for start in range(0, len(weights), most)]
        return np.concatenate([precision(np.repeat(part, labels, axis=1)) for part in parts])

    return precisions


def _given(answers: Floats | None) -> Floats:
    if answers is None:
        raise DataError("this metric needs probabilities, which the model does not give: choose another metric")
    return answers

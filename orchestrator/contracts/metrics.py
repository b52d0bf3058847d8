"""The metrics that objectives, rankings, intervals and gates share, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MetricTask = Literal["binary", "multiclass", "multilabel", "regression", "quantile"]
Needs = Literal["labels", "probabilities", "values"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: where it applies, which way is better, what it is computed from."""

    name: str
    tasks: frozenset[MetricTask]
    greater_is_better: bool
    needs: Needs
    title: str


def _metric(name: str, tasks: str, better: str, needs: Needs, title: str) -> Metric:
    names: dict[str, MetricTask] = {
        "b": "binary",
        "m": "multiclass",
        "l": "multilabel",
        "r": "regression",
        "q": "quantile",
    }
    return Metric(name, frozenset(names[letter] for letter in tasks), better == "up", needs, title)


COST = _metric("cost", "b", "down", "labels", "mean cost of a row, by objective.costs")
"""Not one of METRICS, since it exists only where a workflow says what errors cost."""

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _metric("roc_auc", "b", "up", "probabilities", "area under the ROC curve"),
        _metric("average_precision", "b", "up", "probabilities", "average precision"),
        _metric("accuracy", "bm", "up", "labels", "accuracy"),
        _metric("balanced_accuracy", "bm", "up", "labels", "balanced accuracy"),
        _metric("f1", "b", "up", "labels", "F1 of the positive class"),
        _metric("precision", "b", "up", "labels", "precision of the positive class"),
        _metric("recall", "b", "up", "labels", "recall of the positive class"),
        _metric("specificity", "b", "up", "labels", "recall of the negative class"),
        _metric("mcc", "bm", "up", "labels", "Matthews correlation"),
        _metric("log_loss", "bm", "down", "probabilities", "log loss"),
        _metric("brier", "b", "down", "probabilities", "Brier score"),
        _metric("ece", "bm", "down", "probabilities", "expected calibration error"),
        _metric("roc_auc_ovr", "m", "up", "probabilities", "area under the ROC curve, one against rest, macro"),
        _metric("f1_macro", "ml", "up", "labels", "F1, macro average"),
        _metric("f1_weighted", "m", "up", "labels", "F1, weighted by class size"),
        _metric("precision_macro", "m", "up", "labels", "precision, macro average"),
        _metric("recall_macro", "m", "up", "labels", "recall, macro average"),
        _metric("f1_micro", "l", "up", "labels", "F1 of all labels together"),
        _metric("f1_samples", "l", "up", "labels", "F1 of a row's labels, mean over rows"),
        _metric("jaccard", "l", "up", "labels", "Jaccard index of a row's labels, mean over rows"),
        _metric("subset_accuracy", "l", "up", "labels", "share of rows with every label right"),
        _metric("hamming_loss", "l", "down", "labels", "share of wrong labels"),
        _metric("average_precision_micro", "l", "up", "probabilities", "average precision of all labels together"),
        _metric("average_precision_macro", "l", "up", "probabilities", "average precision, mean over labels"),
        _metric("roc_auc_macro", "l", "up", "probabilities", "area under the ROC curve, mean over labels"),
        _metric("rmse", "r", "down", "values", "root mean squared error"),
        _metric("mae", "r", "down", "values", "mean absolute error"),
        _metric("median_absolute_error", "r", "down", "values", "median absolute error"),
        _metric("mape", "r", "down", "values", "mean absolute percentage error"),
        _metric("r2", "r", "up", "values", "share of variance explained"),
        _metric("pinball", "q", "down", "values", "mean pinball loss"),
        _metric("d2_pinball", "q", "up", "values", "share of the pinball loss of a constant that is spared"),
        _metric("coverage", "q", "up", "values", "share of rows at or below the prediction"),
    )
}

TWO_SIDED = frozenset({"coverage"})
"""Metrics that are right at one value, here objective.quantile, and wrong above it as below."""


def metric_of(name: str) -> Metric:
    """The metric of this name, `cost` included."""
    return COST if name == COST.name else METRICS[name]

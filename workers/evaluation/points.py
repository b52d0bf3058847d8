"""A metric's value on some rows, or the reason why it has none."""

from __future__ import annotations

import math

import numpy as np

from orchestrator.contracts.metrics import COST, METRICS
from workers.evaluation.sample import Sample
from workers.evaluation.statistics import statistic
from workers.scoring import score

Point = tuple[float | None, str | None]


def point(name: str, sample: Sample) -> Point:
    """The value by the metric functions that trials are scored with, or None and why."""
    why = undefined(name, sample)
    if why:
        return None, why
    value = measured(name, sample)
    return (value, None) if math.isfinite(value) else (None, "undefined on these rows")


def measured(name: str, sample: Sample) -> float:
    """The metric of rows on which it is defined."""
    if name == COST.name:
        return float(statistic(name, sample)(sample.row_weights[None, :])[0])
    needs, codes = METRICS[name].needs, tuple(range(len(sample.classes)))
    answers = {
        "labels": sample.prediction,
        "values": sample.prediction,
        "probabilities": sample.order if name in ("roc_auc", "average_precision") else sample.probabilities,
    }[needs]
    if name == "brier" or (name in ("log_loss", "ece") and sample.kind == "binary"):
        answers = sample.scores
    if answers is None:
        return math.nan
    return score(
        name,
        sample.truth,
        answers,
        classes=codes,
        positive=sample.positive if codes else None,
        weight=sample.weights,
        quantile=sample.quantile,
    )


def undefined(name: str, sample: Sample) -> str | None:
    """Why the metric has no value on these rows; None when it has one."""
    if not sample.row_weights.any():
        return "the rows have no weight" if len(sample) else "no rows"
    if name == COST.name:
        return "the workflow says no costs" if sample.costs is None else None
    if METRICS[name].needs == "probabilities":
        ranked = name in ("roc_auc", "average_precision") and sample.order is not None
        if sample.probabilities is None and not ranked:
            return "the model gives no probabilities"
    if sample.kind == "regression":
        return _undefined_values(name, sample)
    if sample.kind == "multilabel":
        return _undefined_labels(name, sample)
    return _undefined_classes(name, sample)


def _undefined_values(name: str, sample: Sample) -> str | None:
    if name == "mape" and (sample.truth == 0).any():
        return f"{int((sample.truth == 0).sum())} rows have a true value of zero"
    if METRICS[name].tasks == {"quantile"} and sample.quantile is None:
        return "the model predicts no quantile"
    if name in ("r2", "d2_pinball") and np.ptp(sample.truth) == 0:
        return "the true value is the same in all rows"
    return None


def _undefined_labels(name: str, sample: Sample) -> str | None:
    held = sample.truth.sum(axis=0)
    absent, full = held == 0, held == len(sample)
    if name in ("average_precision_macro", "roc_auc_macro") and absent.any():
        return f"no row has the label {sample.classes[int(absent.argmax())]}"
    if name == "roc_auc_macro" and full.any():
        return f"every row has the label {sample.classes[int(full.argmax())]}"
    if name == "average_precision_micro" and absent.all():
        return "no row has a label"
    if name == "f1_micro" and absent.all() and not sample.prediction.any():
        return "no row has a label, in truth or prediction"
    return None


def _undefined_classes(name: str, sample: Sample) -> str | None:
    weighed = sample.row_weights > 0  # rows of no weight are as if they were not there
    counts = np.bincount(sample.truth[weighed].astype(int), minlength=len(sample.classes))
    positives, predicted = counts[sample.positive], int((sample.prediction[weighed] == sample.positive).sum())
    reasons = (
        (("roc_auc", "balanced_accuracy", "mcc"), (counts > 0).sum() < 2, "the rows hold one class only"),
        (("roc_auc_ovr",), (counts == 0).any(), "a class has no row"),
        (("average_precision", "recall"), positives == 0, "no row is positive"),
        (("specificity",), positives == weighed.sum(), "no row is negative"),
        (("precision",), predicted == 0, "no row was predicted positive"),
        (("f1",), positives + predicted == 0, "no row is positive, in truth or prediction"),
    )
    return next((why for names, holds, why in reasons if name in names and holds), None)

"""One definition of every metric, from scikit-learn's own functions: trials, evaluation and gates share it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.multioutput import MultiOutputClassifier

from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.metrics import METRICS
from workers.calibration import calibration_errors

Scalar = str | int | float | bool | None

_RANKINGS = frozenset({"roc_auc", "average_precision"})  # they judge an order, so a decision function serves


@dataclass(frozen=True, slots=True)
class _Judged:
    """Truth and answer of some rows, as one metric needs them."""

    truth: NDArray[Any]
    predicted: NDArray[Any]  # labels, values, or probabilities: 1-d of the positive class, 2-d by class or label order
    classes: tuple[Scalar, ...]
    positive: Scalar
    weight: NDArray[Any] | None
    quantile: float | None = None

    @property
    def positives(self) -> NDArray[np.bool_]:
        return np.asarray(self.truth == self.positive, dtype=bool)

    @property
    def labels(self) -> NDArray[Any]:
        """The classes as an array of the truth's own kind."""
        return np.asarray(self.classes, dtype=object if self.truth.dtype == object else None)

    @property
    def negative(self) -> Scalar:
        return next(name for name in self.classes if name != self.positive)


def _labels(function: Callable[..., Any], **fixed: Any) -> Callable[[_Judged], Any]:
    return lambda rows: function(rows.truth, rows.predicted, sample_weight=rows.weight, **fixed)


def _of_class(function: Callable[..., Any], which: str) -> Callable[[_Judged], Any]:
    return lambda rows: function(
        rows.truth, rows.predicted, pos_label=getattr(rows, which), zero_division=0.0, sample_weight=rows.weight
    )


def _ranking(function: Callable[..., Any]) -> Callable[[_Judged], Any]:
    def scored(rows: _Judged) -> Any:
        present = rows.positives
        if present.all() or not present.any():
            return float("nan")  # one class only: no order to judge
        return function(present, rows.predicted, sample_weight=rows.weight)

    return scored


def _log_loss(rows: _Judged) -> Any:
    if rows.predicted.ndim == 1:
        return metrics.log_loss(rows.positives, rows.predicted, labels=[False, True], sample_weight=rows.weight)
    return metrics.log_loss(rows.truth, rows.predicted, labels=rows.labels, sample_weight=rows.weight)


def _brier(rows: _Judged) -> Any:
    return metrics.brier_score_loss(rows.positives, rows.predicted, pos_label=True, sample_weight=rows.weight)


def _one_against_rest(rows: _Judged) -> Any:
    if not set(rows.classes) <= set(np.unique(rows.truth).tolist()):
        return float("nan")  # undefined for a class that no row belongs to
    return metrics.roc_auc_score(
        rows.truth, rows.predicted, multi_class="ovr", average="macro", labels=rows.labels, sample_weight=rows.weight
    )


def _label_ranking(function: Callable[..., Any], average: str) -> Callable[[_Judged], Any]:
    """Of truth and probabilities as rows × labels; a mean over labels needs rows with each of them, an area others."""

    def scored(rows: _Judged) -> Any:
        present = rows.truth.mean(axis=0)
        if not present.any() or (average == "macro" and not present.all()):
            return float("nan")
        if function is metrics.roc_auc_score and (present == 1).any():
            return float("nan")
        return function(rows.truth, rows.predicted, average=average, sample_weight=rows.weight)

    return scored


def _r2(rows: _Judged) -> Any:
    return float("nan") if len(rows.truth) < 2 else _labels(metrics.r2_score)(rows)


def _pinball(rows: _Judged) -> Any:
    return metrics.mean_pinball_loss(rows.truth, rows.predicted, alpha=rows.quantile, sample_weight=rows.weight)


def _d2_pinball(rows: _Judged) -> Any:
    if np.ptp(rows.truth) == 0:
        return float("nan")  # no constant loses anything: nothing to spare
    return metrics.d2_pinball_score(rows.truth, rows.predicted, alpha=rows.quantile, sample_weight=rows.weight)


def _coverage(rows: _Judged) -> Any:
    return np.average(rows.truth <= rows.predicted, weights=rows.weight)


def _calibration(rows: _Judged) -> Any:
    """Of the positive class, or with more classes of the one that is held to be likeliest."""
    answers = np.asarray(rows.predicted, dtype=float)
    if answers.ndim == 1:
        probability, event = answers, rows.positives
    else:
        probability = answers.max(axis=1)
        event = np.asarray(rows.labels[answers.argmax(axis=1)] == rows.truth, dtype=bool)
    weight = np.ones(len(rows.truth)) if rows.weight is None else rows.weight
    return calibration_errors(probability, event, weight[None, :])[0]


_macro: dict[str, Any] = {"average": "macro", "zero_division": 0.0}

_SCORES: dict[str, Callable[[_Judged], Any]] = {
    "roc_auc": _ranking(metrics.roc_auc_score),
    "average_precision": _ranking(metrics.average_precision_score),
    "accuracy": _labels(metrics.accuracy_score),
    "balanced_accuracy": _labels(metrics.balanced_accuracy_score),
    "f1": _of_class(metrics.f1_score, "positive"),
    "precision": _of_class(metrics.precision_score, "positive"),
    "recall": _of_class(metrics.recall_score, "positive"),
    "specificity": _of_class(metrics.recall_score, "negative"),
    "mcc": _labels(metrics.matthews_corrcoef),
    "log_loss": _log_loss,
    "brier": _brier,
    "ece": _calibration,
    "roc_auc_ovr": _one_against_rest,
    "f1_macro": _labels(metrics.f1_score, **_macro),
    "f1_weighted": _labels(metrics.f1_score, average="weighted", zero_division=0.0),
    "precision_macro": _labels(metrics.precision_score, **_macro),
    "recall_macro": _labels(metrics.recall_score, **_macro),
    "f1_micro": _labels(metrics.f1_score, average="micro", zero_division=0.0),
    "f1_samples": _labels(metrics.f1_score, average="samples", zero_division=0.0),
    "jaccard": _labels(metrics.jaccard_score, average="samples", zero_division=0.0),
    "subset_accuracy": _labels(metrics.accuracy_score),
    "hamming_loss": _labels(metrics.hamming_loss),
    "average_precision_micro": _label_ranking(metrics.average_precision_score, "micro"),
    "average_precision_macro": _label_ranking(metrics.average_precision_score, "macro"),
    "roc_auc_macro": _label_ranking(metrics.roc_auc_score, "macro"),
    "rmse": _labels(metrics.root_mean_squared_error),
    "mae": _labels(metrics.mean_absolute_error),
    "median_absolute_error": _labels(metrics.median_absolute_error),
    "mape": _labels(metrics.mean_absolute_percentage_error),
    "r2": _r2,
    "pinball": _pinball,
    "d2_pinball": _d2_pinball,
    "coverage": _coverage,
}


def score(
    metric: str,
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    classes: Sequence[Scalar] = (),
    positive: Scalar = None,
    weight: ArrayLike | None = None,
    quantile: float | None = None,
) -> float:
    """The metric's value in the sign of its name; NaN where these rows leave it undefined.

    `predicted` is what METRICS[metric].needs: labels, values, or probabilities: of the positive class (1-d) for a
    binary target, by the order of `classes` (2-d) for log_loss and roc_auc_ovr. Of several labels `truth` and
    `predicted` are rows × labels, of 0 and 1 or of each label's own probability. A precision without any predicted
    positive counts as 0, as in scikit-learn. `quantile` is that of the objective, which pinball and d2_pinball need.
    """
    rows = _Judged(
        np.asarray(truth),
        np.asarray(predicted),
        tuple(classes),
        positive,
        None if weight is None else np.asarray(weight, dtype=float),
        quantile,
    )
    if len(rows.truth) == 0:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # NaN says it
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        return float(_SCORES[metric](rows))


def respond(
    model: Any, features: Any, metric: str, *, classes: Sequence[Scalar] = (), positive: Scalar = None
) -> NDArray[Any]:
    """What the fitted model says of the rows, in the shape that `score` takes for this metric.

    Metrics that judge an order take the decision function where the model has one, else probabilities, as
    scikit-learn's own scorers do; the others that need probabilities refuse a model that gives none.
    """
    if METRICS[metric].needs != "probabilities":
        return np.asarray(model.predict(features))
    if metric in _RANKINGS and len(model.classes_) == 2 and hasattr(model, "decision_function"):
        decision = np.asarray(model.decision_function(features))
        return decision if model.classes_[1] == positive else -decision
    if METRICS[metric].tasks == {"multilabel"}:
        return label_probabilities(model, features, len(classes), why=metric)
    columns = probabilities(model, features, classes, why=metric)
    return (
        columns if METRICS[metric].tasks == {"multiclass"} or len(classes) > 2 else columns[:, _at(classes, positive)]
    )


def probabilities(model: Any, features: Any, classes: Sequence[Scalar], *, why: str) -> NDArray[np.float64]:
    """Rows × classes, by the order of `classes`; a class that the model never saw has probability 0."""
    _require_probabilities(model, why)
    given = np.asarray(model.predict_proba(features), dtype=float)
    columns = np.zeros((len(given), len(classes)))
    for position, name in enumerate(np.asarray(model.classes_).tolist()):
        columns[:, _at(classes, name)] = given[:, position]
    return columns


def label_probabilities(model: Any, features: Any, labels: int, *, why: str) -> NDArray[np.float64]:
    """Rows × labels: how likely it is that a row has the label, each label for itself.

    scikit-learn gives either that, or for each label a table by its own classes.
    """
    _require_probabilities(model, why)
    given = model.predict_proba(features)
    if not isinstance(given, list):
        return np.asarray(given, dtype=float)
    known = [np.asarray(classes).tolist() for classes in model.classes_]
    columns = np.zeros((len(given[0]), labels))
    for position, (table, values) in enumerate(zip(given, known, strict=True)):
        if 1 in values:
            columns[:, position] = table[:, values.index(1)]
    return columns


def label_answers(model: Any, features: Any, labels: Sequence[Scalar]) -> dict[str, NDArray[Any]]:
    """`prediction_<label>` of 0 and 1, and `probability_<label>` where the model gives them, by the labels' order."""
    columns = np.asarray(model.predict(features)).astype(np.int64).T
    found: dict[str, NDArray[Any]] = {f"prediction_{name}": one for name, one in zip(labels, columns, strict=True)}
    if hasattr(model, "predict_proba"):
        chances = label_probabilities(model, features, len(labels), why="prediction").T
        found |= {f"probability_{name}": one for name, one in zip(labels, chances, strict=True)}
    return found


def _require_probabilities(model: Any, why: str) -> None:
    if not hasattr(model, "predict_proba"):
        raise InvalidInput(
            f"{why} needs probabilities, which {_name(model)} does not give with these parameters: "
            "choose another metric or another estimator"
        )


def _at(classes: Sequence[Scalar], name: Scalar) -> int:
    return list(classes).index(name)


def _name(model: Any) -> str:
    last = getattr(model, "steps", [("", model)])[-1][1]
    return type(last.estimator if isinstance(last, MultiOutputClassifier) else last).__name__

"""The decision threshold of a binary champion, chosen on predictions of rows that no model of theirs was fitted on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.documents.training import Curve, DecisionThreshold
from orchestrator.contracts.errors import DataError, InvalidInput
from orchestrator.contracts.roles import Costs, Threshold
from orchestrator.contracts.training import SelectParams
from workers.scoring import probabilities, respond
from workers.training.fitting import fit, training_weights
from workers.training.folds import PreparedFold

Floats = NDArray[np.float64]
Response = Literal["probability", "decision"]
POINTS = 200  # of the kept curve
_METHODS: dict[Response, str] = {"probability": "predict_proba", "decision": "decision_function"}
_USUAL: dict[Response, float] = {"probability": 0.5, "decision": 0.0}


@dataclass(frozen=True, slots=True)
class Counts:
    """Weights of rows in the cells of the confusion matrix, one entry for each threshold."""

    true_positive: Floats
    false_positive: Floats
    false_negative: Floats
    true_negative: Floats


def decide(
    estimator: BaseEstimator, folds: Iterable[PreparedFold], preparation: Preparation, params: SelectParams
) -> DecisionThreshold:
    """The threshold that the workflow fixes, or the best one on the champion's out-of-fold predictions.

    All distinct answers of the validation rows, pooled over the folds, are looked at; rows count by the weight column.
    Of several that are as good the one nearest to the usual threshold is taken.
    """
    wanted = params.threshold or Threshold(metric="cost")
    if preparation.target_kind != "binary":
        raise DataError("objective.threshold and costs need a target with two classes, and this one has more")
    if wanted.value is not None:
        return DecisionThreshold(value=wanted.value, by="fixed", response="probability")
    metric = wanted.metric or "cost"
    response, positive, answers, weight = _out_of_fold(estimator, folds, preparation, params)
    thresholds, counts = counted(positive, answers, weight, response)
    values = _MEASURES[metric](counts, params.costs or Costs())
    sign = -1.0 if metric == "cost" else 1.0
    good = np.flatnonzero(sign * values >= (sign * values).max() - 1e-12)
    best = int(good[np.argmin(np.abs(thresholds[good] - _USUAL[response]))])
    usual = len(np.unique(answers[answers >= _USUAL[response]]))  # so many distinct answers are called positive there
    shown = np.unique(np.r_[np.linspace(0, len(thresholds) - 1, POINTS).round().astype(int), best])[::-1]
    return DecisionThreshold(
        value=float(thresholds[best]),
        by=metric,
        response=response,
        rows=len(positive),
        score=float(values[best]),
        usual=_USUAL[response],
        usual_score=float(values[usual]),
        curve=Curve(x=tuple(thresholds[shown].tolist()), y=tuple(values[shown].tolist())),
    )


def _out_of_fold(
    estimator: BaseEstimator, folds: Iterable[PreparedFold], preparation: Preparation, params: SelectParams
) -> tuple[Response, NDArray[np.bool_], Floats, Floats]:
    """What the models of the folds answer to their validation rows: positive or not, the answer, the row's weight."""
    parts, response = [], None
    for shared in folds:
        fold = shared.taken_by(estimator, "the champion")
        weight = training_weights(fold.target, fold.weight, params.weights)
        model = fit(clone(estimator), fold.train, fold.target, weight)
        response = response or _response_of(model)
        own = np.ones(len(fold.truth)) if fold.truth_weight is None else fold.truth_weight
        parts.append((fold.truth == preparation.positive, _answers(model, fold.validation, response, preparation), own))
    positive, answers, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    return response or "probability", positive, answers, weights


def _response_of(model: Any) -> Response:
    if hasattr(model, "predict_proba"):
        return "probability"
    if hasattr(model, "decision_function"):
        return "decision"
    raise InvalidInput(
        f"a decision threshold needs probabilities or a decision function, and {type(model).__name__} gives neither: "
        "choose another estimator, or take objective.threshold out"
    )


def _answers(model: Any, features: NDArray[Any], response: Response, preparation: Preparation) -> Floats:
    if response == "decision":
        found = respond(model, features, "roc_auc", classes=preparation.classes, positive=preparation.positive)
        return np.asarray(found, dtype=float)
    columns = probabilities(model, features, preparation.classes, why="objective.threshold")
    return columns[:, preparation.classes.index(preparation.positive)]


def counted(positive: NDArray[np.bool_], answers: Floats, weight: Floats, response: Response) -> tuple[Floats, Counts]:
    """Every threshold that tells the answers apart, falling, with what comes of calling positive all from it on.

    Thresholds lie midway between neighbouring answers; the first calls no row positive, the last all.
    """
    order = np.argsort(-answers, kind="stable")
    ranked, mark = answers[order], weight[order] * positive[order]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    high, low = (1.0, 0.0) if response == "probability" else (ranked[0] + 1.0, ranked[-1] - 1.0)
    above = np.r_[high, ranked[ends]]
    below = np.r_[ranked[ends], low]
    thresholds = (above + below) / 2
    beside = thresholds <= below  # nothing lies between neighbours, or between a probability of 1 and the scale's end
    beside[-1] = False
    thresholds[beside] = np.nextafter(below[beside], np.inf)
    found = np.r_[0.0, np.cumsum(mark)[ends]]
    called = np.r_[0.0, np.cumsum(weight[order])[ends]]
    total, positives = called[-1], found[-1]
    return thresholds, Counts(found, called - found, positives - found, total - called - positives + found)


def _ratio(above: Floats, below: Floats) -> Floats:
    """The quotient, 0 where there is nothing to divide by, as scikit-learn counts it."""
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0))


def _accuracy(cells: Counts, _: Costs) -> Floats:
    right = cells.true_positive + cells.true_negative
    return _ratio(right, right + cells.false_positive + cells.false_negative)


def _balanced_accuracy(cells: Counts, _: Costs) -> Floats:
    found = _ratio(cells.true_positive, cells.true_positive + cells.false_negative)
    return (found + _ratio(cells.true_negative, cells.true_negative + cells.false_positive)) / 2


def _f1(cells: Counts, _: Costs) -> Floats:
    twice = 2 * cells.true_positive
    return _ratio(twice, twice + cells.false_positive + cells.false_negative)


def _mcc(cells: Counts, _: Costs) -> Floats:
    hits, alarms = cells.true_positive, cells.false_positive
    misses, rest = cells.false_negative, cells.true_negative
    spread = (hits + alarms) * (hits + misses) * (rest + alarms) * (rest + misses)
    return _ratio(hits * rest - alarms * misses, np.sqrt(np.maximum(spread, 0.0)))


def _cost(cells: Counts, costs: Costs) -> Floats:
    named = costs.model_dump().items()
    total = sum(getattr(cells, name) for name, _ in named)
    return _ratio(sum(price * getattr(cells, name) for name, price in named), total)


_MEASURES: dict[str, Callable[[Counts, Costs], Floats]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "mcc": _mcc,
    "cost": _cost,
}


def with_threshold(pipeline: Pipeline, threshold: DecisionThreshold, preparation: Preparation) -> Pipeline:
    """The fitted pipeline with its last step deciding by the threshold; probabilities stay as they are."""
    (*before, (name, fitted)) = pipeline.steps
    if threshold.by == "fixed" and _response_of(fitted) != "probability":
        raise InvalidInput(
            f"objective.threshold {threshold.value:g} is a probability, and {type(fitted).__name__} gives none with "
            "these parameters: calibrate it ({calibrated: {of: …}}), or have the threshold tuned for a metric"
        )
    decided = FixedThresholdClassifier(
        FrozenEstimator(fitted),
        threshold=threshold.value,
        pos_label=preparation.positive,
        response_method=_METHODS[threshold.response],
    )
    decided.fit(np.zeros((len(fitted.classes_), 1)), fitted.classes_)  # learns nothing: the estimator is frozen
    return Pipeline([*before, (name, decided)])

"""Metrics of many resamples at once: each resample is one row of weights over the test rows.

With weights of one these are scikit-learn's metrics; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.metrics import COST
from workers.calibration import calibration_errors
from workers.evaluation.label_sets import label_set_statistic
from workers.evaluation.ranking import Floats, Statistic, average_precision, divided, present_mean, roc_auc
from workers.evaluation.sample import Sample

EPSILON = float(np.finfo(np.float64).eps)


def confusions(sample: Sample) -> Callable[[Floats], Floats]:
    """Weights → confusion matrices (resamples × truth × prediction)."""
    size = len(sample.classes)
    cells = (sample.truth * size + sample.prediction).astype(np.intp)
    rows = np.arange(len(sample))
    one_hot = sparse.csr_array((np.ones(len(sample)), (cells, rows)), shape=(size * size, len(sample)))
    return lambda weights: np.asarray((one_hot @ weights.T).T).reshape(len(weights), size, size)


def label_metric(name: str, sample: Sample) -> Callable[[Floats], Floats]:
    """Confusion matrices (any number × truth × prediction) → values of a metric of labels."""
    if name == COST.name:
        costs = _given(sample.costs)
        return lambda matrices: divided((matrices * costs).sum(axis=(1, 2)), matrices.sum(axis=(1, 2)))
    return lambda matrices: _LABELS[name](matrices, sample.positive)


def _parts(matrices: Floats) -> tuple[Floats, Floats, Floats]:
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    return hits, matrices.sum(axis=2), matrices.sum(axis=1)


def _accuracy(matrices: Floats, _: int) -> Floats:
    hits, truth, _predicted = _parts(matrices)
    return divided(hits.sum(axis=1), truth.sum(axis=1))


def _recall(matrices: Floats, code: int) -> Floats:
    hits, truth, _ = _parts(matrices)
    return divided(hits[:, code], truth[:, code])


def _specificity(matrices: Floats, positive: int) -> Floats:
    return _recall(matrices, 1 - positive)


def _precision(matrices: Floats, code: int) -> Floats:
    hits, _, predicted = _parts(matrices)
    return divided(hits[:, code], predicted[:, code])


def _f1(matrices: Floats, code: int) -> Floats:
    hits, truth, predicted = _parts(matrices)
    return divided(2 * hits[:, code], truth[:, code] + predicted[:, code])


def _balanced_accuracy(matrices: Floats, _: int) -> Floats:
    hits, truth, _predicted = _parts(matrices)
    return present_mean(divided(hits, truth))


def _macro(matrices: Floats, below: Callable[[Floats, Floats], Floats]) -> Floats:
    """Mean over classes that occur in truth or prediction; a class without a denominator counts as 0."""
    hits, truth, predicted = _parts(matrices)
    each = np.nan_to_num(divided(hits, below(truth, predicted)), nan=0.0)
    return present_mean(np.where(truth + predicted > 0, each, np.nan))


def _f1_weighted(matrices: Floats, _: int) -> Floats:
    hits, truth, predicted = _parts(matrices)
    each = np.nan_to_num(divided(2 * hits, truth + predicted), nan=0.0)
    return divided((each * truth).sum(axis=1), truth.sum(axis=1))


def _mcc(matrices: Floats, _: int) -> Floats:
    hits, truth, predicted = _parts(matrices)
    total = truth.sum(axis=1)
    covariance = hits.sum(axis=1) * total - (truth * predicted).sum(axis=1)
    spread = (total**2 - (truth**2).sum(axis=1)) * (total**2 - (predicted**2).sum(axis=1))
    return np.nan_to_num(divided(covariance, np.sqrt(np.maximum(spread, 0.0))), nan=0.0)


_LABELS: dict[str, Callable[[Floats, int], Floats]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "precision": _precision,
    "recall": _recall,
    "specificity": _specificity,
    "mcc": _mcc,
    "f1_macro": lambda matrices, _: _macro(matrices, lambda truth, predicted: (truth + predicted) / 2),
    "f1_weighted": _f1_weighted,
    "precision_macro": lambda matrices, _: _macro(matrices, lambda _truth, predicted: predicted),
    "recall_macro": lambda matrices, _: _macro(matrices, lambda truth, _predicted: truth),
}


def roc_auc_ovr(sample: Sample) -> Statistic:
    """The mean over classes of the area of one class against the rest."""
    columns = _given(sample.probabilities).T
    each = [roc_auc(sample.truth == code, column) for code, column in enumerate(columns)]
    return lambda weights: present_mean(np.stack([area(weights) for area in each], axis=1))


def median_absolute_error(sample: Sample) -> Statistic:
    """The weighted median of absolute errors; the mean of both middle ones where the weights say so."""
    errors = np.abs(sample.truth - sample.prediction)
    order = np.argsort(errors, kind="stable")
    ranked = errors[order]

    def medians(weights: Floats) -> Floats:
        reached = np.cumsum(weights[:, order], axis=1)
        half = reached[:, -1:] / 2
        lower = ranked[np.argmax(reached >= half * (1 - EPSILON), axis=1)]
        upper = ranked[np.argmax(reached > half * (1 + EPSILON), axis=1)]
        return np.asarray((lower + upper) / 2)

    return medians


def r2(sample: Sample) -> Statistic:
    """One minus the squared error over the squared deviation from the mean."""
    centred = sample.truth - sample.truth.mean()
    parts = np.column_stack([np.ones(len(sample)), centred, centred**2, (sample.truth - sample.prediction) ** 2])

    def shares(weights: Floats) -> Floats:
        total, first, second, errors = (weights @ parts).T
        return 1 - divided(errors, second - divided(first**2, total))

    return shares


def told_and_true(sample: Sample) -> tuple[Floats, NDArray[np.bool_]]:
    """The probability of the positive class and whether it came true; of more classes that of the likeliest one."""
    if sample.kind == "binary":
        return _given(sample.scores), sample.truth == sample.positive
    answers = _given(sample.probabilities)
    return answers.max(axis=1), answers.argmax(axis=1) == sample.truth


def losses(name: str, sample: Sample) -> Floats:
    """Per row, the loss whose mean the metric is (`rmse`: its square root)."""
    if name == "log_loss":
        return -np.log(_own_probability(sample))
    if name == "brier":
        return np.asarray(((sample.truth == sample.positive) - _given(sample.scores)) ** 2, dtype=float)
    if name == "pinball":
        return pinball(sample, sample.prediction)
    errors = np.abs(sample.truth - sample.prediction)
    if name == "rmse":
        return errors**2
    return errors / np.maximum(np.abs(sample.truth), EPSILON) if name == "mape" else errors


def pinball(sample: Sample, answers: Floats) -> Floats:
    """Per row the pinball loss (Koenker and Bassett 1978): the error × τ where the truth lies above, × 1 − τ below."""
    short = sample.truth - answers
    return np.maximum(_level(sample) * short, (_level(sample) - 1) * short)


def d2_pinball(sample: Sample) -> Statistic:
    """One minus the pinball loss over that of the best constant, which is a quantile of the resample itself.

    Of sorted values the loss of the constant v is (1 − τ)(v·W − S) + τ(S' − v·W'), with the weight and the weighted sum
    of the values up to v (W, S) and of those above (W', S'); the best constant is one of the values.
    """
    loss, level = losses("pinball", sample), _level(sample)
    order = np.argsort(sample.truth, kind="stable")
    ranked = sample.truth[order] - sample.truth.mean()  # sums of values far from 0 would cancel

    def spared(weights: Floats) -> Floats:
        sorted_ = weights[:, order]
        below, sums = np.cumsum(sorted_, axis=1), np.cumsum(sorted_ * ranked, axis=1)
        above, rest = below[:, -1:] - below, sums[:, -1:] - sums
        constant = (1 - level) * (ranked * below - sums) + level * (rest - ranked * above)
        return 1 - divided(weights @ loss, np.maximum(constant.min(axis=1), 0.0))

    return spared


def covered(sample: Sample) -> Statistic:
    """The share of rows whose truth lies at or below the prediction."""
    kept = (sample.truth <= sample.prediction).astype(float)
    return lambda weights: divided(weights @ kept, weights.sum(axis=1))


def _level(sample: Sample) -> float:
    if sample.quantile is None:
        raise DataError("this metric needs a quantile: set `objective: {quantile: 0.9}`")
    return sample.quantile


def _own_probability(sample: Sample) -> Floats:
    clipped = np.clip(_given(sample.probabilities), EPSILON, 1 - EPSILON)
    return np.asarray(clipped[np.arange(len(sample)), sample.truth.astype(np.intp)])


def _given(answers: Floats | None) -> Floats:
    if answers is None:
        raise DataError("this metric needs probabilities, which the model does not give: choose another metric")
    return answers


MEANS = frozenset({"log_loss", "brier", "mae", "mape", "pinball", "rmse"})
LABELS = frozenset({*_LABELS, COST.name})


def statistic(name: str, sample: Sample) -> Statistic:
    """The metric of a sample as a function of row weights."""
    if sample.kind == "multilabel":
        return label_set_statistic(name, sample)
    if name in LABELS:
        matrices, metric = confusions(sample), label_metric(name, sample)
        return lambda weights: metric(matrices(weights))
    if name in MEANS:
        loss, root = losses(name, sample), name == "rmse"
        return lambda weights: (np.sqrt if root else np.asarray)(divided(weights @ loss, weights.sum(axis=1)))
    if name == "ece":
        probability, event = told_and_true(sample)
        return lambda weights: calibration_errors(probability, event, weights)
    if name in ("roc_auc", "average_precision"):
        curve = roc_auc if name == "roc_auc" else average_precision
        return curve(sample.truth == sample.positive, _given(sample.order))
    return _OTHERS[name](sample)


_OTHERS: dict[str, Callable[[Sample], Statistic]] = {
    "roc_auc_ovr": roc_auc_ovr,
    "median_absolute_error": median_absolute_error,
    "r2": r2,
    "d2_pinball": d2_pinball,
    "coverage": covered,
}

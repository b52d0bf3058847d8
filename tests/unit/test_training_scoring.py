"""Every metric is scikit-learn's: the same number as its own scorer, and NaN where it is undefined."""

import math

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import d2_pinball_score, get_scorer, make_scorer, mean_pinball_loss, recall_score
from sklearn.svm import LinearSVC

from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.metrics import METRICS
from workers.scoring import _SCORES, respond, score

SCORERS = {
    "roc_auc": "roc_auc", "average_precision": "average_precision", "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy", "f1": "f1", "precision": "precision", "recall": "recall",
    "mcc": "matthews_corrcoef", "log_loss": "neg_log_loss", "brier": "neg_brier_score",
    "roc_auc_ovr": "roc_auc_ovr", "f1_macro": "f1_macro", "f1_weighted": "f1_weighted",
    "precision_macro": "precision_macro", "recall_macro": "recall_macro",
    "rmse": "neg_root_mean_squared_error", "mae": "neg_mean_absolute_error",
    "median_absolute_error": "neg_median_absolute_error", "mape": "neg_mean_absolute_percentage_error", "r2": "r2",
}  # fmt: skip
MADE = {  # without a name of scikit-learn's
    "specificity": make_scorer(recall_score, pos_label=0),
    "pinball": make_scorer(mean_pinball_loss, alpha=0.9),
    "d2_pinball": make_scorer(d2_pinball_score, alpha=0.9),
    "coverage": make_scorer(
        lambda truth, answer, sample_weight=None: np.average(truth <= answer, weights=sample_weight)
    ),
}


OF_LABELS = {  # truth, answer: rows × labels
    "f1_micro": (metrics.f1_score, {"average": "micro"}),
    "f1_macro": (metrics.f1_score, {"average": "macro"}),
    "f1_samples": (metrics.f1_score, {"average": "samples", "zero_division": 0}),
    "jaccard": (metrics.jaccard_score, {"average": "samples", "zero_division": 0}),
    "subset_accuracy": (metrics.accuracy_score, {}),
    "hamming_loss": (metrics.hamming_loss, {}),
    "average_precision_micro": (metrics.average_precision_score, {"average": "micro"}),
    "average_precision_macro": (metrics.average_precision_score, {"average": "macro"}),
    "roc_auc_macro": (metrics.roc_auc_score, {"average": "macro"}),
}


def test_the_table_covers_the_contract() -> None:
    assert set(_SCORES) == set(METRICS)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [one for one in METRICS if METRICS[one].tasks - {"multilabel"} and one != "ece"])
def test_same_as_scikit_learns_scorer(name: str, weighted: bool) -> None:
    metric = METRICS[name]
    weight = np.random.default_rng(0).uniform(0.5, 2, 300) if weighted else None
    if metric.tasks & {"regression", "quantile"}:
        features, target = make_regression(300, 5, noise=20, random_state=0)
        model, classes, positive = Ridge().fit(features, target), (), None
    else:
        count = 2 if "binary" in metric.tasks else 3
        features, target = make_classification(300, 6, n_informative=4, n_classes=count, flip_y=0.3, random_state=0)
        model = LogisticRegression().fit(features, target)
        classes, positive = tuple(range(count)), 1 if count == 2 else None
    answer = respond(model, features, name, classes=classes, positive=positive)
    ours = score(name, target, answer, classes=classes, positive=positive, weight=weight, quantile=0.9)
    scorer = MADE[name] if name in MADE else get_scorer(SCORERS[name])
    theirs = scorer(model, features, target, sample_weight=weight)
    assert ours == pytest.approx(abs(theirs) if not metric.greater_is_better else theirs, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [one for one in METRICS if "multilabel" in METRICS[one].tasks])
def test_same_as_scikit_learns_metric_of_labels(name: str, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    truth, chances = (rng.random((300, 3)) < 0.4).astype(float), rng.random((300, 3))
    answer = (chances > 0.5).astype(float) if METRICS[name].needs == "labels" else chances
    weight = rng.uniform(0.5, 2, 300) if weighted else None
    theirs, options = OF_LABELS[name]
    expected = theirs(truth, answer, sample_weight=weight, **options)
    assert score(name, truth, answer, classes=("a", "b", "c"), weight=weight) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "brier", "log_loss", "f1", "recall", "specificity"])
def test_the_first_class_may_be_the_positive_one(name: str) -> None:
    features, codes = make_classification(300, 6, flip_y=0.3, weights=[0.3], random_state=0)
    flipped, named = 1 - codes, np.array(["bad", "good"], dtype=object)[codes]
    plain, text = LogisticRegression().fit(features, flipped), LogisticRegression().fit(features, named)
    expected = score(
        name, flipped, respond(plain, features, name, classes=(0, 1), positive=1), classes=(0, 1), positive=1
    )
    arguments = {"classes": ("bad", "good"), "positive": "bad"}
    assert score(name, named, respond(text, features, name, **arguments), **arguments) == pytest.approx(
        expected, abs=1e-4
    )


def test_a_decision_function_serves_an_order_but_not_a_loss() -> None:
    features, target = make_classification(200, random_state=0)
    model = LinearSVC().fit(features, target)
    answer = respond(model, features, "roc_auc", classes=(0, 1), positive=1)
    assert score("roc_auc", target, answer, classes=(0, 1), positive=1) == get_scorer("roc_auc")(
        model, features, target
    )
    with pytest.raises(InvalidInput, match="log_loss needs probabilities, which LinearSVC"):
        respond(model, features, "log_loss", classes=(0, 1), positive=1)


def test_a_class_that_was_never_seen_has_probability_zero() -> None:
    features, target = make_classification(100, random_state=0)
    model = LogisticRegression().fit(features, target)
    columns = respond(model, features, "log_loss", classes=(0, 1, 2))
    assert columns.shape == (100, 3)
    assert (columns[:, 2] == 0).all()


@pytest.mark.parametrize(
    ("name", "truth", "predicted", "classes", "positive"),
    [
        ("roc_auc", [1, 1], [0.2, 0.3], (0, 1), 1),
        ("average_precision", [0, 0], [0.2, 0.3], (0, 1), 1),
        ("roc_auc_ovr", [0, 1], [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]], (0, 1, 2), None),
        ("r2", [1.0], [1.0], (), None),
        ("accuracy", [], [], (0, 1), 1),
    ],
)
def test_undefined_is_nan(name: str, truth: list, predicted: list, classes: tuple, positive: object) -> None:
    assert math.isnan(score(name, truth, predicted, classes=classes, positive=positive))

"""Balanced classes: the weights are scikit-learn's, training rows alone have them, and scores are as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from orchestrator.contracts.documents.training import TrialResult
from orchestrator.contracts.roles import Objective
from orchestrator.contracts.training import Rung, SelectParams
from tests.unit.spec_case import found
from tests.unit.training_case import Case, case
from workers.features.preparation import feature_columns, learned
from workers.training.estimators import build
from workers.training.fitting import training_weights
from workers.training.folds import prepared_folds
from workers.training.sampling import sample
from workers.training.select import select
from workers.training.trial import trial

LOGISTIC = "sklearn.linear_model.LogisticRegression"


def test_without_weights_of_rows_they_are_scikit_learns() -> None:
    target = np.array(["a"] * 7 + ["b"] * 2 + ["c"])
    np.testing.assert_allclose(training_weights(target, None, "balanced"), compute_sample_weight("balanced", target))
    assert training_weights(target, None, None) is None


def test_every_class_weighs_the_same_and_rows_keep_their_shares_within_it() -> None:
    target, own = np.array([0, 0, 0, 1, 1, 2]), np.array([1.0, 2.0, 3.0, 1.0, 1.0, 0.0])
    made = training_weights(target, own, "balanced")
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=target[:5], sample_weight=own[:5])
    np.testing.assert_allclose(made[:3] / made[0], own[:3])
    assert made[:3].sum() == pytest.approx(made[3:5].sum())
    assert expected[1] / expected[0] == pytest.approx((made[3] / own[3]) / (made[0] / own[0]))
    assert made[5] == 0


def rare(folder: Path, *, weighted: bool) -> Case:
    """One in eight is positive."""
    made = case(folder, "binary", weighted=weighted)
    keep = (made.table["__target__"] == "no") | (np.arange(len(made.table)) % 7 == 1)
    made.table = made.table[keep]
    made.frame = made.artifact(made.table)
    made.objective = Objective(predict="y", task="classification", metric="balanced_accuracy")
    return made


@pytest.mark.parametrize("weighted", [False, True])
def test_trials_train_on_balanced_rows_and_are_scored_as_before(weighted: bool, tmp_path: Path) -> None:
    made = rare(tmp_path, weighted=weighted)
    params = made.trial(LOGISTIC, weights="balanced")
    ours = trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context()).result
    training = made.training
    fold = made.split.loc[training.index, "fold"].to_numpy()
    own = training["__weight__"].to_numpy() if weighted else None
    pipeline = Pipeline([("prepare", learned(made.preparation)), ("model", build(params))])
    features, target = training[feature_columns(made.preparation)], training["__target__"].to_numpy()
    for number in range(4):
        train, judged = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        weight = training_weights(target[train], None if own is None else own[train], "balanced")
        fitted = clone(pipeline).fit(features.iloc[train], target[train], model__sample_weight=weight)
        scored = balanced_accuracy_score(
            target[judged], fitted.predict(features.iloc[judged]), sample_weight=None if own is None else own[judged]
        )
        assert ours.scores[number] == pytest.approx(scored, abs=1e-9)
    plain = trial(
        made.frame, made.rows, made.preparation, made.summary, params=made.trial(LOGISTIC), context=made.context()
    )
    assert ours.mean > plain.result.mean


def test_the_champion_is_refitted_on_balanced_rows(tmp_path: Path) -> None:
    made = rare(tmp_path, weighted=False)
    one = TrialResult(
        candidate="a", estimator=LOGISTIC, index=1, params={}, metric="balanced_accuracy", scores=(1.0,), mean=1, std=0
    )
    share = {}
    for weights in (None, "balanced"):
        params = SelectParams(objective=made.objective, seed=7, weights=weights)
        model = select([one], made.frame, made.rows, made.preparation, params=params, context=made.context()).model
        share[weights] = (model.predict(made.training) == "yes").mean()
    assert share["balanced"] > share[None]


def test_an_estimator_without_weights_says_so(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    params = made.trial("sklearn.neighbors.KNeighborsClassifier", weights="balanced")
    ours = trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context()).result
    assert "KNeighborsClassifier takes no row weights: it was fitted without them" in ours.warnings


def test_what_cannot_be_balanced_is_refused(tmp_path: Path) -> None:
    regression = "objective={predict: income, task: regression}"
    assert found(tmp_path, "train: {weights: balanced}\n", regression) == [
        "3:9: a regression has no classes to balance"
    ]
    twice = "train: {weights: balanced, candidates: [{svc: {fixed: {class_weight: balanced}}}]}\n"
    assert found(tmp_path, twice) == [
        "3:56: `train.weights` weighs the classes already: take class_weight out, or `weights`"
    ]
    assert found(tmp_path, "train: {weights: even}\n") == ["3:18: train.weights should be 'balanced', not 'even'"]


def test_on_a_rung_the_classes_are_balanced_among_the_rows_that_it_has(tmp_path: Path) -> None:
    made = rare(tmp_path, weighted=True)
    rung = Rung(number=0, of=2, share=0.3, amount=0.3)
    params = made.trial(LOGISTIC, weights="balanced", rung=rung)
    found = trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context()).result
    fold = next(iter(prepared_folds(made.frame, made.rows, made.preparation, made.summary, made.context())))
    chosen = sample(fold.target, 0.3, "classification", (params.seed, fold.number))
    weight = training_weights(fold.target[chosen], fold.weight[chosen], "balanced")
    model = build(params).fit(fold.train[chosen], fold.target[chosen], sample_weight=weight)
    said = model.predict(fold.validation)
    expected = balanced_accuracy_score(fold.truth, said, sample_weight=fold.truth_weight)
    assert found.scores[0] == pytest.approx(expected, abs=1e-12)
    assert found.scores != trial(
        made.frame, made.rows, made.preparation, made.summary,
        params=params.model_copy(update={"weights": None}), context=made.context(),
    ).result.scores  # fmt: skip

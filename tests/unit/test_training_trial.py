"""Trials: their scores are those of scikit-learn's cross_validate, whatever the estimator, target or scheme."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import get_scorer, make_scorer, root_mean_squared_error
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from orchestrator.contracts.errors import DataError, InvalidInput, RequirementMissing, UserCodeError
from orchestrator.contracts.roles import Objective
from orchestrator.contracts.training import Rung
from tests.unit.training_case import Case, case, scores_of
from workers.features.preparation import feature_columns, learned
from workers.runtime.interruption import StageCancelled
from workers.training import folds
from workers.training.estimators import build
from workers.training.fitting import takes_weights
from workers.training.sampling import sample
from workers.training.trial import trial

BINARY = {
    "sklearn.linear_model.LogisticRegression": {"C": 0.5},
    "sklearn.ensemble.RandomForestClassifier": {"n_estimators": 15},
    "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 20},
    "sklearn.svm.SVC": {"C": 2},
    "sklearn.neighbors.KNeighborsClassifier": {"n_neighbors": 7},
    "sklearn.naive_bayes.GaussianNB": {},
    "sklearn.ensemble.GradientBoostingClassifier": {"n_estimators": 10},
}
MULTICLASS = {
    "sklearn.linear_model.LogisticRegression": {},
    "sklearn.ensemble.ExtraTreesClassifier": {"n_estimators": 15},
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": {},
}
REGRESSION = {
    "sklearn.linear_model.Ridge": {"alpha": 3},
    "sklearn.linear_model.LinearRegression": {"copy_X": False},  # wants to write into its rows
    "sklearn.tree.DecisionTreeRegressor": {"max_depth": 4},
    "sklearn.ensemble.HistGradientBoostingRegressor": {"max_iter": 20},
    "sklearn.svm.SVR": {},
}
SCORERS = {
    "binary": get_scorer("roc_auc"),
    "multiclass": get_scorer("neg_log_loss"),
    "regression": make_scorer(root_mean_squared_error),
}
ALL = [(kind, *pair) for kind, table in (("binary", BINARY), ("multiclass", MULTICLASS), ("regression", REGRESSION))
       for pair in table.items()]  # fmt: skip


def theirs(made: Case, kind: str, path: str, params: dict, cv: list) -> np.ndarray:
    """cross_validate; with weights, which it cannot give to a scorer, the same by hand."""
    training, scorer = made.training, SCORERS[kind]
    pipeline = Pipeline([("prepare", learned(made.preparation)), ("model", build(made.trial(path, params)))])
    features, target = training[feature_columns(made.preparation)], training["__target__"]
    if "__weight__" not in training:
        return np.abs(cross_validate(pipeline, features, target, cv=cv, scoring=scorer)["test_score"])
    weight, scores = training["__weight__"].to_numpy(), []
    for train, validation in cv:
        extra = {"model__sample_weight": weight[train]} if takes_weights(pipeline["model"]) else {}
        fitted = clone(pipeline).fit(features.iloc[train], target.iloc[train], **extra)
        scores.append(
            scorer(fitted, features.iloc[validation], target.iloc[validation], sample_weight=weight[validation])
        )
    return np.abs(scores)


def partition(made: Case) -> list:
    fold = made.split.loc[made.training.index, "fold"].to_numpy()
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(4)]


@pytest.mark.parametrize(("kind", "path", "params"), ALL)
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_scikit_learns(kind: str, path: str, params: dict, weighted: bool, tmp_path: Path) -> None:
    made = case(tmp_path, kind, weighted=weighted)
    expected = theirs(made, kind, path, params, partition(made))
    np.testing.assert_allclose(scores_of(made, path, params), expected, rtol=0, atol=1e-9)


def test_expanding_folds_train_on_what_came_before_without_the_gap(tmp_path: Path) -> None:
    made = case(tmp_path, "regression", scheme="expanding", gap=7)
    order = made.split.loc[made.training.index, "order"].to_numpy()
    cv = [
        (np.flatnonzero(order < start - 7), np.flatnonzero((order >= start) & (order < start + 50)))
        for start in (50, 100, 150)
    ]
    path = "sklearn.linear_model.Ridge"
    np.testing.assert_allclose(scores_of(made, path, {}), theirs(made, "regression", path, {}, cv), rtol=0, atol=1e-9)


def test_an_estimator_without_weights_says_so(tmp_path: Path) -> None:
    made = case(tmp_path, "binary", weighted=True)
    params = made.trial("sklearn.neighbors.KNeighborsClassifier")
    found = trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context())
    assert any("takes no row weights" in line for line in found.result.warnings)


def test_the_result_is_the_same_in_a_second_process_and_says_what_was_measured(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    params = made.trial("sklearn.linear_model.SGDClassifier", {"max_iter": 2, "tol": None})
    results = []
    for _ in range(2):
        context = made.context()
        results.append(trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=context))
        assert set(context.measured) == {"fit_seconds", "score_seconds", "peak_memory_mb"}
        folds._bench.held.clear()
    assert results[0] == results[1]


def test_warnings_are_kept_once_each(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    params = made.trial("sklearn.neural_network.MLPClassifier", {"max_iter": 2})
    found = trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context())
    assert len([line for line in found.result.warnings if line.startswith("ConvergenceWarning")]) == 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            warnings.warn("once\n  more", UserWarning, stacklevel=1)
    assert folds.texts(caught) == ("UserWarning: once more",)


def test_mean_and_std_are_numpys(tmp_path: Path) -> None:
    made = case(tmp_path, "regression")
    params = made.trial("sklearn.linear_model.Ridge")
    found = trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context()).result
    assert found.mean == np.mean(found.scores)
    assert found.std == np.std(found.scores)
    assert all(math.isfinite(value) for value in found.scores)


@pytest.mark.parametrize(
    ("path", "params", "family", "text"),
    [
        ("sklearn.svm.SVC", {"CC": 1}, InvalidInput, r"some#1 \(CC=1\): SVC has no parameter 'CC' \(did you mean 'C'"),
        ("sklearn.svm.SVC", {"C": -1}, InvalidInput, r"some#1 \(C=-1\): The 'C' parameter of SVC must be"),
        ("sklearn.svm.SVR", {}, InvalidInput, "SVR is a regressor, but the objective is classification"),
        ("sklearn.svm.Nothing", {}, InvalidInput, "sklearn.svm.Nothing is no estimator"),
        ("no_such_package.Model", {}, RequirementMissing, "no_such_package.Model cannot be imported on this pool"),
        ("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 999}, UserCodeError, "failed on fold 1: ValueError"),
    ],
)
def test_errors_are_one_line_that_names_the_trial(
    path: str, params: dict, family: type, text: str, tmp_path: Path
) -> None:
    made = case(tmp_path, "binary")
    with pytest.raises(family, match=text) as caught:
        scores_of(made, path, params)
    assert "\n" not in str(caught.value)


OWN = """
from sklearn.base import BaseEstimator, ClassifierMixin

class Broken(ClassifierMixin, BaseEstimator):
    def __init__(self, depth=1):
        self.depth = depth
    def fit(self, X, y):
        raise KeyError("no such thing")
    def predict(self, X):
        return X
"""


def test_an_estimator_of_the_teams_own_is_shown_with_its_own_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own_broken.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    made = case(tmp_path, "binary")
    with pytest.raises(
        UserCodeError, match=r"some#1 \(depth=3\) failed on fold 1: KeyError: 'no such thing'"
    ) as caught:
        scores_of(made, "own_broken:Broken", {"depth": 3})
    assert len(caught.value.frames) == 1
    assert 'own_broken.py", line 8, in fit' in caught.value.frames[0]


def test_a_metric_that_a_fold_leaves_undefined_fails_the_trial(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    made.table.loc[made.split.loc[made.table.index, "fold"] == 2, "__target__"] = "no"
    made.frame = made.artifact(made.table)
    with pytest.raises(DataError, match=r"roc_auc is nan on fold 3 \(\d+ validation rows, all of class no\)"):
        scores_of(made, "sklearn.naive_bayes.GaussianNB", {})


def test_a_metric_that_needs_probabilities_refuses_a_model_without(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    made.objective = Objective(predict="y", task="classification", metric="log_loss")
    with pytest.raises(InvalidInput, match="log_loss needs probabilities, which LinearSVC does not give"):
        scores_of(made, "sklearn.svm.LinearSVC", {})


def test_a_cancelled_trial_stops_between_folds(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    context = made.context()
    context.watcher.cancelled = True  # type: ignore[misc]
    with pytest.raises(StageCancelled):
        trial(
            made.frame,
            made.rows,
            made.preparation,
            made.summary,
            params=made.trial("sklearn.svm.SVC"),
            context=context,
        )


def test_open_seeds_are_the_trials_and_fixed_ones_stay(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    assert build(made.trial("sklearn.svm.SVC")).random_state == 7
    assert build(made.trial("sklearn.svm.SVC", {"random_state": 3})).random_state == 3
    assert isinstance(build(made.trial("sklearn.svm:SVC")), SVC)


def test_a_trial_on_a_rung_is_fitted_on_a_share_of_the_training_rows_and_scored_on_all_others(tmp_path: Path) -> None:
    made = case(tmp_path, "binary", weighted=True)
    path = "sklearn.linear_model.LogisticRegression"

    def scores(rung: Rung | None) -> tuple[float, ...]:
        params = made.trial(path, rung=rung)
        context = made.context()
        return trial(
            made.frame, made.rows, made.preparation, made.summary, params=params, context=context
        ).result.scores

    whole = scores(None)
    third = Rung(number=0, of=2, share=1 / 3, amount=1 / 3)
    assert scores(third) == scores(third)
    assert scores(third) != whole
    assert scores(Rung(number=1, of=2, share=1.0, amount=1.0)) == whole
    # A parameter is in `params` already: the rows are all of them.
    assert scores(Rung(number=0, of=2, resource="max_iter", share=1 / 3, amount=30)) == whole
    fold = next(iter(folds.prepared_folds(made.frame, made.rows, made.preparation, made.summary, made.context())))
    chosen = sample(fold.target, 1 / 3, "classification", (7, fold.number))
    model = build(made.trial(path)).fit(fold.train[chosen], fold.target[chosen], sample_weight=fold.weight[chosen])
    by_hand = get_scorer("roc_auc")(model, fold.validation, fold.truth, sample_weight=fold.truth_weight)
    assert scores(third)[0] == pytest.approx(by_hand, abs=1e-12)

"""Select: the order of trials, both rules, the refit, and that all of it is the same each time."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from orchestrator.contracts.documents.training import SearchState, SearchTrial, TrialResult
from orchestrator.contracts.errors import DataError, InvalidInput
from orchestrator.contracts.roles import Objective
from orchestrator.contracts.training import Rung, SelectParams
from tests.unit.training_case import case
from workers.features.preparation import learned
from workers.model_files import save_model
from workers.training.estimators import build
from workers.training.select import rank, select

ACCURACY = Objective(predict="y", task="classification", metric="accuracy")
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def result(candidate: str, index: int, *scores: float, metric: str = "accuracy") -> TrialResult:
    return TrialResult(
        candidate=candidate, estimator=LOGISTIC, index=index, params={"C": index}, metric=metric, scores=scores,
        mean=float(np.mean(scores)), std=float(np.std(scores)),
    )  # fmt: skip


def test_best_mean_first_and_ties_in_the_order_of_the_spec() -> None:
    results = [result("a", 1, 0.7), result("b", 1, 0.9), result("a", 2, 0.9), result("c", 1, 0.8)]
    ranking = rank(results, SelectParams(objective=ACCURACY, trials=6))
    assert [(one.rank, one.candidate, one.index) for one in ranking.trials] == [
        (1, "b", 1), (2, "a", 2), (3, "c", 1), (4, "a", 1),
    ]  # fmt: skip
    assert ranking.champion == ranking.trials[0]
    assert ranking.reason == (
        "b#1 has the best mean accuracy 0.9 over 1 folds, among 4 trials (2 failed and are left out)"
    )


def test_an_error_metric_is_ranked_from_below() -> None:
    objective = Objective(predict="y", task="regression", metric="rmse")
    results = [result("a", 1, 3.0, metric="rmse"), result("b", 1, 2.0, metric="rmse")]
    assert rank(results, SelectParams(objective=objective)).champion.candidate == "b"


def test_one_standard_error_takes_the_first_candidate_that_is_as_good() -> None:
    results = [
        result("simple", 1, 0.84, 0.86),
        result("simple", 2, 0.85, 0.88),
        result("weak", 1, 0.1, 0.2),
        result("complex", 1, 0.8, 0.96),
    ]
    ranking = rank(results, SelectParams(objective=ACCURACY, rule="one_standard_error"))
    assert (ranking.champion.candidate, ranking.champion.index, ranking.champion.rank) == ("simple", 2, 1)
    assert ranking.trials[1].candidate == "complex"
    assert "within one standard error (0.08) of the best, complex#1 (0.88)" in ranking.reason


def test_one_standard_error_keeps_the_best_when_nothing_simpler_comes_near() -> None:
    results = [result("simple", 1, 0.5, 0.5), result("complex", 1, 0.9, 0.9)]
    ranking = rank(results, SelectParams(objective=ACCURACY, rule="one_standard_error"))
    assert ranking.champion.candidate == "complex"
    assert "has the best" in ranking.reason


def test_no_trial_at_all_is_told() -> None:
    with pytest.raises(DataError, match="no trial came to an end"):
        rank([], SelectParams(objective=ACCURACY))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_champion_is_fitted_on_all_training_rows(weighted: bool, tmp_path: Path) -> None:
    made = case(tmp_path, "binary", weighted=weighted)
    params = SelectParams(objective=made.objective, roles=made.roles, seed=7)
    results = [result("a", 1, 0.7, metric="roc_auc"), result("b", 2, 0.9, metric="roc_auc")]
    found = select(results, made.frame, made.rows, made.preparation, params=params, context=made.context())
    training = made.training
    expected = Pipeline([("prepare", learned(made.preparation)), ("model", build(made.trial(LOGISTIC, {"C": 2})))])
    extra = {"model__sample_weight": training["__weight__"]} if weighted else {}
    expected.fit(training[["size", "age", "colour"]], training["__target__"], **extra)
    assert [name for name, _ in found.model.steps] == ["prepare", "model"]
    np.testing.assert_array_equal(found.model.predict_proba(made.table), expected.predict_proba(made.table))


@pytest.mark.parametrize("path", ["sklearn.ensemble.RandomForestClassifier", LOGISTIC])
def test_twice_the_same_bytes(path: str, tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    params = SelectParams(objective=made.objective, seed=7)
    one = result("a", 1, 0.7).model_copy(update={"estimator": path, "params": {}})
    for name in ("one", "two"):
        found = select([one], made.frame, made.rows, made.preparation, params=params, context=made.context())
        save_model(found.model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_champion_that_cannot_be_fitted_names_itself(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    params = SelectParams(objective=made.objective)
    bad = result("a", 3, 0.7).model_copy(update={"params": {"C": math.inf, "max_iter": -1}})
    with pytest.raises(InvalidInput, match=r"candidate a#3 \(C=inf, max_iter=-1\): The 'max_iter' parameter"):
        select([bad], made.frame, made.rows, made.preparation, params=params, context=made.context())


def rung(number: int, share: float) -> Rung:
    return Rung(number=number, of=3, share=share, amount=share)


def test_of_a_search_that_halves_only_trials_in_full_are_ranked_and_the_others_told_of() -> None:
    low, middle, full = rung(0, 1 / 9), rung(1, 1 / 3), rung(2, 1.0)
    results = [
        result("b", 1, 0.99).model_copy(update={"rung": low}),
        result("a", 1, 0.5).model_copy(update={"rung": low}),
        result("a", 2, 0.8).model_copy(update={"rung": low}),
        result("a", 2, 0.7).model_copy(update={"rung": full}),
        result("b", 2, 0.9).model_copy(update={"rung": middle}),
        result("b", 3, 0.7).model_copy(update={"rung": full}),
    ]
    asked = [
        SearchTrial(
            stage="s", candidate=one.candidate, index=one.index, params={}, rung=one.rung, step=1, score=one.mean
        )
        for one in results
    ]
    failed = SearchTrial(stage="s", candidate="a", index=3, params={}, rung=low, step=1, failed=True)
    state = SearchState(method="asha", trials=(*asked, failed), ended="all 6 settings were tried")
    for shuffled in (results, results[::-1]):  # trials come in the order of the search
        ranking = rank(shuffled, SelectParams(objective=ACCURACY, candidates=("a", "b")), state)
        assert [(one.candidate, one.index) for one in ranking.trials] == [("a", 2), ("b", 3)]
        assert [(one.rank, one.candidate, one.index) for one in ranking.stopped] == [
            (3, "b", 2), (4, "b", 1), (5, "a", 1),
        ]  # fmt: skip
    assert ranking.reason == (
        "a#2 has the best mean accuracy 0.7 over 1 folds, among 2 trials in full (1 failed and is left out); the asha "
        "search tried 6 settings in 7 trials and asked for no more since all 6 settings were tried"
    )
    assert ranking.search is not None
    assert (ranking.search.settings, ranking.search.trials, ranking.search.failed) == (6, 7, 1)
    assert [(one.trials, one.failed) for one in ranking.search.rungs] == [(4, 1), (1, 0), (2, 0)]
    assert ranking.search.resource_used == pytest.approx(4 / 9 + 1 / 3 + 2)


def test_a_search_without_a_trial_in_full_has_no_champion() -> None:
    with pytest.raises(DataError, match="no trial in full came to an end"):
        rank([result("a", 1, 0.9).model_copy(update={"rung": rung(0, 0.1)})], SelectParams(objective=ACCURACY))

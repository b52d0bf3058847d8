"""The decision threshold: the best one on out-of-fold predictions, inside the model, and what errors cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, matthews_corrcoef
from sklearn.pipeline import Pipeline

from orchestrator.contracts.documents.training import TrialResult
from orchestrator.contracts.errors import DataError, InvalidInput
from orchestrator.contracts.roles import Costs, Objective, Threshold
from orchestrator.contracts.training import SelectParams
from orchestrator.report.charts import threshold_chart
from tests.unit.spec_case import found, loaded
from tests.unit.training_case import Case, case
from tests.unit.whole_case import BINARY, DATA, whole
from workers.evaluation.intervals import Judge
from workers.evaluation.sample import Sample, priced
from workers.evaluation.units import Units
from workers.features.preparation import feature_columns, learned
from workers.model_files import load_model, save_model
from workers.training.estimators import build
from workers.training.select import SelectOutputs, select
from workers.training.threshold import _MEASURES, counted

LOGISTIC = "sklearn.linear_model.LogisticRegression"
FIVE = Costs(false_positive=1, false_negative=5)
POSITIVE = "objective={predict: bought, task: classification, positive: 1%s}"


def chosen(made: Case, path: str = LOGISTIC, kind: str = "roc_auc", **decision: object) -> SelectOutputs:
    one = TrialResult(candidate="a", estimator=path, index=1, params={}, metric=kind, scores=(1.0,), mean=1, std=0)
    objective = Objective(predict="y", task="classification", metric=kind)
    params = SelectParams(objective=objective, roles=made.roles, seed=7, **decision)
    context = made.context()
    return select([one], made.frame, made.rows, made.preparation, made.summary, params=params, context=context)


def mean_cost(truth: np.ndarray, called: np.ndarray, weight: np.ndarray) -> float:
    return float(np.average(1.0 * (called & ~truth) + 5.0 * (truth & ~called), weights=weight))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "mcc", "cost"])
def test_what_each_threshold_is_worth_is_what_the_metric_says(metric: str, ties: bool) -> None:
    dice = np.random.default_rng(2)
    truth, weight = dice.uniform(size=80) < 0.3, dice.uniform(0.5, 2, 80)
    answers = np.clip(dice.normal(0.4 + 0.2 * truth, 0.2), 0, 1)
    answers = np.round(answers, 1) if ties else answers
    thresholds, cells = counted(truth, answers, weight, "probability")
    assert np.all(np.diff(thresholds) < 0)
    assert len(thresholds) == len(np.unique(answers)) + 1
    theirs = {
        "accuracy": accuracy_score,
        "balanced_accuracy": balanced_accuracy_score,
        "f1": f1_score,
        "mcc": matthews_corrcoef,
    }
    for threshold, value in zip(thresholds, _MEASURES[metric](cells, FIVE), strict=True):
        called = answers >= threshold
        if metric == "cost":
            assert value == pytest.approx(mean_cost(truth, called, weight))
        else:
            assert value == pytest.approx(theirs[metric](truth, called, sample_weight=weight))


@pytest.mark.parametrize("response", ["probability", "decision"])
def test_answers_at_the_end_of_the_scale_are_told_apart(response: str) -> None:
    answers, truth = np.array([0.0, 0.0, 1.0, 1.0]), np.array([False, True, False, True])
    thresholds, cells = counted(truth, answers, np.ones(4), response)
    called = [int((answers >= threshold).sum()) for threshold in thresholds]
    assert called == [0, 2, 4]
    assert (cells.true_positive + cells.false_positive).tolist() == called


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scheme", ["partition", "expanding"])
def test_it_is_tuned_on_out_of_fold_predictions_alone(scheme: str, weighted: bool, tmp_path: Path) -> None:
    made = case(tmp_path, "binary", weighted=weighted, scheme=scheme)
    outputs = chosen(made, threshold=Threshold(metric="cost"), costs=FIVE)
    training = made.training
    numbers = made.split.loc[training.index, "fold"].to_numpy()
    pipeline = Pipeline([("prepare", learned(made.preparation)), ("model", build(made.trial(LOGISTIC)))])
    features, target = training[feature_columns(made.preparation)], training["__target__"].to_numpy()
    weights = training["__weight__"].to_numpy() if weighted else np.ones(len(training))
    parts = []
    for number in range(1 if scheme == "expanding" else 0, 4):
        train = numbers < number if scheme == "expanding" else numbers != number
        fitted = clone(pipeline).fit(features[train], target[train], model__sample_weight=weights[train])
        judged = numbers == number
        parts.append((target[judged] == "yes", fitted.predict_proba(features[judged])[:, 1], weights[judged]))
    truth, answers, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    costs = [mean_cost(truth, answers >= value, weight) for value in np.linspace(0, 1, 2001)]
    threshold = outputs.ranking.threshold
    assert threshold.rows == len(truth)
    assert threshold.score == pytest.approx(mean_cost(truth, answers >= threshold.value, weight))
    assert threshold.score <= min(costs) + 1e-9
    assert threshold.usual_score == pytest.approx(mean_cost(truth, answers >= 0.5, weight))
    assert threshold.value < 0.4  # five times dearer to miss one
    assert threshold.value in threshold.curve.x
    assert len(threshold.curve.x) <= 201


@pytest.mark.parametrize("path", [LOGISTIC, "sklearn.svm.LinearSVC", "sklearn.naive_bayes.GaussianNB"])
def test_the_model_decides_by_it_and_can_be_kept(path: str, tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    outputs = chosen(made, path, threshold=Threshold(metric="f1"))
    threshold, rows = outputs.ranking.threshold, made.table[feature_columns(made.preparation)]
    plain = chosen(made, path).model
    proba = threshold.response == "probability"
    answers = plain.predict_proba(rows)[:, 1] if proba else plain.decision_function(rows)
    np.testing.assert_array_equal(outputs.model.predict(rows) == "yes", answers >= threshold.value)
    if proba:
        np.testing.assert_array_equal(outputs.model.predict_proba(rows), plain.predict_proba(rows))
    else:
        assert (threshold.usual, hasattr(outputs.model, "predict_proba")) == (0.0, False)
    save_model(outputs.model, tmp_path / "m.skops")
    np.testing.assert_array_equal(load_model(tmp_path / "m.skops").predict(rows), outputs.model.predict(rows))


def test_a_positive_class_that_stands_first_is_honoured(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    made.preparation = made.preparation.model_copy(update={"positive": "no"})
    for path in (LOGISTIC, "sklearn.svm.LinearSVC"):
        dear = Costs(false_positive=20, false_negative=1)
        model = chosen(made, path, threshold=Threshold(metric="cost"), costs=dear).model
        called = model.predict(made.training[feature_columns(made.preparation)]) == "no"
        assert called.mean() < 0.45  # half the rows are so


def test_a_fixed_one_stands_and_needs_probabilities(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    outputs = chosen(made, threshold=Threshold(value=0.9))
    assert outputs.ranking.threshold.sentence == "positive from a probability of 0.9 on, as the workflow says"
    rows = made.training[feature_columns(made.preparation)]
    np.testing.assert_array_equal(outputs.model.predict(rows) == "yes", outputs.model.predict_proba(rows)[:, 1] >= 0.9)
    with pytest.raises(InvalidInput, match="is a probability, and LinearSVC gives none with these parameters"):
        chosen(made, "sklearn.svm.LinearSVC", threshold=Threshold(value=0.9))


def test_what_has_no_answer_to_compare_is_refused(tmp_path: Path) -> None:
    made = case(tmp_path, "multiclass")
    with pytest.raises(DataError, match="two classes"):
        chosen(made, kind="accuracy", threshold=Threshold(metric="f1"))


def sampled(dice: np.random.Generator, rows: int, miss: float, alarm: float, prevalence: float = 0.2) -> Sample:
    truth = (dice.uniform(size=rows) < prevalence).astype(float)
    wrong = dice.uniform(size=rows) < np.where(truth == 1, miss, alarm)
    prediction = np.where(wrong, 1 - truth, truth)
    units = Units("rows", rows, None, 0)
    return Sample("binary", truth, prediction, None, units, None, (0, 1), 1, None, priced(FIVE, 1, 2))


def test_the_interval_of_the_cost_holds() -> None:
    dice, true = np.random.default_rng(4), 0.2 * 0.3 * 5 + 0.8 * 0.1
    hits = high = 0
    for _ in range(300):
        found = Judge(sampled(dice, 100, 0.3, 0.1), ("cost",), 0.95, 250, 1).interval("cost")
        hits += found.low <= true <= found.high
        high += found.high >= true
    assert hits >= 280
    assert high >= 288  # the safe end: 97.5 % are wanted


def test_a_model_that_was_never_wrong_may_still_cost(tmp_path: Path) -> None:
    sample = sampled(np.random.default_rng(1), 60, 0, 0)
    found = Judge(sample, ("cost",), 0.95, 500, 1).interval("cost")
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high > 0.1


def test_a_whole_workflow_ships_its_threshold_and_is_gated_by_cost(tmp_path: Path) -> None:
    objective = BINARY.replace("}", ", costs: {false_positive: 1, false_negative: 5}}")
    rest = "train: {candidates: [logistic_regression], search: {folds: 3}}\ngates: [cost <= 0.01, cost <= 1]\n"
    run = whole(tmp_path, objective + DATA + rest)
    threshold = run.document("select", "ranking")["threshold"]
    assert (threshold["by"], threshold["response"]) == ("cost", "probability")
    predictions = run.table("evaluate", "predictions")
    np.testing.assert_array_equal(
        predictions["prediction"] == "yes", predictions["probability_1"] >= threshold["value"]
    )
    evaluation = run.document("evaluate", "evaluation")
    truth, called = (predictions[name].to_numpy() == "yes" for name in ("truth", "prediction"))
    assert evaluation["metrics"]["cost"]["value"] == pytest.approx(mean_cost(truth, called, np.ones(len(truth))))
    assert evaluation["dummy"]["cost"] == pytest.approx(5 * truth.mean())
    assert [one["passed"] for one in run.document("gates", "verdicts")["verdicts"]] == [False, True]
    raw = pd.read_csv(tmp_path / "people.csv").loc[predictions.index]
    np.testing.assert_array_equal(run.bundle().predict(raw)["prediction"], predictions["prediction"])


def test_without_them_nothing_about_decisions_changes(tmp_path: Path) -> None:
    spec = loaded(tmp_path)
    assert (spec.objective.decision, spec.objective.costs) == (None, None)
    tuned = loaded(tmp_path, "", POSITIVE % ", threshold: f1").objective.decision
    fixed = loaded(tmp_path, "", POSITIVE % ", threshold: 0.3, costs: {false_positive: 1, false_negative: 2}")
    assert (tuned, fixed.objective.decision) == (Threshold(metric="f1"), Threshold(value=0.3))


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("threshold: 1.5", "a threshold is a probability between 0 and 1, not 1.5"),
        ("threshold: {}", "a threshold is a `value`, or tuned for a `metric`: 0.3, or {metric: f1}"),
        ("threshold: cost", "a threshold for `cost` needs `costs: {false_positive: 1, false_negative: 5}`"),
        ("threshold: recall", "should be 'accuracy', 'balanced_accuracy', 'f1', 'mcc' or 'cost', not 'recall'"),
        ("costs: {false_positive: 1}", "a false negative must cost more than a true positive"),
        ("costs: {false_negative: 1, true_negative: 2}", "a false positive must cost more than a true negative"),
        ("metric: cost", "candidates are not ranked by cost: rank by another metric; `costs` sets the threshold"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(more: str, problem: str, tmp_path: Path) -> None:
    lines = found(tmp_path, "", POSITIVE % f", {more}")
    assert [line for line in lines if line.endswith(problem)], lines


def test_two_classes_are_needed_one_of_them_of_interest(tmp_path: Path) -> None:
    lines = found(tmp_path, "", "objective={predict: bought, task: classification, threshold: f1}")
    assert lines[0].endswith("`threshold` is for a target with two classes: name the class of interest as `positive`")
    assert found(tmp_path, "gates: [cost <= 1]\n") == [
        "3:9: the metric cost needs `objective: {costs: {false_positive: 1, false_negative: 5}}`"
    ]


def test_the_report_draws_the_curve(tmp_path: Path) -> None:
    threshold = chosen(case(tmp_path, "binary"), threshold=Threshold(metric="mcc")).ranking.threshold
    chart = threshold_chart(threshold)
    assert chart is not None
    assert "tuned for mcc on" in chart.told
    assert threshold_chart(threshold.model_copy(update={"curve": None})) is None

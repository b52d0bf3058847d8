"""The champion on the test rows: what scikit-learn says of the same model, and what a reader needs beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from orchestrator.contracts.documents.evaluation import Evaluation
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.evaluation import EvaluateParams
from orchestrator.contracts.values import canonical
from tests.unit.evaluation_samples import frame_of, objective, preparation_of, rows_of
from workers.evaluation.evaluate import EvaluateOutputs, evaluate

RNG = np.random.default_rng(11)
FEATURES = RNG.normal(size=(400, 4))
SIGNAL = FEATURES[:, 0] * 2 + FEATURES[:, 1] + RNG.normal(size=400) * 0.8
TEST = np.arange(400) % 4 == 0
YES_NO = ["Yes" if value > 0 else "No" for value in SIGNAL]
THREE = [int(value) for value in np.digitize(SIGNAL, [-1, 1])]


def run(target: list, model: object, metric: str, positive: object = None, **roles: object) -> EvaluateOutputs:
    frame = frame_of(FEATURES, target)
    for name, column in roles.items():
        frame[f"__{name}__"] = column
    rows = rows_of(frame, TEST)
    classes = () if isinstance(target[0], float) else tuple(sorted(set(target)))
    preparation = preparation_of(frame, classes, positive)  # type: ignore[arg-type]
    named = [column.name for column in preparation.features]
    model.fit(frame.loc[~TEST, named], frame.loc[~TEST, "__target__"])  # type: ignore[attr-defined]
    goal = objective(metric, classes=bool(classes), positive=positive)  # type: ignore[arg-type]
    params = EvaluateParams(objective=goal, resamples=200)
    return evaluate(model, frame, rows, preparation, params=params)  # type: ignore[arg-type]


@pytest.mark.parametrize("positive", ["Yes", "No"])
def test_a_binary_model_gets_scikit_learns_scores_whichever_class_is_positive(positive: str) -> None:
    model = LogisticRegression()
    found = run(YES_NO, model, "roc_auc", positive).evaluation
    test = pd.DataFrame(FEATURES, columns=[f"f{i}" for i in range(4)])[TEST]
    truth = np.array(YES_NO)[TEST]
    probability = model.predict_proba(test)[:, list(model.classes_).index(positive)]
    expected = {
        "roc_auc": metrics.roc_auc_score(truth == positive, probability),
        "average_precision": metrics.average_precision_score(truth == positive, probability),
        "f1": metrics.f1_score(truth, model.predict(test), pos_label=positive),
        "log_loss": metrics.log_loss(truth, model.predict_proba(test)),
        "brier": metrics.brier_score_loss(truth == positive, probability),
        "mcc": metrics.matthews_corrcoef(truth, model.predict(test)),
    }
    assert {name: found.metrics[name].value for name in expected} == pytest.approx(expected, rel=1e-9)
    assert np.array(found.confusion).sum() == found.rows == TEST.sum()
    assert found.confusion == tuple(
        map(tuple, metrics.confusion_matrix(truth, model.predict(test), labels=["No", "Yes"]))
    )
    assert found.dummy["roc_auc"] == 0.5
    majority = max(set(YES_NO), key=[name for name, out in zip(YES_NO, TEST, strict=True) if not out].count)
    assert found.dummy["accuracy"] == pytest.approx((truth == majority).mean())


def test_evidence_is_the_same_bytes_each_time_and_holds_no_nan() -> None:
    first, second = (run(YES_NO, LogisticRegression(), "roc_auc", "Yes") for _ in range(2))
    assert canonical(first.evaluation.model_dump(mode="json")) == canonical(second.evaluation.model_dump(mode="json"))
    assert Evaluation.model_validate_json(first.evaluation.model_dump_json()) == first.evaluation
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    assert (first.evaluation.classes, first.evaluation.positive) == (("No", "Yes"), "Yes")  # as the data has them


def test_curves_are_short_and_reach_both_ends() -> None:
    curves = run(YES_NO, LogisticRegression(), "roc_auc", "Yes").evaluation.curves
    assert set(curves) == {"roc", "precision_recall", "gains", "calibration", "calibration_rows"}
    assert all(len(curve.x) == len(curve.y) <= 200 for curve in curves.values())
    assert (curves["roc"].x[0], curves["roc"].y[0], curves["roc"].x[-1], curves["roc"].y[-1]) == (0, 0, 1, 1)
    assert sum(curves["calibration_rows"].y) == TEST.sum()


def test_importance_names_the_columns_that_the_model_leans_on_and_omits_none() -> None:
    found = run(YES_NO, LogisticRegression(), "log_loss", "Yes").evaluation
    assert [one.feature for one in found.importance[:2]] == ["f0", "f1"]
    assert {one.feature for one in found.importance} == {"f0", "f1", "f2", "f3"}
    assert found.importance[0].mean > 0
    assert "on all test rows" in found.notes[-1]


def test_a_model_without_probabilities_is_ranked_by_its_decision_function() -> None:
    model = LinearSVC()
    outputs = run(YES_NO, model, "roc_auc", "No")
    test = pd.DataFrame(FEATURES, columns=[f"f{i}" for i in range(4)])[TEST]
    expected = metrics.roc_auc_score(np.array(YES_NO)[TEST] == "No", -model.decision_function(test))
    assert outputs.evaluation.metrics["roc_auc"].value == pytest.approx(expected, rel=1e-9)
    assert outputs.evaluation.metrics["log_loss"].note == "the model gives no probabilities"
    assert "probability_0" not in outputs.predictions
    assert "roc" in outputs.evaluation.curves


def test_multiclass_scores_are_scikit_learns() -> None:
    model = RandomForestClassifier(n_estimators=20, random_state=0)
    outputs = run(THREE, model, "f1_macro")
    test = pd.DataFrame(FEATURES, columns=[f"f{i}" for i in range(4)])[TEST]
    truth = np.array(THREE)[TEST]
    expected = {
        "f1_macro": metrics.f1_score(truth, model.predict(test), average="macro"),
        "roc_auc_ovr": metrics.roc_auc_score(truth, model.predict_proba(test), multi_class="ovr"),
        "log_loss": metrics.log_loss(truth, model.predict_proba(test)),
    }
    found = outputs.evaluation.metrics
    assert {name: found[name].value for name in expected} == pytest.approx(expected, rel=1e-9)
    assert outputs.evaluation.classes == (0, 1, 2)
    assert [name for name in outputs.predictions if name.startswith("prob")] == [f"probability_{i}" for i in range(3)]


def test_regression_scores_are_scikit_learns() -> None:
    model = LinearRegression()
    found = run([float(value) for value in SIGNAL], model, "rmse").evaluation
    test = pd.DataFrame(FEATURES, columns=[f"f{i}" for i in range(4)])[TEST]
    assert found.metrics["rmse"].value == pytest.approx(
        metrics.root_mean_squared_error(SIGNAL[TEST], model.predict(test)), rel=1e-9
    )
    mean = np.full(TEST.sum(), SIGNAL[~TEST].mean())
    assert found.dummy["rmse"] == pytest.approx(metrics.root_mean_squared_error(SIGNAL[TEST], mean), rel=1e-9)
    assert set(found.curves) == {"residuals", "predicted"}
    assert found.confusion == ()


def test_a_class_that_only_test_rows_have_counts_against_the_model() -> None:
    target = [2 if out and index % 40 == 0 else int(value > 0) for index, (value, out) in enumerate(zip(SIGNAL, TEST, strict=True))]  # fmt: skip  # noqa: E501
    frame = frame_of(FEATURES, target)
    preparation = preparation_of(frame, (0, 1, 5))
    model = LogisticRegression().fit(frame.loc[~TEST, ["f0", "f1", "f2", "f3"]], frame.loc[~TEST, "__target__"])
    params = EvaluateParams(objective=objective("accuracy"), resamples=100)
    found = evaluate(model, frame, rows_of(frame, TEST), preparation, params=params).evaluation
    assert found.classes == (0, 1, 5, 2)
    assert sum(found.confusion[3]) == 10
    assert found.metrics["roc_auc_ovr"].value is None
    assert any("in test rows only" in note for note in found.notes)


def test_weights_count() -> None:
    heavy = np.where(SIGNAL > 0, 3.0, 1.0)
    model = LogisticRegression()
    found = run(YES_NO, model, "accuracy", "Yes", weight=heavy).evaluation
    test = pd.DataFrame(FEATURES, columns=[f"f{i}" for i in range(4)])[TEST]
    expected = metrics.accuracy_score(np.array(YES_NO)[TEST], model.predict(test), sample_weight=heavy[TEST])
    assert found.metrics["accuracy"].value == pytest.approx(expected, rel=1e-9)
    assert found.metrics["accuracy"].method == "mid-p on effective counts"
    assert sum(map(sum, found.confusion)) == TEST.sum()


def test_groups_widen_the_interval_and_are_told_of() -> None:
    groups = np.repeat(np.arange(40), 10)
    found = run(YES_NO, LogisticRegression(), "accuracy", "Yes", group=groups).evaluation
    assert found.metrics["roc_auc"].method == "newcombe and placements"
    assert any("40 groups" in note for note in found.notes)


def test_a_split_in_time_is_judged_in_the_order_of_time() -> None:
    order = RNG.permutation(400)
    frame = frame_of(FEATURES, [float(value) for value in SIGNAL]).assign(__time__=order)
    rows = rows_of(frame, order >= 300).assign(order=order)
    model = LinearRegression().fit(frame.loc[order < 300, ["f0"]], frame.loc[order < 300, "__target__"])
    preparation = preparation_of(frame[["f0"]], ())
    params = EvaluateParams(objective=objective("mae", classes=False), resamples=100)
    outputs = evaluate(model, frame, rows, preparation, params=params)
    assert rows.loc[outputs.predictions.index, "order"].is_monotonic_increasing
    assert any("blocks of 10 rows" in note for note in outputs.evaluation.notes)


def test_no_test_row_is_an_error_of_the_data() -> None:
    frame = frame_of(FEATURES, YES_NO)  # type: ignore[arg-type]
    params = EvaluateParams(objective=objective("accuracy"))
    with pytest.raises(DataError, match="no test row has a target"):
        evaluate(LogisticRegression(), frame, rows_of(frame, TEST & False), preparation_of(frame, ("No", "Yes")), params=params)  # fmt: skip  # noqa: E501

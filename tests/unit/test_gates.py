"""Gates: judged on the safe end; what is undefined or cannot be told does not pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from orchestrator.contracts.documents.evaluation import Evaluation, Verdict
from orchestrator.contracts.evaluation import BeatsGate, EvaluateParams, GatesParams, MetricGate, NotWorseGate
from orchestrator.contracts.values import canonical
from tests.unit.evaluation_samples import frame_of, objective, preparation_of, ranked, rows_of
from workers.evaluation.differences.gain import difference
from workers.evaluation.evaluate import evaluate
from workers.evaluation.exact import clopper_pearson
from workers.evaluation.gates.verdicts import gates

RNG = np.random.default_rng(23)
FEATURES = RNG.normal(size=(500, 3))
SIGNAL = FEATURES[:, 0] * 1.5 + RNG.normal(size=500)
TEST = np.arange(500) % 5 == 0
Case = tuple[Evaluation, pd.DataFrame, pd.DataFrame, pd.DataFrame]


def case(target: list, model: object, metric: str = "accuracy") -> Case:
    frame, classes = frame_of(FEATURES, target), () if isinstance(target[0], float) else (0, 1)
    rows, features = rows_of(frame, TEST), frame[["f0", "f1", "f2"]]
    model.fit(features[~TEST], frame.loc[~TEST, "__target__"])  # type: ignore[attr-defined]
    params = EvaluateParams(objective=objective(metric, classes=bool(classes), positive=1), resamples=300)
    found = evaluate(model, frame, rows, preparation_of(frame, classes, 1 if classes else None), params=params)  # type: ignore[arg-type]
    return found.evaluation, found.predictions, frame, rows


def verdicts(
    given: Case, *asked: MetricGate | BeatsGate | NotWorseGate, metric: str = "accuracy"
) -> tuple[Verdict, ...]:
    goal = objective(metric, classes=given[0].kind != "regression", positive=1)
    found = gates(*given, params=GatesParams(gates=asked, objective=goal, resamples=300)).verdicts
    assert found.passed == all(one.passed for one in found.verdicts)
    canonical(found.model_dump(mode="json"))
    return found.verdicts


CLASSES = case([int(value > 0) for value in SIGNAL], LogisticRegression())
VALUES = case([float(value) for value in SIGNAL], LinearRegression(), "rmse")


def at_least(metric: str, bound: float, confidence: float = 0.95) -> MetricGate:
    return MetricGate(text=f"{metric} >= {bound}", metric=metric, at_least=bound, confidence=confidence)


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "f1"])
def test_a_lower_bound_is_judged_on_the_lower_end(metric: str) -> None:
    interval = CLASSES[0].metrics[metric]
    assert interval.value is not None
    assert interval.low is not None
    safe = verdicts(CLASSES, at_least(metric, 0.5))[0].evidence["low"]
    assert safe < interval.low  # which holds the truth as often as it says, but not at every true value
    between = (safe + interval.value) / 2
    refused, kept = verdicts(CLASSES, at_least(metric, between), at_least(metric, safe))
    assert (refused.passed, kept.passed) == (False, True)
    assert refused.evidence["low"] == safe
    assert "the lower end of its 95 % interval" in refused.sentence
    assert "but at least" in refused.sentence


def test_an_error_is_judged_on_the_upper_end() -> None:
    interval = VALUES[0].metrics["rmse"]
    assert interval.value is not None
    assert interval.high is not None
    bounds = ((interval.high + interval.value) / 2, interval.high)
    asked = [MetricGate(text=f"rmse <= {bound}", metric="rmse", at_most=bound) for bound in bounds]
    refused, kept = verdicts(VALUES, *asked, metric="rmse")
    assert (refused.passed, kept.passed) == (False, True)
    assert "upper end" in refused.sentence


def test_a_gate_with_its_own_confidence_is_judged_on_its_own_interval() -> None:
    ends = [verdicts(CLASSES, at_least("accuracy", 0.5, level))[0].evidence for level in (0.8, 0.95, 0.999)]
    assert ends[0]["low"] > ends[1]["low"] > ends[2]["low"]
    rows, right = CLASSES[0].rows, CLASSES[0].metrics["accuracy"].value or 0.0
    assert ends[1]["low"] == pytest.approx(clopper_pearson(right * rows, rows, 0.05)[0])
    assert [end["confidence"] for end in ends] == [0.8, 0.95, 0.999]


def test_an_undefined_metric_does_not_pass() -> None:
    always_no = case([int(value > 0) for value in SIGNAL], DummyClassifier(strategy="constant", constant=0))
    precision, wrong_kind = verdicts(always_no, at_least("precision", 0.0), at_least("r2", 0.0))
    assert not precision.passed
    assert "no row was predicted positive" in precision.sentence
    assert not wrong_kind.passed


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "log_loss", "f1", "mcc"])
def test_a_real_model_beats_the_dummy_and_the_dummy_does_not(metric: str) -> None:
    (found,) = verdicts(CLASSES, BeatsGate(text="beats: dummy", beats="dummy"), metric=metric)
    assert found.passed, found.sentence
    assert found.evidence["low"] > 0
    dummy = case([int(value > 0) for value in SIGNAL], DummyClassifier(strategy="prior"))
    (refused,) = verdicts(dummy, BeatsGate(text="beats: dummy", beats="dummy"), metric=metric)
    assert not refused.passed, refused.sentence


@pytest.mark.parametrize(
    "gate",
    [
        BeatsGate(text="b", beats="production", margin=0.9),
        NotWorseGate(text="n", not_worse_than="production", margin=0.9),
    ],
)
def test_the_first_release_must_beat_the_dummy(gate: BeatsGate | NotWorseGate) -> None:
    (found,) = verdicts(CLASSES, gate)
    assert found.passed
    assert found.evidence["first_release"] is True
    assert (found.evidence["against"], found.evidence["bound"]) == ("dummy", 0)
    assert found.sentence.startswith("nothing is in production yet")
    dummy = case([int(value > 0) for value in SIGNAL], DummyClassifier(strategy="prior"))
    assert not verdicts(dummy, gate)[0].passed


def test_a_regressor_beats_the_mean_on_an_error_that_falls() -> None:
    (found,) = verdicts(VALUES, BeatsGate(text="beats: dummy", beats="dummy"), metric="rmse")
    assert found.passed
    assert found.evidence["mine"] < found.evidence["theirs"]


def test_chance_seldom_beats_the_dummy() -> None:
    """Twenty models of noise: at 97.5 % one-sided, more than three would be a sign of certainty that is not there."""
    passed = 0
    for seed in range(20):
        noise = np.random.default_rng(seed).integers(0, 2, 500).tolist()
        (found,) = verdicts(case(noise, LogisticRegression()), BeatsGate(text="b", beats="dummy"), metric="roc_auc")
        passed += found.passed
    assert passed <= 3


def test_a_clear_cut_sample_of_few_rows_is_held_against_the_safe_end() -> None:
    frame = frame_of(np.arange(40.0)[:, None] % 20, [int(index % 20 >= 10) for index in range(40)])
    test = (np.arange(40) % 20 < 2) | (np.arange(40) % 20 >= 18)  # two rows of each class, twice
    rows = rows_of(frame, test)
    model = LogisticRegression().fit(frame.loc[~test, ["f0"]], frame.loc[~test, "__target__"])
    params = EvaluateParams(objective=objective("roc_auc", positive=1), resamples=300)
    found = evaluate(model, frame, rows, preparation_of(frame, (0, 1), 1), params=params)
    assert found.evaluation.metrics["roc_auc"].value == 1
    given = (found.evaluation, found.predictions, frame, rows)
    (verdict,) = verdicts(given, BeatsGate(text="beats: dummy", beats="dummy"), metric="roc_auc")
    assert not verdict.passed, verdict.sentence


def test_the_paired_difference_in_accuracy_is_exact_on_rows_where_answers_differ() -> None:
    mine = ranked(np.random.default_rng(0), 200)
    worse = mine.answered(np.where(np.arange(200) < 30, 1 - mine.truth, mine.prediction), mine.probabilities)
    options = {"confidence": 0.95, "resamples": 200, "seed": 0}
    found = difference("accuracy", mine, worse, **options)  # type: ignore[arg-type]
    assert found.low is not None
    assert found.low > 0
    assert (difference("accuracy", mine, mine, **options).low or 0) < 0  # type: ignore[arg-type]


def test_a_margin_must_be_gained_and_not_only_something() -> None:
    known = verdicts(CLASSES, BeatsGate(text="b", beats="dummy"))[0].evidence
    asked = [
        BeatsGate(text="b", beats="dummy", margin=margin) for margin in (known["low"] - 0.001, known["low"] + 0.001)
    ]
    kept, refused = verdicts(CLASSES, *asked)
    assert (kept.passed, refused.passed) == (True, False)
    assert kept.evidence["bound"] == asked[0].margin
    assert "does not show that it is better by more than" in refused.sentence
    assert kept.evidence["alpha"] == 0.025

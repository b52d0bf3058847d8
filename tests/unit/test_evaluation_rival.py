"""`beats: NAME@V`: both models on rows that neither has trained on; where that cannot be told, it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.contracts.documents.evaluation import Verdict
from orchestrator.contracts.evaluation import BeatsGate, EvaluateParams, GatesParams, NotWorseGate
from tests.unit.bundle_case import OBJECTIVE, VALUE, Flow
from workers.evaluation.evaluate import evaluate
from workers.evaluation.gates.verdicts import gates

GATE = BeatsGate(text="beats: churn@1", beats="churn@1")
LATER = np.arange(160) >= 80


def split(flow: Flow, test: np.ndarray) -> pd.DataFrame:
    """Rows as `data.split` leaves them; an identity for each source row."""
    position = flow.frame.index.to_numpy()
    return pd.DataFrame(
        {"identity": position.astype(np.uint64), "part": np.where(test[position], "test", "train"), "order": position},
        index=flow.frame.index,
    )


def judged(
    flow: Flow,
    *,
    bundle: Path | None,
    rival_rows: pd.DataFrame | None,
    test: np.ndarray = LATER,
    gate: BeatsGate | NotWorseGate = GATE,
) -> Verdict:
    """The gate on a champion that is fitted on all rows that are not held back."""
    rows = split(flow, test)
    names = [column.name for column in flow.preparation.features]
    train = flow.frame.loc[rows.index[rows["part"] == "train"]]
    model = flow.model.fit(train[names], train["__target__"].to_numpy())
    found = evaluate(model, flow.frame, rows, flow.preparation, params=EvaluateParams(objective=flow.objective))
    params = GatesParams(gates=(gate,), objective=flow.objective, resamples=400, live="churn@4")
    table = flow.source if bundle else None
    halves = pd.DataFrame({"half": np.where(flow.frame.index < 120, "early", "late")}, index=flow.frame.index)
    given = (found.evaluation, found.predictions, flow.frame, rows, table, bundle, rival_rows, halves)
    outputs = gates(*given, params=params)
    return outputs.verdicts.verdicts[0]


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    return Flow(tmp_path_factory.mktemp("flow"))


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rival that answers by chance alone."""
    return Flow(tmp_path_factory.mktemp("poor"), estimator="sklearn.dummy.DummyClassifier").package().bundle


def test_a_better_model_beats_a_poor_rival_on_rows_that_neither_saw(flow: Flow, poor: Path) -> None:
    verdict = judged(flow, bundle=poor, rival_rows=split(flow, LATER))
    assert verdict.passed, verdict.sentence
    assert verdict.evidence["theirs"] == pytest.approx(0.5)
    assert verdict.evidence["rows"] == verdict.evidence["test_rows"]
    assert "churn@1" in verdict.sentence


def test_the_rows_that_the_rival_trained_on_are_left_out(flow: Flow, poor: Path) -> None:
    trained = split(flow, np.arange(160) >= 110)
    verdict = judged(flow, bundle=poor, rival_rows=trained)
    shared = int((flow.frame.index >= 110).sum())
    assert verdict.evidence["rows"] == shared < verdict.evidence["test_rows"]


def test_rows_like_those_of_our_own_training_are_left_out_too(flow: Flow, poor: Path) -> None:
    rival_rows = split(flow, LATER)
    first = judged(flow, bundle=poor, rival_rows=rival_rows)
    twin = rival_rows.assign(identity=(rival_rows["identity"] % 80 + 80).astype(np.uint64))
    second = judged(flow, bundle=poor, rival_rows=twin)
    assert first.evidence["rows"] > 0
    assert second.evidence["inconclusive"]
    assert not second.passed


def test_too_few_shared_rows_are_inconclusive_and_refuse(flow: Flow, poor: Path) -> None:
    verdict = judged(flow, bundle=poor, rival_rows=split(flow, np.arange(160) >= 140))
    assert not verdict.passed
    assert verdict.evidence["inconclusive"] is True
    assert verdict.evidence["rows"] < 30
    assert "30 that neither version has trained on are needed" in verdict.sentence


def test_a_model_does_not_beat_itself(flow: Flow, tmp_path: Path) -> None:
    rows = split(flow, LATER)
    names = [column.name for column in flow.preparation.features]
    flow.model.fit(flow.frame.loc[rows["part"] == "train", names], flow.frame.loc[rows["part"] == "train", "__target__"].to_numpy())  # fmt: skip  # noqa: E501
    flow.predictions = flow.predict()
    verdict = judged(flow, bundle=flow.package().bundle, rival_rows=rows)
    assert not verdict.passed
    assert verdict.evidence["difference"] == pytest.approx(0)
    assert "inconclusive" not in verdict.evidence


def test_a_rival_that_answers_another_question_is_inconclusive(flow: Flow, tmp_path: Path) -> None:
    other = Flow(tmp_path, objective=VALUE, estimator="sklearn.linear_model.Ridge").package().bundle
    verdict = judged(flow, bundle=other, rival_rows=split(flow, LATER))
    assert not verdict.passed
    assert "of another kind" in verdict.sentence


def test_a_rival_whose_columns_are_gone_is_inconclusive(flow: Flow, poor: Path) -> None:
    source = flow.source
    flow.source = source.drop(columns=["Charge"])
    try:
        verdict = judged(flow, bundle=poor, rival_rows=split(flow, LATER))
    finally:
        flow.source = source
    assert not verdict.passed
    assert "Charge" in verdict.sentence


def test_a_rival_that_is_not_at_hand_refuses(flow: Flow) -> None:
    verdict = judged(flow, bundle=None, rival_rows=None)
    assert not verdict.passed
    assert "was not at hand" in verdict.sentence


def test_values_are_compared_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    flow = Flow(tmp_path_factory.mktemp("mine"), objective=VALUE, estimator="sklearn.linear_model.Ridge")
    rival = Flow(tmp_path_factory.mktemp("rival"), objective=VALUE, estimator="sklearn.dummy.DummyRegressor")
    poor = rival.package().bundle
    verdict = judged(flow, bundle=poor, rival_rows=split(flow, LATER))
    assert verdict.evidence["metric"] == "rmse"
    assert verdict.evidence["low"] < verdict.evidence["difference"] < verdict.evidence["high"]


def test_a_binary_rival_with_a_decision_function_is_ranked_by_it(flow: Flow, tmp_path: Path) -> None:
    bundle = Flow(tmp_path, estimator="sklearn.svm.LinearSVC").package().bundle
    verdict = judged(flow, bundle=bundle, rival_rows=split(flow, LATER))
    assert verdict.evidence["theirs"] is not None
    assert OBJECTIVE.metric == verdict.evidence["metric"] == "roc_auc"


def test_a_model_is_not_worse_than_itself_by_a_margin_that_the_rows_can_show(flow: Flow, tmp_path: Path) -> None:
    rows = split(flow, LATER)
    names = [column.name for column in flow.preparation.features]
    train = flow.frame.loc[rows["part"] == "train"]
    flow.model.fit(train[names], train["__target__"].to_numpy())
    flow.predictions = flow.predict()
    bundle = flow.package().bundle
    asked = [NotWorseGate(text="n", not_worse_than="churn@1", margin=margin) for margin in (0.5, 0.01)]
    wide, narrow = (judged(flow, bundle=bundle, rival_rows=rows, gate=gate) for gate in asked)
    assert wide.passed, wide.sentence
    assert wide.evidence["bound"] == -0.5
    assert "so it is worse by less than 0.5" in wide.sentence
    assert not narrow.passed, narrow.sentence


def test_too_few_shared_rows_do_not_show_that_it_is_not_worse(flow: Flow, poor: Path) -> None:
    gate = NotWorseGate(text="n", not_worse_than="churn@1", margin=0.4)
    verdict = judged(flow, bundle=poor, rival_rows=split(flow, np.arange(160) >= 140), gate=gate)
    assert not verdict.passed
    assert verdict.evidence["inconclusive"] is True
    assert "not worse than churn@1" in verdict.sentence


def test_the_evidence_names_the_version_that_was_in_production(flow: Flow, poor: Path) -> None:
    gate = BeatsGate(text="beats: production", beats="production")
    verdict = judged(flow, bundle=poor, rival_rows=split(flow, LATER), gate=gate)
    assert verdict.passed, verdict.sentence
    assert verdict.evidence["against"] == "churn@4"
    assert "of churn@4 on" in verdict.sentence
    assert "first_release" not in verdict.evidence


def test_not_worse_on_a_slice_is_judged_on_the_shared_rows_of_the_slice(flow: Flow, poor: Path) -> None:
    rows = split(flow, LATER)
    one = NotWorseGate(text="n", not_worse_than="churn@1", margin=0.3, slice="half=early")
    each = NotWorseGate(text="n", not_worse_than="churn@1", margin=0.3, slices="half")
    early = judged(flow, bundle=poor, rival_rows=rows, gate=one)
    both = judged(flow, bundle=poor, rival_rows=rows, gate=each)
    count = int(((flow.frame.index >= 80) & (flow.frame.index < 120)).sum())
    assert early.evidence["rows"] == early.evidence["test_rows"] == count
    assert early.passed, early.sentence
    assert set(both.evidence["slices"]) == {"half=early", "half=late"}
    fewer = judged(flow, bundle=poor, rival_rows=split(flow, np.arange(160) >= 100), gate=one)
    assert fewer.evidence["inconclusive"] is True

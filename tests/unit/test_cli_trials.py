"""Trials as rows, picked and put in order as a person asks."""

from __future__ import annotations

import pytest

from orchestrator.cli.choosing import choose, order
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import RunRecord, StageError, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.evidence import Evidence
from orchestrator.report.trials import trial_rows, with_warnings
from tests.unit.report_case import TRIALS, Kept, ranking


def searched(kept: Kept, *, ranked: bool = True) -> Evidence:
    """Three trials that were scored and one that ran out of memory."""
    stages = [
        StageRecord(
            id=f"train[{one.candidate}#{one.index}]", task="train.trial", queue="train", state=StageState.DONE,
            params={"candidate": one.candidate, "index": one.index, "params": one.params}, seconds=1.0 + place,
            outputs={"result": kept.put(one)},
            measured={"fit_seconds": 0.5 * (3 - place), "score_seconds": 0.1, "peak_memory_mb": 300.0 + place},
        )
        for place, one in enumerate(TRIALS)
    ]  # fmt: skip
    error = StageError(family="memory", message="it took more than 100 MB")
    lost = StageRecord(
        id="train[svc#2]", task="train.trial", queue="train", state=StageState.FAILED, error=error,
        params={"candidate": "svc", "index": 2, "params": {"C": 100.0, "kernel": "poly"}}, seconds=9.0,
    )  # fmt: skip
    state = StageState.DONE if ranked else StageState.WAITING
    outputs = {"ranking": kept.put(ranking())} if ranked else {}
    select = StageRecord(id="select", task="train.select", queue="train", state=state, outputs=outputs)
    record = RunRecord(
        run="x-1", workflow="x", status=RunStatus.SUCCEEDED, created=0.0, plan_digest="sha256:0", plan_version=1,
        stages=(*stages, lost, select),
    )  # fmt: skip
    return Evidence(record, kept.read)


def names(rows) -> list[str]:
    return [f"{row['candidate']}#{row['index']}" for row in rows]


@pytest.mark.parametrize("ranked", [True, False])
def test_a_row_has_scores_cost_warnings_and_the_error_of_a_trial_that_failed(ranked):
    evidence = searched(Kept(), ranked=ranked)
    rows = with_warnings(trial_rows(evidence), evidence)
    assert names(rows) == ["logistic_regression#2", "svc#1", "logistic_regression#1", "svc#2"]
    best, second, _, failed = rows
    assert (best["rank"], best["score"], best["std"], best["scores"]) == (1, 0.994, 0.01, [0.984, 1.004])
    assert (best["fit_s"], best["score_s"], best["memory_mb"], best["seconds"]) == (1.0, 0.1, 301.0, 2.0)
    assert (best["stage"], best["warnings"]) == ("train[logistic_regression#2]", [])
    assert second["warnings"] == ["did not converge"]
    assert (failed["rank"], failed["score"], failed["status"]) == (None, None, "failed")
    assert (failed["error"], failed["warnings"]) == ("it took more than 100 MB", [])


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["candidate=svc"], ["svc#1", "svc#2"]),
        (["candidate!=svc"], ["logistic_regression#2", "logistic_regression#1"]),
        (["score>0.98", "candidate = svc"], ["svc#1"]),
        (["score>=0.994"], ["logistic_regression#2"]),
        (["C<=10"], ["svc#1", "logistic_regression#1"]),
        (["params.C==1e2"], ["logistic_regression#2", "svc#2"]),
        (["kernel=poly"], ["svc#2"]),
        (["status=failed"], ["svc#2"]),
        (["rank=none"], ["svc#2"]),
        (["fit_s<1.5", "memory_mb > 301"], ["svc#1"]),
    ],
)
def test_conditions_choose(conditions, expected):
    assert names(choose(trial_rows(searched(Kept())), conditions)) == expected


def test_rows_are_put_in_order_by_any_value_and_those_without_it_stand_last():
    rows = trial_rows(searched(Kept()))
    assert names(order(rows, "fit_s", descending=True)) == [
        "logistic_regression#1", "logistic_regression#2", "svc#1", "svc#2",
    ]  # fmt: skip
    assert names(order(rows, "fit_s", descending=False))[0] == "svc#1"
    assert names(order(rows, "fit_s", descending=False))[-1] == "svc#2"
    assert names(order(rows, "C", descending=False))[0] == "svc#1"
    assert names(order(rows, "candidate", descending=True))[:2] == ["svc#1", "svc#2"]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("scor>0.8", "--where scor: no trial has that (did you mean 'score'?)"),
        ("score", "write NAME, one of = != < <= > >=, and a value"),
        ("score>high", "> compares with a number, and 'high' is none"),
    ],
)
def test_a_condition_that_means_nothing_is_refused_in_one_line(condition, words):
    with pytest.raises(InvalidInput) as refused:
        choose(trial_rows(searched(Kept())), [condition])
    assert words in str(refused.value)


def test_an_order_that_means_nothing_is_refused_too():
    with pytest.raises(InvalidInput, match="--sort fit: no trial has that"):
        order(trial_rows(searched(Kept())), "fit", descending=False)


def test_a_run_without_trials_has_no_rows_to_choose_from():
    assert choose([], ["score>0.8"]) == []

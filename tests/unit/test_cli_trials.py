"""Trials as rows, picked and put in order as a person asks."""

from __future__ import annotations

import pytest

from orchestrator.cli.choosing import choose, order
from orchestrator.cli.output import Output
from orchestrator.cli.trials import resource_of, show_rows
from orchestrator.contracts.documents.training import RankedTrial, TrialResult
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import RunRecord, StageError, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.training import Rung
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


def halved(kept: Kept, *, ranked: bool = True) -> Evidence:
    """Three settings at a tenth of the rows, the better one of the two that were fitted in full too."""
    low = Rung(number=0, of=2, share=0.1, amount=0.1)
    full = Rung(number=1, of=2, share=1.0, amount=1.0)

    def given(index: int, rung: Rung) -> dict[str, object]:
        return {"candidate": "svc", "index": index, "params": {"C": 10.0**index}, "rung": rung}

    def scored(index: int, rung: Rung, mean: float) -> TrialResult:
        return TrialResult(**given(index, rung), estimator="x.Y", metric="roc_auc", scores=(mean,), mean=mean, std=0.0)

    results = [scored(1, low, 0.7), scored(2, low, 0.95), scored(2, full, 0.9)]
    stages = [
        StageRecord(
            id=f"train[svc#{one.index}.{one.rung.number}]", task="train.trial", queue="train", state=StageState.DONE,
            params=given(one.index, one.rung) | {"rung": one.rung.model_dump()}, seconds=1.0 + place,
            outputs={"result": kept.put(one)},
        )
        for place, one in enumerate(results) if one.rung
    ]  # fmt: skip
    error = StageError(family="memory", message="it took more than 100 MB")
    lost = StageRecord(
        id="train[svc#3.0]", task="train.trial", queue="train", state=StageState.FAILED, error=error,
        params=given(3, low) | {"rung": low.model_dump()},
    )  # fmt: skip
    places = (RankedTrial(rank=1, **given(2, full), mean=0.9, std=0.0, scores=(0.9,)),)
    stopped = (RankedTrial(rank=2, **given(1, low), mean=0.7, std=0.0, scores=(0.7,)),)
    chosen = ranking().model_copy(update={"trials": places, "champion": places[0], "stopped": stopped})
    outputs = {"ranking": kept.put(chosen)} if ranked else {}
    state = StageState.DONE if ranked else StageState.WAITING
    select = StageRecord(id="select", task="train.select", queue="train", state=state, outputs=outputs)
    record = RunRecord(
        run="x-1", workflow="x", status=RunStatus.RUNNING, created=0.0, plan_digest="sha256:0", plan_version=1,
        stages=(*stages, lost, select),
    )  # fmt: skip
    return Evidence(record, kept.read)


@pytest.mark.parametrize("ranked", [True, False])
def test_trials_of_a_halving_search_are_told_apart_by_their_rung(ranked):
    rows = trial_rows(halved(Kept(), ranked=ranked))
    assert [(one["rank"], one["stage"], one["seconds"], one["rung"]) for one in rows] == [
        (1, "train[svc#2.1]", 3.0, 1),
        (2, "train[svc#1.0]", 1.0, 0),
        (None, "train[svc#2.0]", 2.0, 0),
        (None, "train[svc#3.0]", None, 0),
    ]
    assert names(choose(rows, ["rung=0", "score>0"])) == ["svc#1", "svc#2"]
    assert names(choose(rows, ["share=1"])) == ["svc#2"]
    assert names(order(rows, "amount", descending=True))[0] == "svc#2"


def test_what_a_trial_was_given_is_said_in_words():
    best, stopped, *_ = trial_rows(halved(Kept()))
    assert [resource_of(one) for one in (best, stopped)] == ["rung 2/2: 100 % of rows", "rung 1/2: 10 % of rows"]
    assert resource_of(best | {"resource": "max_iter", "amount": 300.0}) == "rung 2/2: max_iter 300"
    assert resource_of({"score": 0.9}) == ""


def test_a_trial_that_failed_is_named_once(capsys):
    error = "candidate svc#2 (C=100) failed on fold 1: ValueError: no"
    rows = [
        row | {"error": error} for row in trial_rows(searched(Kept())) if row["candidate"] == "svc" and row["error"]
    ]
    show_rows(Output(as_json=False), with_warnings(rows, searched(Kept())), 1)
    assert "✗ svc#2: (C=100) failed on fold 1: ValueError: no" in capsys.readouterr().out

"""The end of a run and its live view, as people see them."""

from __future__ import annotations

import time

import pytest

from orchestrator.cli.comparing import short_value
from orchestrator.cli.left import Left, TimeLeft
from orchestrator.cli.live import Lines, tree
from orchestrator.cli.output import Output
from orchestrator.cli.summary import exit_code, next_commands, show_end, show_trials
from orchestrator.cli.words import ago, duration, interval, settings_of
from orchestrator.contracts.records import RunRecord, StageError, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.document import run_document
from tests.unit.report_case import Kept, record


def stage(identifier: str, state: str = "done", **changed) -> StageRecord:
    task = "train.trial" if identifier.startswith("train[") else f"task.{identifier}"
    if task == "train.trial":
        changed.setdefault("params", {"candidate": identifier[6:].partition("#")[0], "params": {"k": 1}})
    return StageRecord(id=identifier, task=task, queue="train", state=StageState(state), **changed)


def run(*stages: StageRecord, status: str = "running") -> RunRecord:
    return RunRecord(
        run="x-1", workflow="x", status=RunStatus(status), created=time.time(), plan_digest="sha256:0", plan_version=1,
        stages=stages,
    )  # fmt: skip


def failure(family: str) -> StageError:
    return StageError.model_validate({"family": family, "message": "it broke"})


@pytest.mark.parametrize(
    ("status", "code"), [("succeeded", 0), ("running", 0), ("refused", 3), ("held", 4), ("cancelled", 7)]
)
def test_the_exit_code_says_how_a_run_stands(status, code):
    assert exit_code(run(status=status)) == code


def test_data_at_fault_is_exit_2_and_any_other_failure_1():
    assert exit_code(run(stage("check", "failed", error=failure("data")), status="failed")) == 2
    assert exit_code(run(stage("enrich", "failed", error=failure("user")), status="failed")) == 1


def test_a_trial_that_a_search_bore_is_not_why_the_run_failed():
    borne = stage("train[a#1]", "failed", error=failure("data"))
    late = stage("package", "failed", error=failure("user"))
    failed = run(borne, stage("select"), late, status="failed")
    assert exit_code(failed) == 1
    assert next_commands(failed, {"champion": None}) == ["cyclery logs x-1 package", "cyclery retry x-1"]


def test_names_with_brackets_are_quoted_for_the_shell():
    failed = run(stage("train[a#1]", "failed", error=failure("user")), status="failed")
    assert next_commands(failed, {"champion": None})[0] == "cyclery logs x-1 'train[a#1]'"


def shown(capsys, kept, found, report=None) -> str:
    show_end(Output(as_json=False), found, run_document(found, kept.read, report))
    return capsys.readouterr().out


def test_a_success_shows_candidates_champion_gates_report_and_what_to_type(capsys):
    kept = Kept()
    text = shown(capsys, kept, record(kept), "/home/report.html")
    for words in (
        "cancer-7f3a succeeded in",
        "roc_auc",
        "95 %",
        "✓ ",
        "Report: /home/report.html",
        "Next: cyclery promote cancer@1",
    ):
        assert words in text, words


def test_settings_that_a_search_stopped_are_told_from_those_in_full(capsys):
    one = {"candidate": "ridge", "params": {}, "score": 0.5, "std": 0.0}
    show_trials(
        Output(as_json=False),
        [{**one, "rung": {"number": 2, "of": 3}}, {**one, "rung": {"number": 0, "of": 3}}],
        2,
        "w-1",
    )
    head, first, second = capsys.readouterr().out.strip().splitlines()
    assert head.split() == ["candidate", "rung", "score", "folds", "parameters"]
    assert (first.split()[2], second.split()[2]) == ("3/3", "1/3")
    show_trials(Output(as_json=False), [one], 1, "w-1")
    assert "rung" not in capsys.readouterr().out


def test_a_refusal_names_the_gate_and_a_failure_its_log(capsys):
    kept = Kept()
    assert "✗ " in shown(capsys, kept, record(kept, status=RunStatus.REFUSED, passed=False))
    failed = record(
        kept, status=RunStatus.FAILED, upto="check",
        states={"prepare": StageState.FAILED},
        errors={"prepare": StageError(family="user", message="ValueError: no", frames=("clean.py:3 in tidy: raise",))},
    )  # fmt: skip
    text = shown(capsys, kept, failed)
    assert "prepare: ValueError: no" in text
    assert "clean.py:3 in tidy" in text
    assert "Next: cyclery logs cancer-7f3a prepare" in text
    assert "Next: cyclery retry cancer-7f3a" in text


def test_on_a_pipe_each_change_is_a_line_once(capsys):
    lines = Lines(Output(as_json=True))
    lines.show(run(stage("a", cached=True), stage("b", "running"), stage("c", "waiting"), stage("d", "waiting")))
    lines.show(run(stage("a", cached=True), stage("b", seconds=1.25), stage("c", "running"), stage("d", "waiting")))
    lines.show(
        run(
            stage("a", cached=True),
            stage("b", seconds=1.25),
            stage("c", "failed", error=failure("user")),
            stage("d", "skipped"),
        )
    )
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "x-1: 4 stages, 1 cached", "● b running", "✓ b done in 1.2 s", "● c running", "✗ c failed — it broke",
        "- 1 stage not run",
    ]  # fmt: skip


def rendered(found: RunRecord, left: Left | None = None) -> str:
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    Console(file=out, width=80).print(tree(found, left))
    return out.getvalue()


def test_the_tree_has_a_line_for_each_stage_and_one_for_all_trials():
    now = time.time()
    trials = [stage(f"train[ridge#{number}]", "done" if number < 4 else "waiting") for number in range(1, 9)]
    trials[3] = stage("train[ridge#4]", "running", started=now - 3, worker="train@here", attempt=2, progress=0.5)
    text = rendered(run(stage("split", seconds=0.3), *trials, stage("select", "waiting")), Left(12.0))
    assert "about 12 s left" in text
    assert text.count("train[ridge#") == 1
    assert "3/8" in text
    assert "50 %" in text
    assert "attempt 2" in text
    assert "✓ split" in text
    assert "· select" in text


def test_the_line_of_trials_counts_what_is_done_and_tells_the_rest_apart():
    done, failed, skipped = (
        stage(f"train[a#{number}]", state) for number, state in enumerate(("done", "failed", "skipped"))
    )
    text = rendered(run(done, failed, skipped), None)
    assert "✓ train" in text
    assert "1/3  1 failed  1 not run" in text
    assert "✗ train" in rendered(run(failed, skipped), None)
    assert "- train" in rendered(run(skipped), None)


def test_the_tree_fits_into_eighty_columns():
    long = stage("train[hist_gradient_boosting#12]", "running", started=time.time() - 3, worker="train@" + "host" * 12)
    own = stage("a_stage_with_a_very_long_name_of_its_own_that_goes_on", "failed", error=failure("user"))
    wordy = own.model_copy(update={"error": own.error.model_copy(update={"message": "it broke " * 20 + "here"})})
    lines = rendered(run(long, wordy, stage("select", "waiting")), None).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("worker" in line or "train@" in line for line in lines) == 1
    assert all(line.startswith("    ") for line in lines if "broke" in line)
    assert "here" in " ".join(lines)  # nothing of a message is lost


def left_of(found: RunRecord, slots: int) -> float | None:
    left = TimeLeft({"train": slots}).of(found)
    return left and left.seconds


def test_time_left_comes_from_what_trials_took_and_how_many_run_at_once():
    done = [stage(f"train[a#{number}]", seconds=2.0) for number in (1, 2)]
    waiting = [stage(f"train[a#{number}]", "waiting") for number in (3, 4, 5, 6)]
    assert left_of(run(*done, *waiting), 1) == pytest.approx(8.0)
    assert left_of(run(*done, *waiting), 2) == pytest.approx(4.0)
    assert left_of(run(*waiting), 2) is None
    assert left_of(run(*done, status="succeeded"), 2) is None


def test_time_left_promises_no_end_while_something_is_to_come_that_nothing_is_known_of():
    trials = [stage("train[a#1]", seconds=4.0), stage("train[a#2]", "waiting")]
    evaluate = stage("evaluate", "waiting")
    later = TimeLeft({}).of(run(*trials, evaluate))
    assert later == Left(4.0, more=True)
    assert "more than 4.0 s left" in rendered(run(*trials, evaluate), later)
    assert TimeLeft({}).of(run(stage("train[a#1]", seconds=0.1), trials[1], evaluate)) is None  # not: 0.1 s
    bookkeeping = evaluate.model_copy(update={"queue": "ops"})
    assert TimeLeft({}).of(run(*trials, bookkeeping)) == Left(4.0)
    deciding = bookkeeping.model_copy(update={"task": "train.search"})
    assert TimeLeft({}).of(run(*trials, deciding)) == Left(4.0, more=True)


def test_trials_that_failed_are_told_at_the_end_too(capsys):
    kept = Kept()
    errors = {"train[svc#1]": failure("user")}
    found = record(kept, states={"train[svc#1]": StageState.FAILED}, errors=errors)
    show_end(Output(as_json=False), found, run_document(found, kept.read))
    assert "✗ 1 trial failed: cyclery trials cancer-7f3a --where status=failed" in capsys.readouterr().out
    show_end(Output(as_json=False), record(kept), run_document(record(kept), kept.read))
    assert "failed" not in capsys.readouterr().out


def test_gates_that_differ_are_compared_as_they_are_written():
    gates = [
        {"text": "mae <= 4", "confidence": 0.95},
        {"text": "beats: dummy", "confidence": 0.9},
        {"text": "size <= 1MB"},
    ]
    assert short_value(gates) == "mae <= 4\nbeats: dummy at 90 %\nsize <= 1MB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.04, "0.0 s"), (9.94, "9.9 s"), (12, "12 s"), (185, "3 m 05 s"), (7800, "2 h 10 m")],
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_times_numbers_and_parameters_in_words():
    assert ago(time.time() - 5) == "just now"
    assert ago(time.time() - 300) == "5 m ago"
    assert ago(time.time() - 7200) == "2 h ago"
    assert settings_of({"C": 0.123456, "penalty": "l2"}) == "C=0.1235, penalty=l2"
    assert interval({"value": None}) == "undefined"
    value = {"value": 0.846, "low": 0.829, "high": 0.862, "confidence": 0.95}
    assert interval(value) == "0.846 (0.829 to 0.862, 95 %)"


def test_neighbours_in_one_quiet_state_share_a_line_where_there_are_very_many():
    states = ["done"] * 300 + ["running"] + ["failed"] + ["done"] * 2 + ["waiting"] * 600
    many = [stage(f"s{number}", state) for number, state in enumerate(states)]
    many[301] = stage("s301", "failed", error=failure("user"))
    text = rendered(run(*many))
    assert len(text.splitlines()) < 15
    assert "… and 299 more done" in text
    assert "● s300" in text
    assert "it broke" in text
    assert "… and 599 more waiting" in text
    assert len(rendered(run(*many[:100])).splitlines()) > 100


def searching(number: int, state: str = "waiting") -> StageRecord:
    return StageRecord(id=f"search[{number}]", task="train.search", queue="ops", state=StageState(state))


def test_trials_that_share_a_stage_are_counted_one_by_one():
    held = {"candidate": "a", "settings": [{"index": number, "params": {}} for number in range(1, 5)]}
    states = {"done": {"failed": 1}, "running": {}, "failed": {}, "waiting": {}}
    shared = [
        stage(f"train[a#{4 * place + 1}-{4 * place + 4}]", state, params=held, measured=measured).model_copy(
            update={"task": "train.trials"}
        )
        for place, (state, measured) in enumerate(states.items())
    ]
    text = rendered(run(*shared, stage("train[b#1]"), stage("select", "waiting")), None)
    assert "4/17  5 failed" in text
    assert text.count("train[a#") == 1  # the one that is running


def test_the_folds_of_a_trial_are_told_beside_it():
    folds = [
        stage(f"train[a#1/{number}]", state).model_copy(update={"task": "train.fold"})
        for number, state in enumerate(("done", "running", "waiting"), start=1)
    ]
    trial = stage("train[a#1]", "waiting").model_copy(update={"task": "train.joined"})
    begun = folds[0].model_copy(update={"seconds": 4.0})
    assert left_of(run(begun, folds[2], trial), 1) == pytest.approx(4.0)
    assert left_of(run(begun, folds[2], trial), 2) == pytest.approx(2.0)
    text = rendered(run(*folds, trial, stage("train[b#1]"), stage("select", "waiting")), None)
    assert "1/2  1/3 folds" in text
    assert text.count("train[a#1") == 1  # the one that is running
    assert "folds" not in rendered(run(*folds, trial.model_copy(update={"state": StageState.FAILED})), None)


def test_a_search_that_decides_as_it_goes_is_two_lines_however_many_trials_there_are_by_now(capsys):
    trials = [stage("train[a#1.0]"), stage("train[a#2.0]", "running"), stage("train[b#1.0]", "waiting")]
    steps = [searching(1, "done"), searching(2, "running"), *(searching(number) for number in range(3, 30))]
    Output(as_json=False).show(tree(run(stage("features"), *steps, stage("select", "waiting"), *trials), None))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["features", "search", "train", "train[a#2.0]", "select"]
    assert lines[2].endswith("decision 2 of at most 29")
    assert "1/3" in lines[3]

"""The run document: what scripts hold on to, at any point of a run's way."""

from __future__ import annotations

import json

import pytest

from orchestrator.contracts.calls import ArtifactRef, Kind, Output, Plan, StageCall
from orchestrator.contracts.records import Decision, ModelVersion, RunRecord, StageError
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.document import models_document, plan_document, run_document
from tests.unit import report_case
from tests.unit.report_case import Kept, record

KEYS = {"run", "workflow", "status", "seconds", "stages", "trials", "champion", "gates", "report", "error"}


def test_a_finished_run_has_the_keys_of_the_interface() -> None:
    kept = Kept()
    document = run_document(record(kept), kept.read, "/home/reports/cancer-7f3a/report.html")
    assert set(document) >= KEYS
    assert json.loads(json.dumps(document)) == document
    assert (document["run"], document["workflow"], document["status"]) == ("cancer-7f3a", "cancer", "succeeded")
    assert document["seconds"] == pytest.approx(14.2)
    assert document["report"] == "/home/reports/cancer-7f3a/report.html"
    assert document["error"] is None
    assert document["stages"][0] | {"after": []} == {
        "id": "ingest[patients]", "task": "data.ingest", "queue": "prep", "status": "done", "cached": False,
        "attempts": 1, "seconds": 0.8, "worker": "prep@host", "error": None, "after": [],
    }  # fmt: skip


def test_trials_are_ranked_and_the_champion_has_its_intervals() -> None:
    kept = Kept()
    document = run_document(record(kept), kept.read)
    assert [trial["score"] for trial in document["trials"]] == [0.994, 0.982, 0.971]
    assert document["trials"][0]["candidate"] == "logistic_regression"
    assert document["trials"][0]["params"] == {"C": 100.0}
    champion = document["champion"]
    assert (champion["model"], champion["candidate"], champion["features"]) == (
        "cancer@1",
        "logistic_regression",
        ["radius"],
    )
    auc = champion["metrics"]["roc_auc"]
    assert (auc["value"], auc["low"], auc["high"], auc["confidence"]) == (0.993, 0.981, 0.999, 0.95)
    assert champion["metrics"]["f1"]["value"] is None
    assert list(champion["metrics"]) == ["roc_auc", "accuracy", "f1"]
    assert [(gate["gate"], gate["passed"]) for gate in document["gates"]] == [
        ("roc_auc >= 0.95", True),
        ("beats: dummy", True),
    ]
    assert document["gates"][0]["evidence"]["low"] == 0.981


@pytest.mark.parametrize(
    "upto",
    ["ingest[patients]", "check", "split", "features", "train[svc#1]", "select", "evaluate", "gates", "package"],
)
def test_a_run_can_be_told_at_every_stage(upto: str) -> None:
    kept = Kept()
    document = run_document(record(kept, status=RunStatus.RUNNING, upto=upto), kept.read)
    assert document["status"] == "running"
    assert set(document) >= KEYS
    order = ["split", "features", "train[svc#1]", "select", "evaluate", "gates", "package"]
    reached = order.index(upto) if upto in order else -1
    assert bool(document["trials"]) == (reached >= 2)
    assert bool(document["champion"]) == (reached >= 3)
    assert bool(document["champion"] and document["champion"]["metrics"]) == (reached >= 4)
    assert bool(document["gates"]) == (reached >= 5)


def test_before_the_selection_trials_that_are_done_are_listed_best_first() -> None:
    kept = Kept()
    states = {"train[logistic_regression#1]": StageState.RUNNING}
    document = run_document(record(kept, status=RunStatus.RUNNING, upto="train[svc#1]", states=states), kept.read)
    assert [trial["score"] for trial in document["trials"]] == [0.994, 0.982]


def test_a_failed_run_says_where_and_why() -> None:
    kept = Kept()
    error = StageError(family="user", message="C must be positive", frames=("clf.py:3",))
    states = {"train[svc#1]": StageState.FAILED, "select": StageState.SKIPPED}
    failed = record(kept, status=RunStatus.FAILED, upto="features", states=states, errors={"train[svc#1]": error})
    document = run_document(failed, kept.read)
    assert document["error"] == "train[svc#1]: C must be positive"
    stage = next(one for one in document["stages"] if one["id"] == "train[svc#1]")
    assert (stage["status"], stage["error"], stage["frames"]) == ("failed", "C must be positive", ["clf.py:3"])


def test_a_stage_that_names_itself_is_not_named_twice() -> None:
    kept = Kept()
    errors = {"split": StageError(family="data", message="split: too few rows")}
    failed = record(kept, status=RunStatus.FAILED, upto="check", states={"split": StageState.FAILED}, errors=errors)
    assert run_document(failed, kept.read)["error"] == "split: too few rows"


def test_a_tolerated_failure_is_no_error_of_the_run() -> None:
    kept = Kept()
    errors = {"train[svc#1]": StageError(family="user", message="no")}
    document = run_document(record(kept, states={"train[svc#1]": StageState.FAILED}, errors=errors), kept.read)
    assert document["error"] is None
    assert document["status"] == "succeeded"


def test_a_rejection_is_told_with_its_note() -> None:
    kept = Kept()
    given = record(kept, status=RunStatus.FAILED, states={"gates": StageState.REJECTED})
    decision = Decision(verdict="rejected", by="grace", note="too few patients", at=1.0)
    stages = [one.model_copy(update={"decision": decision}) if one.id == "gates" else one for one in given.stages]
    document = run_document(given.model_copy(update={"stages": tuple(stages)}), kept.read)
    assert document["error"] == "gates: rejected by grace: too few patients"


def test_bytes_that_the_store_lost_are_named_not_fatal() -> None:
    kept = Kept()
    given = record(kept)
    ref = given.stage("evaluate").outputs["evaluation"]  # type: ignore[union-attr]
    del kept.data[ref.digest]
    document = run_document(given, kept.read)
    assert document["champion"]["metrics"] == {}
    assert document["missing"] == ["evaluate.evaluation"]


def test_a_run_without_stages_is_told_too() -> None:
    empty = RunRecord(run="r", workflow="w", status=RunStatus.RUNNING, created=0.0, plan_digest="d", plan_version=1)
    document = run_document(empty, Kept().read)
    assert (document["stages"], document["trials"], document["champion"], document["seconds"]) == ([], [], None, 0.0)


def test_models_are_grouped_by_name_in_the_order_of_versions() -> None:
    ref = ArtifactRef(kind=Kind.FILE, digest="sha256:0", size=1)

    def version(model: str, number: int) -> ModelVersion:
        return ModelVersion(model=model, version=number, stage="candidate", run="r", created=0.0, digest="sha256:0",
                            bundle=ref, rows=ref, signature=ref, evaluation=ref, ranking=ref,
                            candidate="c")  # fmt: skip

    document = models_document([version("b", 2), version("a", 1), version("b", 1)])
    assert [(one["model"], [row["version"] for row in one["versions"]]) for one in document] == [
        ("a", [1]),
        ("b", [1, 2]),
    ]
    first = document[0]["versions"][0]
    assert set(first) >= {"version", "stage", "run", "created", "metrics", "digest"}
    assert first["created"] == "1970-01-01T00:00:00+00:00"


def test_a_plan_names_what_each_stage_waits_for() -> None:
    first = StageCall(id="a", task="ops.probe", queue="ops", version=1, key="k")
    second = StageCall(id="b", task="ops.probe", queue="ops", version=1, inputs={"x": Output(stage="a", output="echo")})
    document = plan_document(Plan(workflow="w", stages=(first, second)), {"a": True}, 1.5)
    assert document["estimate_s"] == 1.5
    assert [(row["id"], row["after"], row["cached"], row["key"]) for row in document["stages"]] == [
        ("a", [], True, "k"),
        ("b", ["a"], None, None),
    ]


def test_what_a_bundle_takes_to_run_is_a_measured_fact_of_its_run() -> None:
    kept = Kept()
    packed = run_document(record(kept), kept.read)["champion"]
    assert packed["performance"] == report_case.PERFORMANCE
    before = run_document(record(kept, upto="gates", status=RunStatus.RUNNING), kept.read)["champion"]
    assert before["performance"] is None


def test_what_the_model_leans_on_and_bears_stands_with_the_champion() -> None:
    kept = Kept()
    found = run_document(record(kept), kept.read)["champion"]["details"]
    assert found == json.loads(report_case.details().model_dump_json())
    assert run_document(record(kept, upto="select"), kept.read)["champion"]["details"] is None

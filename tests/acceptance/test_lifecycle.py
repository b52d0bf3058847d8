"""The main job as a newcomer meets it: init, run, look, run again; then a file of one's own."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from orchestrator.client.client import Client
from orchestrator.contracts.documents.data import Preparation
from orchestrator.settings import Settings
from tests.acceptance.project import Project, stages
from workers.features.preparation import feature_columns, learned
from workers.runtime.tables import read_table


@pytest.fixture(scope="module")
def cancer(project: Project) -> dict[str, object]:
    """The starter's run."""
    assert project.say("init", ".", "--example", "cancer").code == 0
    document: dict[str, object] = project.document("run", "cancer.yaml")
    return document


def test_the_whole_lifecycle_runs_and_the_document_is_as_promised(project: Project, cancer: dict[str, object]) -> None:
    assert cancer["status"] == "succeeded"
    assert cancer["workflow"] == "cancer"
    by_id = stages(cancer)
    order = [
        "ingest[cases]",
        "check",
        "prepare",
        "split",
        "features",
        "select",
        "evaluate",
        "spend",
        "gates",
        "package",
        "register",
    ]
    assert [name for name in by_id if not name.startswith("train[")] == order
    assert {stage["status"] for stage in by_id.values()} == {"done"}
    trial = by_id["train[logistic_regression#1]"]
    assert set(trial) >= {"id", "task", "queue", "status", "cached", "attempts", "seconds", "worker", "error"}
    assert (trial["task"], trial["queue"], trial["worker"].split("@")[0]) == ("train.trial", "train", "train")
    assert len(cancer["trials"]) == sum(name.startswith("train[") for name in by_id)  # type: ignore[arg-type]
    assert set(cancer["trials"][0]) >= {"candidate", "params", "score", "std"}  # type: ignore[index]
    champion = cancer["champion"]
    assert champion["model"] == "cancer@1"  # type: ignore[index]
    metric = champion["metrics"]["roc_auc"]  # type: ignore[index]
    assert 0.9 < metric["low"] < metric["value"] < metric["high"] <= 1
    assert metric["confidence"] == 0.95
    assert [gate["passed"] for gate in cancer["gates"]] == [True] * 3  # type: ignore[attr-defined]
    assert Path(str(cancer["report"])).is_file()


def test_an_unchanged_workflow_runs_nothing_again(project: Project, cancer: dict[str, object]) -> None:
    again = project.document("run", "cancer.yaml")
    assert again["run"] != cancer["run"]
    assert all(stage["cached"] for stage in again["stages"])
    assert again["champion"] == cancer["champion"]
    plan = project.document("plan", "cancer.yaml")
    assert all(stage["cached"] for stage in plan["stages"])


def test_a_changed_gate_runs_only_what_it_touches(project: Project, cancer: dict[str, object]) -> None:
    plan = project.document("plan", "cancer.yaml", "--set", "gates.0=accuracy >= 0.5")
    fresh = {stage["id"] for stage in plan["stages"] if not stage["cached"]}
    assert fresh == {"spend", "gates", "register"}


def test_reading_verbs_tell_of_the_run(project: Project, cancer: dict[str, object]) -> None:
    run = str(cancer["run"])
    assert project.document("status", run)["champion"] == cancer["champion"]
    assert run in {one["run"] for one in project.document("runs")}
    assert project.document("trials", run)["trials"][0]["score"] >= 0.98
    model = project.document("models")[0]
    assert (model["model"], model["versions"][0]["version"], model["versions"][0]["stage"]) == (
        "cancer",
        1,
        "candidate",
    )
    assert set(model["versions"][0]) >= {"version", "stage", "run", "created", "metrics", "digest"}
    assert project.document("watch", run)["status"] == "succeeded"
    assert "cases" in json.dumps(project.document("data", "list"))


def test_the_end_of_a_run_tells_a_person_all_there_is(project: Project, cancer: dict[str, object]) -> None:
    said = project.say("run", "cancer.yaml")
    assert said.code == 0
    for word in ("Champion", "cancer@1", "roc_auc", "95 %", "beats: dummy", "report.html", "cyclery promote cancer@1"):
        assert word in said.out + said.err, word


def test_promote_and_rollback(project: Project, cancer: dict[str, object]) -> None:
    assert project.say("promote", "cancer@1").code == 0
    assert project.document("models")[0]["versions"][0]["stage"] == "production"
    second = project.document("run", "cancer.yaml", "--set", "split.seed=8")
    assert second["champion"]["model"] == "cancer@2"
    assert project.say("promote", "cancer@2").code == 0
    assert [one["stage"] for one in project.document("models")[0]["versions"]] == ["archived", "production"]
    assert project.say("rollback", "cancer").code == 0
    assert [one["stage"] for one in project.document("models")[0]["versions"]] == ["production", "archived"]
    assert project.say("promote", "cancer@9").code == 2


def test_beating_a_version_is_judged_on_rows_that_neither_saw(project: Project, cancer: dict[str, object]) -> None:
    document = project.document(
        "run", "cancer.yaml", "--set", 'gates=["beats: cancer@1"]', "--set", "split.seed=9", code=3
    )
    gate = document["gates"][0]
    assert (document["status"], gate["passed"]) == ("refused", False)
    assert "rows" in json.dumps(gate["evidence"])


def test_the_live_version_is_what_production_stands_for(project: Project, cancer: dict[str, object]) -> None:
    assert project.say("promote", "cancer@1").code == 0
    more = ["psi <= 0.2 against production", "row_ms <= 10000", "memory <= 4GB"]
    asked = f"gates={json.dumps(['not_worse_than: production by 0.2', *more])}"
    document = project.document("run", "cancer.yaml", "--set", asked, "--set", "train.select=one_standard_error")
    compared, drift, speed, memory = document["gates"]
    for gate in (compared, drift):
        assert (gate["passed"], gate["evidence"]["against"]) == (True, "cancer@1")
    assert drift["evidence"]["value"] == 0  # trained on the same rows
    assert (speed["passed"], memory["passed"]) == (True, True)
    assert speed["evidence"]["rows"] >= speed["evidence"]["rounds"] == 20


def test_eight_lines_and_mixed_data_are_enough(project: Project) -> None:
    draw = random.Random(3)
    lines = ["age,city,member,joined,spend,churn"]
    for _ in range(400):
        age, city, member = draw.randint(18, 90), draw.choice(["Ulm", "Kiel", "Bonn", ""]), draw.choice(["yes", "no"])
        likely = (age > 50) + (city == "Ulm") + (member == "no") + draw.random()
        spend = "" if draw.random() < 0.1 else f"{draw.gauss(100, 30):.2f}"
        joined = f"2024-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
        lines.append(f"{age},{city},{member},{joined},{spend},{'yes' if likely > 1.8 else 'no'}")
    project.write("mixed.csv", "\n".join(lines) + "\n")
    project.write(
        "mixed.yaml",
        "name: mixed\nobjective: {predict: churn, task: classification, positive: 'yes', metric: roc_auc}\n"
        "data:\n  sources:\n    members: {file: mixed.csv}\n",
    )
    document = project.document("run", "mixed.yaml")
    assert document["status"] == "succeeded"
    assert document["champion"]["metrics"]["roc_auc"]["value"] > 0.8
    assert {"age", "city", "member", "spend"} <= set(document["champion"]["features"])


MEETING = """
import os
import time
from pathlib import Path

from sklearn.naive_bayes import GaussianNB


class Meeting(GaussianNB):
    def __init__(self, folder="", var_smoothing=1e-9):
        super().__init__(var_smoothing=var_smoothing)
        self.folder = folder

    def fit(self, X, y, sample_weight=None):
        (Path(self.folder) / str(os.getpid())).touch()
        late = time.monotonic() + 60
        while len(list(Path(self.folder).iterdir())) < 2:
            if time.monotonic() > late:
                raise TimeoutError("no other process came")
            time.sleep(0.01)
        return super().fit(X, y, sample_weight)
"""


def test_the_folds_of_a_lone_trial_meet_in_different_processes_and_score_as_they_would_in_one(project: Project) -> None:
    (project.folder / "met").mkdir()
    dice = np.random.default_rng(8)
    table = pd.DataFrame(dice.normal(size=(600, 3)), columns=["a", "b", "c"])
    table["bought"] = np.where(table["a"] + table["b"] + dice.normal(size=600) > 0, "yes", "no")
    table["note"] = "much is said here, and of no use " * 60  # so that it is a large file
    table.to_csv(project.folder / "large.csv", index=False)
    project.write("meeting.py", MEETING)
    project.write(
        "large.yaml",
        "objective: {predict: bought, task: classification, positive: 'yes', metric: roc_auc}\n"
        "data: {sources: {rows: {file: large.csv}}}\ncolumns: {ignore: [note]}\n"
        "train:\n  search: {folds: 3}\n"
        f"  candidates: [meeting:Meeting: {{fixed: {{folder: '{project.folder / 'met'}', var_smoothing: 0.001}}}}]\n",
    )
    document = project.document("run", "large.yaml")
    names = [f"train[Meeting#1{which}]" for which in ("/1", "/2", "/3", "")]
    found = stages(document)
    assert [(found[name]["task"], found[name]["status"]) for name in names] == [
        *[("train.fold", "done")] * 3,
        ("train.joined", "done"),
    ]
    assert len(list((project.folder / "met").iterdir())) == 2

    client = Client(Settings(home=project.folder / ".cyclery"))
    store, record = client.session().store, client.run(document["run"]).record()
    left = {name: ref for one in ("split", "features") for name, ref in record.stage(one).outputs.items()}  # type: ignore[union-attr]
    frame, rows = (read_table(store.fetch(left[name])) for name in ("frame", "rows"))
    preparation = Preparation.model_validate_json(store.read(left["preparation"]))
    fold = rows.loc[frame.index, "fold"][lambda numbers: numbers >= 0]
    scored = cross_validate(
        Pipeline([("prepare", learned(preparation)), ("model", GaussianNB(var_smoothing=0.001))]),
        frame.loc[fold.index, feature_columns(preparation)],
        frame.loc[fold.index, "__target__"],
        cv=[(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(3)],
        scoring="roc_auc",
    )
    assert document["trials"][0]["scores"] == list(scored["test_score"])


def test_every_problem_of_a_wrong_file_is_shown_at_once(project: Project) -> None:
    project.write(
        "wrong.yaml",
        "name: wrong\nobjective: {predict: diagnosys, task: classification}\ndata:\n  sources:\n"
        "    cases: {file: data/cancer.csv}\n  checks: {mean_radios: {min: 0}}\ntrain:\n  canidates: []\n"
        "deploy: {endpoint: x}\n",
    )
    said = project.say("run", "wrong.yaml")
    assert said.code == 2
    problems = [line for line in (said.out + said.err).splitlines() if line.startswith("wrong.yaml:")]
    assert any(re.match(r"wrong\.yaml:2:\d+: .*diagnosys.*diagnosis", line) for line in problems), problems
    assert any(re.match(r"wrong\.yaml:6:\d+: .*mean_radios.*mean_radius", line) for line in problems), problems
    assert any(re.match(r"wrong\.yaml:8:\d+: .*canidates.*candidates", line) for line in problems), problems
    assert any(re.match(r"wrong\.yaml:9:\d+: .*deploy.*not yet available", line) for line in problems), problems
    assert "Traceback" not in said.err


def test_data_that_breaks_its_checks_is_exit_2_and_says_which_rows(project: Project) -> None:
    said = project.say("run", "cancer.yaml", "--set", "data.checks.mean_radius.max=20")
    assert said.code == 2
    assert "mean_radius" in said.out + said.err
    assert re.search(r"rows? \d+", said.out + said.err)


def test_a_gate_that_refuses_is_exit_3_and_the_model_is_kept_as_refused(project: Project) -> None:
    document = project.document("run", "cancer.yaml", "--set", 'gates=["accuracy >= 0.999"]', code=3)
    assert document["status"] == "refused"
    version = int(document["champion"]["model"].split("@")[1])
    kept = {one["version"]: one["stage"] for one in project.document("models")[0]["versions"]}
    assert kept[version] == "refused"
    assert project.say("promote", document["champion"]["model"]).code == 6


def test_an_approval_holds_until_a_person_decides(project: Project) -> None:
    held = project.document("run", "cancer.yaml", "--set", "approve=true", "--set", "split.seed=11", code=4)
    assert held["status"] == "held"
    assert held["run"] in json.dumps(project.document("approvals"))
    assert project.say("approve", held["run"], "--note", "looks right").code == 0
    done = project.document("watch", held["run"])
    assert done["status"] == "succeeded"
    other = project.document("run", "cancer.yaml", "--set", "approve=true", "--set", "split.seed=12", code=4)
    assert project.say("reject", other["run"], "--note", "too soon").code == 0
    assert project.document("watch", other["run"], code=3)["status"] == "refused"

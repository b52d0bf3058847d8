"""The real command on real pools: a registered version judged on new labelled rows."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.project import Project, stages

FEW = ("--set", "train.search.trials=3", "--set", "train.search.folds=3")


@pytest.fixture(scope="module")
def registered(project: Project) -> str:
    assert project.say("init", ".", "--example", "cancer").code == 0
    return project.document("run", "cancer.yaml", *FEW)["champion"]["model"]


def test_a_version_is_judged_on_a_file_as_a_run_and_the_registry_stays_as_it_is(project: Project, registered) -> None:
    header, *rows = (project.folder / "data" / "cancer.csv").read_text().splitlines()
    project.write("june.csv", "\n".join([header, *rows[:300]]))
    before = project.document("models")
    document = project.document("evaluate", registered, "june.csv")
    found = document["evaluation"]
    assert document["run"].startswith("cancer.evaluate-")
    assert [stage["task"] for stage in document["stages"]] == ["data.ingest", "evaluate.fresh"]
    assert found["model"] == registered
    assert 0 < found["rows"] < 300
    assert found["notes"][0].endswith(f"rows are left out: {registered} was trained on them")
    assert 0.8 < found["metrics"]["roc_auc"]["low"] <= found["before"]["roc_auc"]["high"]
    assert found["performance"]["row_ms"] > 0
    assert f"{registered} predicts diagnosis" in (project.folder / document["report"]).read_text()
    assert project.document("models") == before
    again = project.document("evaluate", registered, "june.csv")
    assert all(stage["cached"] for stage in stages(again).values())
    said = project.say("evaluate", "cancer", "june.csv")
    assert said.code == 0
    assert "on its own test rows" in said.out


def test_the_source_of_a_workflow_file_is_judged_and_its_test_rows_are_what_is_left(
    project: Project, registered
) -> None:
    found = project.document("evaluate", registered, "cancer.yaml")["evaluation"]
    auc, then = (found[name]["roc_auc"] for name in ("metrics", "before"))
    assert auc["value"] == pytest.approx(then["value"], rel=1e-6)


def test_a_missing_column_and_an_unknown_model_are_one_line(project: Project, registered) -> None:
    header, *rows = (project.folder / "data" / "cancer.csv").read_text().splitlines()
    shorter = [line.split(",", 1)[1] for line in (header, *rows)]
    project.write("short.csv", "\n".join(shorter))
    said = project.say("evaluate", registered, "short.csv", "--json")
    assert said.code == 2
    missing = header.split(",")[0]
    assert f"short.csv: column '{missing}' is missing" in json.loads(said.out)["error"]
    assert project.say("evaluate", "canser", "june.csv").err.strip() == (
        "no model is called 'canser' (did you mean 'cancer'?)"
    )
    assert project.say("evaluate", registered, "nowhere.csv").code == 2

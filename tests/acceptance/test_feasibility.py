"""The real command on real pools: the verdict before the search, trials by condition, runs side by side."""

from __future__ import annotations

import pytest

from tests.acceptance.project import Project, stages

FEW = ("--set", "train.search.trials=3", "--set", "train.search.folds=3")


@pytest.fixture(scope="module")
def judged(project: Project):
    """The verdict on a target that the starter's data meets easily."""
    assert project.say("init", ".", "--example", "cancer").code == 0
    return project.document("feasibility", "cancer.yaml", *FEW, "--set", "objective.target=0.9")


def test_the_verdict_comes_with_its_reasons_and_the_cost_of_the_search(project: Project, judged) -> None:
    found = judged["feasibility"]
    assert judged["status"] == "succeeded"
    assert judged["run"].startswith("cancer.feasibility-")
    assert found["verdict"] == "realistic"
    assert found["cost"]["trials"] == 3
    assert found["cost"]["seconds"] > 0
    assert found["cost"]["untimed"] == []
    said = project.say("feasibility", "cancer.yaml", *FEW, "--set", "objective.target=0.9")
    assert said.code == 0
    assert said.out.startswith("realistic: roc_auc 0.9")


def test_the_run_after_it_finds_its_stages_cached(project: Project, judged) -> None:
    document = project.document("run", "cancer.yaml", *FEW, "--set", "objective.target=0.9")
    by_id = stages(document)
    assert by_id["feasibility"]["cached"]
    assert by_id["features"]["cached"]
    assert document["status"] == "succeeded"
    assert document["feasibility"]["verdict"] == "realistic"


def test_a_run_that_requires_more_than_is_realistic_ends_before_its_search(project: Project, judged) -> None:
    more = ("--set", "objective.target=1", "--set", "objective.require=realistic")
    document = project.document("run", "cancer.yaml", *FEW, *more, code=3)
    assert document["status"] == "refused"
    assert document["trials"] == []
    assert {one["status"] for one in document["stages"] if one["task"] == "train.trial"} == {"skipped"}
    assert [gate["passed"] for gate in document["gates"]] == [False]
    assert document["champion"] is None
    assert project.document("feasibility", "cancer.yaml", *FEW, *more, code=3)["status"] == "refused"


def test_trials_are_chosen_and_runs_compared(project: Project, judged) -> None:
    first = project.document("run", "cancer.yaml", *FEW, "--set", "objective.target=0.9")["run"]
    second = project.document("run", "cancer.yaml", *FEW, "--set", "train.select=one_standard_error")["run"]
    listed = project.document("trials", first, "--where", "candidate=logistic_regression", "--sort", "fit_s", "--asc")
    assert {one["candidate"] for one in listed["trials"]} == {"logistic_regression"}
    assert all(len(one["scores"]) == 3 and one["fit_s"] > 0 and one["memory_mb"] > 0 for one in listed["trials"])
    assert project.say("trials", first, "--where", "scor>0").code == 2
    compared = project.document("compare", first, second)
    assert {one["key"] for one in compared["differences"]} == {"objective.target", "train.select"}
    assert compared["comparable"]
    said = project.say("compare", first, second)
    assert said.code == 0
    assert "What differs of the specs" in said.out
    assert project.say("compare", first).code == 2

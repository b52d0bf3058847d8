"""One model per segment on real pools: the documented example, its one registry entry, its one page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.project import ROOT, Project, stages
from workers.packaging import load_bundle

EXAMPLE = (ROOT / "docs" / "spec.md").read_text(encoding="utf-8").partition("### One model per segment")[2]


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", EXAMPLE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def stores(project: Project):
    """The run of the example, with the data that its page makes."""
    project.write("stores.yaml", block("yaml"))
    (project.folder / "data").mkdir()
    exec(block("python").replace("data/stores.csv", str(project.folder / "data" / "stores.csv")), {})  # noqa: S102
    return project.document("run", "stores.yaml")


def test_thirty_stores_are_tried_in_stages_that_the_run_brought_into_being(stores) -> None:
    assert stores["status"] == "succeeded"
    grown = [one for one in stores["stages"] if one["task"] == "train.segment"]
    assert {one["id"] for one in grown} == {f"segment[{number}]" for number in range(1, 17)}
    assert {one["status"] for one in grown} == {"done"}
    assert {*stages(stores)["select"]["after"]} >= {"segments"}
    found = stores["segments"]
    assert (found["segments"], found["own"], found["small"], found["failed"]) == (30, 29, 1, 0)
    assert found["evidence"]["gain"]["low"] > 0
    assert all(gate["passed"] for gate in stores["gates"])


def test_they_are_one_version_that_routes_by_the_raw_column(project: Project, stores) -> None:
    (model,) = project.document("models")
    (version,) = model["versions"]
    assert version["candidate"] == "One model per store"
    digest = version["digest"].removeprefix("sha256:")
    (file,) = (path for path in Path(project.folder / ".cyclery").rglob(f"*{digest}*") if path.is_file())
    row = {"price": 8.0, "promotion": 0}
    answers = load_bundle(file).predict([{"store": store, **row} for store in (2, 3, 99, None)])["prediction"]
    assert answers[0] - answers[1] == pytest.approx(4 * 8, abs=6)
    assert answers[2] == answers[3]


def test_what_was_tried_in_a_store_is_listed_and_the_page_sums_them_up(project: Project, stores) -> None:
    listed = project.document("trials", stores["run"], "--segment", "12")["trials"]
    assert len(listed) == 3
    assert listed[0]["rank"] == 1
    assert len(listed[0]["scores"]) == 3
    assert project.say("trials", stores["run"], "--segment", "99").code == 2
    page = Path(stores["report"]).read_text(encoding="utf-8")
    assert "29 of 30 values of store have models of their own" in page
    said = project.say("status", stores["run"])
    assert "29 of 30 values have their own; not 1 with fewer than 60 training rows" in said.out


def test_a_quantile_of_all_stores_is_fitted_judged_and_told(project: Project, stores) -> None:
    given = (
        "name=ordered",
        "objective={predict: sold, task: regression, quantile: 0.9}",
        "train={candidates: [{quantile: {fixed: {alpha: 0.001}}}, dummy], search: {folds: 3}}",
        "gates=[pinball <= 4, coverage >= 0.85, coverage <= 0.95, beats: dummy]",
    )
    document = project.document("run", "stores.yaml", *(part for one in given for part in ("--set", one)))
    assert [one["candidate"] for one in document["trials"]] == ["quantile", "dummy"]
    assert document["trials"][0]["params"] == {"alpha": 0.001, "quantile": 0.9}
    assert {*document["champion"]["metrics"]} == {"pinball", "d2_pinball", "coverage"}
    assert [one["passed"] for one in document["gates"]] == [True] * 4
    page = Path(document["report"]).read_text(encoding="utf-8")
    assert "predicts the 90 % quantile of sold with a pinball loss of" in page
    assert "rows at or below the prediction: 90 % are asked for" in page


def test_the_same_workflow_finds_every_stage_again_those_of_segments_too(project: Project, stores) -> None:
    again = project.document("run", "stores.yaml", "--new")
    assert len(again["stages"]) == len(stores["stages"])
    assert {one["cached"] for one in again["stages"] if one["task"] != "release.register"} == {True}
    assert again["champion"]["metrics"] == stores["champion"]["metrics"]

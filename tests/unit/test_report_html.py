"""The HTML report: one file, honest at any stage, and safe whatever names the data brings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.contracts.records import RunRecord, StageError
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.evidence import Evidence
from orchestrator.report.headline import headline
from orchestrator.report.html import render, write_report
from tests.unit.html_case import check
from tests.unit.report_case import HOSTILE, Kept, evaluation, preparation, profile, record


def test_goal_and_target_stand_beside_the_facts_by_their_names() -> None:
    kept = Kept()
    given = record(kept, spec={"objective": {"predict": "diagnosis", "task": "classification", "target": 0.99}})
    told = check(render(given, kept.read)).text
    assert "targetROC AUC 0.99" in told
    assert "goalROC AUC" not in told
    given = record(kept, spec={"objective": {"predict": "diagnosis", "goal": 0.97, "target": 0.99}})
    assert "goalROC AUC 0.970targetROC AUC 0.990" in check(render(given, kept.read)).text.replace("\n", "").replace(
        "  ", ""
    )
    assert "ROC AUC 0.99" not in check(render(record(kept), kept.read)).text


def test_the_page_leads_with_a_sentence_for_who_asked() -> None:
    kept = Kept()
    tags = check(render(record(kept), kept.read))
    assert (
        "logistic_regression predicts diagnosis with a ROC AUC of 0.993 (95 % interval 0.981 to 0.999) "
        "on 114 rows it never saw." in tags.text
    )
    assert "Both gates passed. Registered as cancer@1." in tags.text
    assert "cyclery promote cancer@1" in tags.text


def test_every_section_has_a_heading_and_every_drawing_is_told() -> None:
    kept = Kept()
    tags = check(render(record(kept), kept.read))
    sections = {attributes["id"] for tag, attributes in tags.seen if tag == "section"}
    assert sections == {
        "gates", "champion", "performance", "tops", "slices", "charts", "importance", "effects", "bearing",
        "ranking", "stages", "data",
        "preparation", "notes", "lineage"
    }  # fmt: skip
    identifiers = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for tag, attributes in tags.seen:
        if tag == "section":
            assert attributes["aria-labelledby"] in identifiers
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]


@pytest.mark.parametrize("status", list(RunStatus))
@pytest.mark.parametrize("upto", ["ingest[patients]", "features", "train[svc#1]", "select", "evaluate", "register"])
def test_a_page_can_be_drawn_at_every_point(status: RunStatus, upto: str) -> None:
    kept = Kept()
    check(render(record(kept, status=status, upto=upto), kept.read))


def test_an_empty_record_is_a_page() -> None:
    empty = RunRecord(run="r", workflow="w", status=RunStatus.FAILED, created=0.0, plan_digest="d", plan_version=1)
    assert "The run failed." in check(render(empty, Kept().read)).text


def test_names_from_data_and_people_stay_text() -> None:
    kept = Kept()
    given = record(kept, workflow=HOSTILE, author=HOSTILE, notes=(HOSTILE,), spec={"name": HOSTILE})
    documents = {
        "ingest[patients]": {"profile": kept.put(profile(HOSTILE))},
        "features": {"preparation": kept.put(preparation(HOSTILE))},
        "evaluate": {
            "evaluation": kept.put(
                evaluation(HOSTILE).model_copy(update={"classes": (HOSTILE, "b"), "notes": (HOSTILE,)})
            )
        },
    }
    stages = [
        stage.model_copy(update={"outputs": stage.outputs | documents.get(stage.id, {}), "worker": HOSTILE})
        for stage in given.stages
    ]
    page = render(given.model_copy(update={"stages": tuple(stages)}), kept.read)
    tags = check(page)
    assert "<script>" not in page
    assert tags.text.count("<script>alert(1)</script>") >= 6  # shown as it is called


def test_a_hostile_error_and_log_stay_text() -> None:
    kept = Kept()
    error = StageError(family="user", message=HOSTILE, frames=(HOSTILE,))
    states = {"features": StageState.FAILED}
    given = record(kept, status=RunStatus.FAILED, upto="split", states=states, errors={"features": error})
    log = kept.put(HOSTILE.encode())
    stages = [one.model_copy(update={"log": log}) if one.id == "features" else one for one in given.stages]
    check(render(given.model_copy(update={"stages": tuple(stages)}), kept.read))


def test_a_run_that_bears_a_failed_trial_says_why_it_failed() -> None:
    kept = Kept()
    error = StageError(family="user", message="C must be positive", frames=("clf.py:3 in fit",))
    given = record(kept, states={"train[svc#1]": StageState.FAILED}, errors={"train[svc#1]": error})
    text = check(render(given, kept.read)).text
    assert re.search(r"1 trial that failed.*svc#1.*C must be positive", text, re.DOTALL)
    assert "that failed" not in check(render(record(kept), kept.read)).text


def test_a_failed_run_shows_the_stage_its_error_its_log_and_what_to_do() -> None:
    kept = Kept()
    error = StageError(family="user", message="C must be positive", frames=("clf.py:3 in fit",))
    states = {"train[svc#1]": StageState.FAILED}
    given = record(kept, status=RunStatus.FAILED, upto="features", states=states, errors={"train[svc#1]": error})
    text = check(render(given, kept.read)).text
    assert "The run failed at train[svc#1]." in text
    assert "cyclery logs cancer-7f3a 'train[svc#1]'" in text
    assert "C must be positive" in text
    assert "clf.py:3 in fit" in text
    assert "the last line before the end" in text
    assert "cyclery retry cancer-7f3a" in text


def test_a_refused_model_is_not_praised() -> None:
    kept = Kept()
    given = record(kept, status=RunStatus.REFUSED, passed=False)
    told = headline(Evidence(given, kept.read))
    assert told.claim == "logistic_regression was refused. 1 of 2 gates did not pass: roc_auc >= 0.95."
    assert told.outcome.endswith("It is kept as cancer@1, refused.")
    page = render(given, kept.read)
    assert page.count("not passed</span>") == 1


def test_held_and_cancelled_runs_say_what_to_do() -> None:
    kept = Kept()
    held = headline(Evidence(record(kept, status=RunStatus.HELD, upto="gates"), kept.read))
    assert held.command == "cyclery approve cancer-7f3a"
    assert "waits for a person" in held.outcome
    cancelled = headline(Evidence(record(kept, status=RunStatus.CANCELLED, upto="split"), kept.read))
    assert (cancelled.claim, cancelled.outcome) == ("The run was cancelled.", "4 of 13 stages are done.")


def test_lineage_names_sources_code_environment_seed_and_plan() -> None:
    kept = Kept()
    text = check(render(record(kept), kept.read)).text
    source = record(kept).stages[0].sources["file"].digest
    for told in (
        source,
        "patients.csv",
        "team.clean:tidy",
        "scikit-learn 1.9.1",
        "sha256:" + "ab" * 32,
        "name: cancer",
    ):
        assert told in text


def test_what_the_store_lost_is_told() -> None:
    kept = Kept()
    given = record(kept)
    del kept.data[given.stage("features").outputs["preparation"].digest]  # type: ignore[union-attr]
    assert "no longer has features.preparation" in check(render(given, kept.read)).text


def test_a_report_is_written_whole_and_again(tmp_path: Path) -> None:
    kept = Kept()
    path = write_report(record(kept), kept.read, tmp_path)
    assert path == tmp_path / "reports" / "cancer-7f3a" / "report.html"
    before = path.read_bytes()
    assert write_report(record(kept), kept.read, tmp_path) == path
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]

"""The HTML report: one file, honest at any stage, and safe whatever names the data brings."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.contracts.documents.evaluation import Importance, ImportanceEnds, Interval, LabelEvidence
from orchestrator.contracts.records import RunRecord, StageError, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.document import run_document
from orchestrator.report.evidence import Evidence
from orchestrator.report.graph import graph_of
from orchestrator.report.headline import headline
from orchestrator.report.html import render, write_report
from orchestrator.report.sections import importance_table
from orchestrator.report.wording import fixed, plural
from tests.unit import report_case
from tests.unit.report_case import BEGAN, Kept, evaluation, interval, preparation, profile, record

HOSTILE = '</style><script>alert(1)</script><img src=x onerror="alert(2)">&"\''


class Tags(HTMLParser):
    """The elements and attributes of a page, and whether every element is closed."""

    VOID = frozenset({"meta", "link", "br", "img", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check(page: str) -> Tags:
    """A page that needs nothing from outside and runs nothing."""
    tags = Tags(page)
    assert tags.open == []
    names = {name for name, _ in tags.seen}
    assert not names & {"script", "iframe", "object", "img", "form"}
    for _, attributes in tags.seen:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:,").startswith(("data:", "#"))
    assert not re.search(r"@import|url\(", page)
    return tags


def test_the_goal_stands_beside_the_facts() -> None:
    kept = Kept()
    given = record(kept, spec={"objective": {"predict": "diagnosis", "task": "classification", "goal": 0.99}})
    assert "goalroc_auc 0.99" in check(render(given, kept.read)).text
    assert "goalroc_auc" not in check(render(record(kept), kept.read)).text


def test_several_labels_have_a_table_of_their_own() -> None:
    kept = Kept()
    found = interval(0.81, 0.7, 0.9)
    labels = (
        LabelEvidence(label=HOSTILE, rows=30, prevalence=0.263, metrics={"f1": found, "roc_auc": found}),
        LabelEvidence(label="login", rows=2, prevalence=0.018, metrics={"f1": found}),
    )
    several = evaluation().model_copy(update={"kind": "multilabel", "labels": labels, "confusion": (), "curves": {}})
    ref = kept.put(several)
    given = record(kept)
    stages = tuple(
        one.model_copy(update={"outputs": one.outputs | {"evaluation": ref}}) if one.task == "evaluate.model" else one
        for one in given.stages
    )
    given = given.model_copy(update={"stages": stages})
    text = check(render(given, kept.read)).text
    assert "Label by label" in text
    table = re.sub(r"\s+", "", text[text.index("Label by label") :])
    ends = "0.810(0.700to0.900)"
    assert f"labelrowswithitofallROCAUCF1{re.sub(r'[ ]', '', HOSTILE)}3026%{ends}{ends}login21.8%–{ends}" in table, (
        table[:400]
    )
    assert "How it answers" not in text
    document = run_document(given, kept.read)["champion"]
    assert document is not None
    assert [one["rows"] for one in document["labels"]] == [30, 2]
    assert "labels" not in run_document(record(kept), kept.read)["champion"]


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


def test_an_undefined_metric_is_said_to_be_undefined() -> None:
    kept = Kept()
    given = record(kept)
    none = Interval(value=None, low=None, high=None, confidence=0.95, method="none", note="one class only")
    found = evaluation().model_copy(update={"metrics": {"roc_auc": none}})
    stages = [
        one.model_copy(update={"outputs": {"evaluation": kept.put(found)}}) if one.id == "evaluate" else one
        for one in given.stages
    ]
    text = check(render(given.model_copy(update={"stages": tuple(stages)}), kept.read)).text
    assert "its roc_auc is undefined (one class only)" in text


def test_slices_say_what_their_intervals_allow_for_and_which_are_undefined() -> None:
    kept = Kept()
    text = check(render(record(kept), kept.read)).text
    for told in ("hold for all 3 slices at once", "weakest of 23 slices that were looked at", "no test row has it"):
        assert told in text, told
    assert "0.910" in text


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


def test_trials_of_a_candidate_are_one_node_and_implied_edges_are_left_out() -> None:
    graph = graph_of(record(Kept()))
    names = [node.name for node in graph.nodes]
    assert names.count("train[logistic_regression]") == 1
    assert next(node for node in graph.nodes if node.name == "train[logistic_regression]").count == 2
    assert names.index("features") < names.index("train[svc#1]") < names.index("select")
    # One way from ingest to features, two ways over the candidates, one way on.
    assert len(graph.edges) == len(graph.nodes) - 1 + 1
    assert [node.cached for node in graph.nodes if node.name == "split"] == [True]


def test_ten_thousand_trials_are_still_a_small_page() -> None:
    kept = Kept()
    given = record(kept)
    trials = tuple(
        StageRecord(id=f"train[svc#{number}]", task="train.trial", queue="train", state=StageState.DONE,
                    after=("features",), attempt=1, started=BEGAN + number, finished=BEGAN + number + 1, seconds=1.0)
        for number in range(2, 10_002)
    )  # fmt: skip
    page = render(given.model_copy(update={"stages": (*given.stages, *trials)}), kept.read)
    assert "× 10001" in page
    assert len(page) < 200_000


def own(name: str, *after: str) -> StageRecord:
    return StageRecord(
        id=name, task="custom", queue="prep", state=StageState.DONE, after=after, attempt=1,
        started=BEGAN, finished=BEGAN + 1, seconds=1.0,
    )  # fmt: skip


def test_very_many_own_stages_in_one_place_are_one_node() -> None:
    given = record(Kept())
    wide = (own("first"), *(own(f"s{number}", "first") for number in range(5000)), own("next", "s17"))
    graph = graph_of(given.model_copy(update={"stages": wide}))
    assert [(node.name, node.count) for node in graph.nodes] == [
        ("first", 1), ("s0 … s4999", 4999), ("s17", 1), ("next", 1),
    ]  # fmt: skip
    assert len(graph.edges) == 3


def test_a_chain_of_ten_thousand_is_drawn() -> None:
    chain = (own("s0"), *(own(f"s{number}", f"s{number - 1}") for number in range(1, 10_000)))
    graph = graph_of(record(Kept()).model_copy(update={"stages": chain}))
    assert [node.name for node in graph.nodes[:2]] == ["s0", "s1"]
    assert len(graph.edges) == 9_999


def test_a_ranking_of_very_many_trials_is_cut_and_says_so() -> None:
    kept = Kept()
    given = record(kept)
    place = next(number for number, stage in enumerate(given.stages) if stage.id == "select")
    first = Evidence(given, kept.read).ranking
    assert first is not None
    many = first.model_copy(
        update={"trials": tuple(first.trials[0].model_copy(update={"rank": rank}) for rank in range(1, 5001))}
    )
    select = given.stages[place].model_copy(
        update={"outputs": given.stages[place].outputs | {"ranking": kept.put(many)}}
    )
    page = render(
        given.model_copy(update={"stages": (*given.stages[:place], select, *given.stages[place + 1 :])}), kept.read
    )
    assert f"{plural(4000, 'trial')} below these" in page
    assert f"cyclery trials {given.run}" in page
    assert len(page) < 1_000_000


def test_what_the_bundle_takes_to_run_is_told_in_units_that_people_use() -> None:
    kept = Kept()
    page = check(render(record(kept), kept.read)).text
    for words in (
        "What it takes to run",
        "52.1 kB",
        "1.2 MB once loaded, and 340.0 kB more while predicting",
        "4.2 ms, 95 % within 6.1 ms",
    ):
        assert words in page, words
    before = record(kept, upto="gates", status=RunStatus.RUNNING)
    assert "What it takes to run" not in render(before, kept.read)


def test_a_registered_version_on_new_rows_is_told_beside_what_it_had_in_training() -> None:
    kept = Kept()
    given = report_case.judged_again(kept)
    page = check(render(given, kept.read)).text
    assert "cancer@1 predicts diagnosis with a ROC AUC of 0.993" in page
    assert "On the test rows of its training it had 0.995 (0.990 to 0.999)." in page
    assert "cancer@1 on rows it never saw" in page
    assert "0.995 (0.990 to 0.999)" in page
    assert "52.1 kB" in page
    assert "The champion" not in page
    document = run_document(given, kept.read)
    assert document["champion"] is None
    assert document["evaluation"]["model"] == "cancer@1"
    assert document["evaluation"]["metric"] == "roc_auc"
    assert document["evaluation"]["before"]["roc_auc"]["value"] == 0.995
    assert document["evaluation"]["performance"] == report_case.PERFORMANCE
    assert run_document(record(kept), kept.read)["evaluation"] is None


def test_the_rows_ranked_highest_stand_in_a_table_and_on_the_gains() -> None:
    kept = Kept()
    page = check(render(record(kept), kept.read)).text
    assert "2.600 (1.400 to 4.200)" in page
    assert "lift 2.600 in the top 10 %" in page
    assert "Cumulative gains" in page


def test_what_the_ends_of_importance_are_is_said_of_runs_of_the_first_release_too() -> None:
    found = (Importance(feature="age", mean=0.1, std=0.01),)
    old, new = (importance_table(found, ends) for ends in ((), (ImportanceEnds(feature="age", low=0.08, high=0.12),)))
    assert old is not None
    assert new is not None
    assert (old.rows[0].ends, new.rows[0].ends) == ("0.090 to 0.110", "0.080 to 0.120")
    assert "one standard deviation" in old.told
    assert "95 %" in new.told


def test_nothing_is_less_than_nothing_by_rounding() -> None:
    assert [fixed(value, 4) for value in (-0.00001, 0.0, -0.0001)] == ["0.0000", "0.0000", "−0.0001"]


def test_columns_that_move_answers_and_rows_made_worse_are_told() -> None:
    kept = Kept()
    page = check(render(record(kept), kept.read)).text
    assert "The mean answer lies between 0.200 and 0.700 as this column moves" in page
    assert "answer for malignant" in page
    assert "a name that i…" in page
    rows = ["noise of 0.25 SD", "c missing", "radius missing", "b missing"]
    places = [page.index(words) for words in rows]
    assert places == sorted(places)  # noise, then the worst first
    assert "no answer" in page
    assert "0.0930" in page

"""Sections of the page: what an evaluation tells of a model, and what running it takes."""

from __future__ import annotations

import re

import pytest

from orchestrator.contracts.documents.evaluation import Importance, ImportanceEnds, Interval, LabelEvidence, Verdict
from orchestrator.contracts.status import RunStatus
from orchestrator.report.document import run_document
from orchestrator.report.effects import CategoryPlot
from orchestrator.report.html import render
from orchestrator.report.sections import gate_rows, importance_table
from orchestrator.report.wording import decimals, fixed
from tests.unit import report_case
from tests.unit.html_case import check
from tests.unit.report_case import HOSTILE, Kept, evaluation, interval, ranking, record


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


def test_what_the_bundle_takes_to_run_is_told_in_units_that_people_use() -> None:
    kept = Kept()
    page = check(render(record(kept), kept.read)).text
    for words in (
        "What it takes to run",
        "50.9 KB",
        "1.2 MB once loaded, and 332.0 KB more while predicting",
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
    assert "own test rows" in page
    assert "0.995 (0.990 to 0.999)" in page
    assert "50.9 KB" in page
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
    assert "ROC AUC lost when the column is shuffled" in page
    assert "On the same rows as they are, the ROC AUC is 0.993." in page


def test_an_error_is_added_not_lost() -> None:
    kept = Kept()
    given = record(kept)
    ref = kept.put(ranking().model_copy(update={"metric": "mae"}))
    stages = tuple(
        one.model_copy(update={"outputs": one.outputs | {"ranking": ref}}) if one.task == "train.select" else one
        for one in given.stages
    )
    page = check(render(given.model_copy(update={"stages": stages}), kept.read)).text
    assert "MAE added when the column is shuffled" in page
    assert "MAE lost" not in page
    assert "On the same rows as they are, the MAE is 0.967." in page


def test_small_numbers_beside_large_ones_keep_a_decimal() -> None:
    found = tuple(Importance(feature=name, mean=mean, std=0.1) for name, mean in (("hr", 142.5), ("temp", 1.378)))
    table = importance_table(found, ())
    assert table is not None
    assert [(row.mean, row.ends) for row in table.rows] == [("142.5", "142.4 to 142.6"), ("1.4", "1.3 to 1.5")]
    assert decimals([143_000.0, 12.0]) == 0


def test_a_gate_without_an_interval_is_drawn_from_nothing_on() -> None:
    size = Verdict(gate="size <= 10MB", passed=True, sentence="…", evidence={"value": 5e6, "at_most": 1e7})
    (row,) = gate_rows([size])
    assert row.strip is not None
    assert row.strip.mark is not None
    assert row.strip.at == pytest.approx(row.strip.mark / 2, abs=1)
    speed = Verdict(
        gate="row_p95_ms <= 50", passed=False, sentence="…", evidence={"value": 60, "high": 213, "at_most": 50}
    )
    (row,) = gate_rows([speed])
    assert row.strip is not None
    assert row.strip.low == row.strip.at  # from what was measured to the end that is judged
    assert row.strip.high is not None
    assert row.strip.high > 90


def test_labels_of_many_categories_leave_room_for_their_neighbours() -> None:
    names = ("Berlin", "Hamburg", "München", "Kleinkleckersdorf", "Tiny", "Lone")
    plot = CategoryPlot((-0.5, 5.5), (0, 1), height=260, width=400, names=names)
    assert [tick.label for tick in plot.x_ticks] == ["Berlin", "Hambu…", "Münch…", "Klein…", "Tiny", "Lone"]


def test_figures_of_the_confusion_stand_out_from_their_cells() -> None:
    kept = Kept()
    ref = kept.put(evaluation().model_copy(update={"confusion": ((56, 44), (10, 90))}))
    given = record(kept)
    stages = tuple(
        one.model_copy(update={"outputs": one.outputs | {"evaluation": ref}}) if one.task == "evaluate.model" else one
        for one in given.stages
    )
    page = render(given.model_copy(update={"stages": stages}), kept.read)
    styles = re.findall(r'class="share (\w*)"[^>]*>(\d+) %', page)
    assert styles == [("over", "56"), ("over", "44"), ("", "10"), ("on", "90")]  # light ink on dark cells alone


def test_lists_in_evidence_are_told_without_brackets() -> None:
    drift = Verdict(gate="drift: ks", passed=True, sentence="…", evidence={"shown": [], "columns": ["age", "city"]})
    (row,) = gate_rows([drift])
    assert dict(row.evidence) == {"shown": "none", "columns": "age, city"}

"""Plain folds on rows that belong together or have a time are refused, unless the workflow says that they may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.contracts.documents.data import SplitSummary
from orchestrator.report.sections import fold_words
from tests.unit.plan_case import plan_of
from tests.unit.spec_case import found, loaded
from tests.unit.whole_case import BINARY, DATA, whole

APART = "takes rows of one group apart (group: city), so that scores are too good"
AFTER = "trains on rows that come after those it judges (time: when), so that scores are too good"


def remedy(role: str) -> str:
    return f"set `split: {{method: {role}}}`, or `split: {{assume_independent: true}}` if rows are"


@pytest.mark.parametrize("method", ["random", "stratified", "hash"])
def test_plain_methods_are_refused_where_rows_hang_together(method: str, tmp_path: Path) -> None:
    named = f"split: {{method: {method}}}\ncolumns: {{group: city, time: when}}\n"
    assert found(tmp_path, named) == [
        f"4:11: a split by method {method} {APART}: {remedy('group')}",
        f"4:24: a split by method {method} {AFTER}: {remedy('time')}",
    ]


def test_the_default_method_is_refused_too(tmp_path: Path) -> None:
    assert found(tmp_path, "columns: {group: city}\n") == [
        f"3:11: a split by method stratified {APART}: {remedy('group')}"
    ]


@pytest.mark.parametrize(
    "more",
    [
        "columns: {group: city}\nsplit: {method: group}\n",
        "columns: {time: when, group: city}\nsplit: {method: time}\n",
        "columns: {group: city}\nsplit: {assume_independent: true}\n",
        "columns: {id: id}\nsplit: {method: hash}\n",
    ],
)
def test_what_keeps_them_together_and_what_is_said_to_be_independent_pass(more: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, more).split


@pytest.mark.parametrize("method", ["group", "time"])
def test_estimators_that_make_plain_folds_inside_are_refused_with_them(method: str, tmp_path: Path) -> None:
    split = f"columns: {{{method}: city}}\nsplit: {{method: {method}%s}}\ntrain: {{candidates: [%s]}}\n"
    for line in ("{stacking: {of: [svc]}}", "{voting: {of: [{calibrated: {of: svc}}]}}"):
        (problem,) = found(tmp_path, split % ("", line))
        assert f"makes plain folds inside, which know of no {method}: take voting, or bagging" in problem
        assert found(tmp_path, split % (", assume_independent: true", line)) == []
    assert found(tmp_path, split % ("", "{voting: {of: [svc]}}, {bagging: {of: svc}}")) == []


@pytest.mark.parametrize("preset", ["fast", "balanced", "thorough"])
def test_presets_suit_grouped_rows(preset: str, tmp_path: Path) -> None:
    more = f"columns: {{group: city}}\nsplit: {{method: group}}\ntrain: {{candidates: {preset}}}\n"
    assert found(tmp_path, more) == []


def test_a_run_that_takes_rows_for_independent_says_so() -> None:
    named = {"columns": {"group": "city"}}
    (note,) = plan_of(**named, split={"assume_independent": True}).notes
    assert note.startswith("rows are taken for independent, as the workflow says, although it names city")
    assert plan_of(**named, split={"method": "group"}).notes == ()
    assert "assume_independent" not in plan_of().stages[2].params


def test_folds_follow_the_splits_method_and_the_report_says_how(tmp_path: Path) -> None:
    text = BINARY + DATA + "columns: {group: home, ignore: [spent, day]}\nsplit: {method: group}\n"
    run = whole(tmp_path, text, "split")
    rows = run.table("split", "rows")
    homes = rows.index.to_numpy() // 3
    assert rows.groupby(homes)["fold"].nunique().max() == 1
    summary = SplitSummary.model_validate(run.document("split", "summary"))
    assert fold_words(summary) == "of whole groups"
    timed = summary.model_copy(update={"method": "time", "gap": 3})
    assert fold_words(timed) == "in time, each judged by a model of the rows before it, 3 rows left out between"

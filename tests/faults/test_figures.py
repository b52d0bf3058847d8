"""The tables of the storms: what is kept is read again, and violations are counted under their kinds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.__main__ import DOCUMENT
from tests.faults.figures import BEGIN, END, Row, keep, kind_of, load, tables, write
from tests.faults.storm import Result


@pytest.fixture
def row() -> Row:
    result = Result(Counter({"kill -9 Redis": 3}), 10, 11, 40, 30, 2, 5, ["a-1: a-1-x was accepted and is lost"], 60.0)
    return Row("Redis", result, {"claimed": 2}, 1, "2026-01-01")


def test_the_document_has_the_markers() -> None:
    text = DOCUMENT.read_text()
    assert text.index(BEGIN) < text.index(END)


def test_rounds_are_kept(tmp_path: Path, row: Row) -> None:
    keep(tmp_path / "rows.json", {"Redis": row})
    assert load(tmp_path / "rows.json") == {"Redis": row}
    assert load(tmp_path / "none.json") == {}


def test_tables_stand_between_the_markers(tmp_path: Path, row: Row) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(document, tables([row, row], "here"))
    text = document.read_text()
    assert "| Redis | 3 | 10 | 40 | 5 | 30 | 2 | 1 | 0 | 0 | 0 |" in text
    assert "| **all** | 6 | 20 | 80 | 10 | 60 | 4 | 2 | 0 | 0 | 0 |" in text
    assert "| died at the point *claimed* | 4 |" in text
    assert "old" not in text
    assert text.endswith("after\n")


@pytest.mark.parametrize(
    ("violation", "kind"),
    [
        ("chain-1 is stuck", "stuck"),
        ("leases is not empty: x", "stuck"),
        ("chain-1-x: s1 ended 2 times in generation 1", "twice"),
        ("lifecycle-1: 2 versions of its model are registered", "twice"),
        ("audit: submitted x stands 0 times, and happened 1 times", "lost"),
        ("chain-1-x: s1 gave {}, and {'result': 'x'} without faults", "other"),
    ],
)
def test_violations_have_kinds(violation: str, kind: str) -> None:
    assert kind_of(violation) == kind

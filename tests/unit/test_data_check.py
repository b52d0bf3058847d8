"""Checks of a table: what holds, what does not, in which rows, and what stops the run."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from orchestrator.contracts.data import CheckParams, ColumnCheck, RowsCheck
from orchestrator.contracts.documents.data import Finding
from orchestrator.contracts.errors import DataError
from workers.data.check import check


def table(**columns: Any) -> pd.DataFrame:
    made = pd.DataFrame(columns)
    made.index = pd.RangeIndex(len(made), name="row")
    return made


def finding(column: Any, **rule: Any) -> Finding:
    params = CheckParams(columns={"c": ColumnCheck(on_failure="warn", **rule)})
    findings = check(table(c=column), params=params).findings.findings
    assert len(findings) == 1
    return findings[0]


@pytest.mark.parametrize(
    ("column", "rule", "rows"),
    [
        (["1", "x", " ", None], {"type": "number"}, (2,)),
        ([True, False], {"type": "number"}, (1, 2)),
        (["1", "1.5", "2.0"], {"type": "integer"}, (2,)),
        ([1.0, 1.5, None], {"type": "integer"}, (2,)),
        ([1, 2], {"type": "text"}, (1, 2)),
        (["yes", "maybe", "0"], {"type": "boolean"}, (2,)),
        (["2024-01-01", "1.1.2024"], {"type": "date"}, (2,)),
        ([1.0, -1.0, None], {"min": 0}, (2,)),
        (["5", "50", "x"], {"max": 10}, (2, 3)),
        (["2024-01-01", "2023-12-31"], {"min": "2024-01-01"}, (2,)),
        (["a", "b", None, " "], {"allowed": ("a",)}, (2,)),
        ([1.0, 2.0], {"allowed": (1,)}, (2,)),
        (["a1", "1a", None], {"pattern": "[a-z]\\d"}, (2,)),
        (["a", "b", "a", None, None], {"unique": True}, (3,)),
        (["a", " ", None, "b"], {"missing": 0.4}, (2, 3)),
    ],
)
def test_failing_rows_are_found(column: list[Any], rule: dict[str, Any], rows: tuple[int, ...]) -> None:
    found = finding(column, **rule)
    assert not found.passed
    assert found.rows == rows
    assert found.failing == len(rows)


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        (["1", " ", None], {"type": "number"}),
        (["a", "b"], {"type": "text"}),
        (["a", " ", None, "b"], {"missing": 0.5}),
        ([0, 10], {"min": 0, "type": None}),
        ([None, None], {"unique": True}),
    ],
)
def test_what_holds_passes(column: list[Any], rule: dict[str, Any]) -> None:
    assert finding(column, **rule).passed


def test_the_error_says_column_expectation_rows_and_file_and_all_findings_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    columns = {
        "age": ColumnCheck(min=0, max=100),
        "sex": ColumnCheck(allowed=("f", "m"), on_failure="warn"),
        "id": ColumnCheck(unique=True),
    }
    data = table(age=[-1] * 7 + [5], sex=["f"] * 7 + ["x"], id=[1, 1, *range(6)])
    context: Any = SimpleNamespace(log=logging.getLogger("check"))
    with caplog.at_level(logging.INFO), pytest.raises(DataError) as caught:
        check(data, params=CheckParams(columns=columns, filename="people.csv"), context=context)
    message = str(caught.value)
    assert message.startswith(
        "people.csv: column 'age': expected >= 0, not so in rows 1, 2, 3, 4, 5 and 2 more (-1) (and 1 more: "
    )
    assert "column 'id': expected no value twice" in message
    assert "sex" not in message
    assert "\n" not in message
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING", "WARNING"]
    assert "column 'age': expected <= 100 holds" not in caplog.text
    assert "column 'age': <= 100 holds" in caplog.text


def test_the_number_of_rows() -> None:
    data = table(a=[1, 2, 3])
    assert all(
        found.passed for found in check(data, params=CheckParams(rows=RowsCheck(min=3, max=3))).findings.findings
    )
    with pytest.raises(DataError, match="rows: expected >= 4 rows, there are 3"):
        check(data, params=CheckParams(rows=RowsCheck(min=4)))


@pytest.mark.parametrize(
    ("name", "rule", "expected"),
    [
        ("cc", {"unique": True}, "checks: there is no column 'cc' (did you mean 'c'?)"),
        ("c", {"pattern": "("}, "the pattern '(' is no regular expression"),
        ("c", {"min": "soon"}, "'soon' is neither a number nor a date"),
    ],
)
def test_a_check_that_cannot_be_made_is_refused(name: str, rule: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError) as caught:
        check(table(c=["a"]), params=CheckParams(columns={name: ColumnCheck(**rule)}))
    assert expected in str(caught.value)

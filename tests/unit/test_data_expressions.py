"""Expressions on tables: values, what is missing, and one row the same as many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.expressions import FUNCTIONS as NAMES
from workers.data.expressions import evaluate, holds
from workers.data.operators import FUNCTIONS

TABLE = pd.DataFrame(
    {
        "a": [1.0, 2.0, np.nan, 0.0],
        "b": [0, 2, 3, -4],
        "s": pd.array(["x", " ", "Yz", None], dtype="str"),
        "f": [True, False, True, True],
        "g": pd.array([True, None, False, None], dtype="boolean"),
        "d": pd.to_datetime(["2011-01-01", "2012-02-03 12:00", None, "2020-01-01"], format="ISO8601"),
        "empty": [np.nan] * 4,
    },
    index=[3, 5, 8, 9],
)
NOTHING = None


def values(text: str, table: pd.DataFrame = TABLE) -> list[Any]:
    return [None if pd.isna(value) else value for value in evaluate(text, table).tolist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a / b", [NOTHING, 1.0, NOTHING, -0.0]),
        ("b / a", [0.0, 1.0, NOTHING, NOTHING]),
        ("b // 3", [0.0, 0.0, 1.0, -2.0]),
        ("b % 3", [0.0, 2.0, 0.0, 2.0]),
        ("b % 0", [NOTHING] * 4),
        ("-b + 2 * f", [2.0, -2.0, -1.0, 6.0]),
        ("b ** 0.5", [0.0, 2.0**0.5, 3.0**0.5, NOTHING]),
        ("exp(b * 1000)", [1.0, NOTHING, NOTHING, 0.0]),
        ("log(a)", [0.0, math.log(2), NOTHING, NOTHING]),
        ("round(b / 3, 1)", [0.0, 0.7, 1.0, -1.3]),
        ("a == 1", [True, False, NOTHING, False]),
        ("0 <= a < 2", [True, False, NOTHING, True]),
        ("s == 'x'", [True, NOTHING, False, NOTHING]),
        ("f == 1", [True, False, True, True]),
        ("g and f", [True, False, False, NOTHING]),
        ("g or f", [True, NOTHING, True, True]),
        ("not g", [False, NOTHING, True, NOTHING]),
        ("s in ['x', 'q']", [True, NOTHING, False, NOTHING]),
        ("a not in [1, None]", [False, True, False, True]),
        ("a if f else b", [1.0, 2.0, NOTHING, 0.0]),
        ("'yes' if g else 'no'", ["yes", NOTHING, "no", NOTHING]),
        ("min(a, b)", [0.0, 2.0, 3.0, -4.0]),
        ("max(a, f)", [1.0, 2.0, 1.0, 1.0]),
        ("clip(b, -1, 1)", [0.0, 1.0, 1.0, -1.0]),
        ("is_missing(s)", [False, True, False, True]),
        ("coalesce(a, b)", [1.0, 2.0, 3.0, 0.0]),
        ("coalesce(s, 'none')", ["x", "none", "Yz", "none"]),
        ("s + '-' + s", ["x-x", NOTHING, "Yz-Yz", NOTHING]),
        ("lower(s)", ["x", NOTHING, "yz", NOTHING]),
        ("length(s)", [1.0, NOTHING, 2.0, NOTHING]),
        ("contains(s, 'z')", [False, NOTHING, True, NOTHING]),
        ("startswith(s, 'Y')", [False, NOTHING, True, NOTHING]),
        ("replace(s, 'x', '')", [NOTHING, NOTHING, "Yz", NOTHING]),
        ("year(d)", [2011.0, 2012.0, NOTHING, 2020.0]),
        ("weekday(d)", [5.0, 4.0, NOTHING, 2.0]),
        ("hour(d)", [0.0, 12.0, NOTHING, 0.0]),
        ("days_between('2011-01-01', d)", [0.0, 398.5, NOTHING, 3286.0 + 1]),
        ("d >= '2012-01-01'", [False, True, NOTHING, True]),
        ("empty + 1", [NOTHING] * 4),
        ("lower(empty)", [NOTHING] * 4),
        ("coalesce(empty, 'x')", ["x"] * 4),
    ],
)
def test_values(text: str, expected: list[Any]) -> None:
    assert values(text) == expected
    assert evaluate(text, TABLE).index.tolist() == [3, 5, 8, 9]


def test_every_function_of_the_grammar_is_computed() -> None:
    assert set(FUNCTIONS) == set(NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s * 2", "column 's' is text, where a number is needed (prepare: cast: {s: {to: float}})"),
        ("s + 1", "1 is a number, where text is needed"),
        ("d - d", "use days_between(earlier, later)"),
        ("s > 3", "'>' compares a number and text"),
        ("f and a", "column 'a' is a number, where a condition is needed"),
        ("year(s)", "column 's' is text, where a date is needed (prepare: cast: {s: {to: date}})"),
        ("d > 'soon'", "'soon' is not a date"),
        ("1 if f else s", "'if … else …' gives a number and text"),
        ("round(a, b)", "round() takes the number of digits as a whole number"),
        ("aa + 1", "there is no column 'aa' (did you mean 'a'?)"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_expression(text: str, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        evaluate(text, TABLE)
    assert str(caught.value).startswith(f"expression {text!r}: ")
    assert expected in str(caught.value)


def test_a_filter_holds_only_where_it_is_true() -> None:
    assert holds("a > 0", TABLE).tolist() == [True, True, False, False]
    with pytest.raises(DataError, match="gives a number, not a condition"):
        holds("a + 1", TABLE)


_NUMBERS = st.one_of(st.none(), st.integers(-5, 5), st.floats(allow_nan=False, width=64))
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "x": _NUMBERS,
            "y": _NUMBERS,
            "t": st.one_of(st.none(), st.text(max_size=3)),
            "g": st.one_of(st.none(), st.booleans()),
            "d": st.one_of(st.none(), st.datetimes()),
        }
    ),
    min_size=1,
    max_size=8,
)
_TEXTS = st.sampled_from(
    [
        "x / y",
        "x * y + x ** 2",
        "log1p(x) - expm1(y / 100)",
        "x % y",
        "min(x, y, 3)",
        "coalesce(x, y)",
        "x > y or g",
        "t + 'é'",
        "upper(strip(t))",
        "length(t) if g else x",
        "t in ['a', '']",
        "year(d) + weekday(d)",
        "days_between(d, '2000-01-01')",
        "max(d, '2000-01-01')",
        "is_missing(t) and not g",
    ]
)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return pd.DataFrame(
        {
            "x": pd.Series(columns["x"], dtype="float64"),
            "y": pd.Series(columns["y"], dtype="float64"),
            "t": pd.Series(columns["t"], dtype="str"),
            "g": pd.Series(columns["g"], dtype="boolean"),
            "d": pd.Series(columns["d"], dtype="datetime64[us]"),
        }
    )


@settings(deadline=None, max_examples=50)
@given(rows=_ROWS, text=_TEXTS)
def test_a_row_gives_the_same_alone_as_among_others(rows: list[dict[str, Any]], text: str) -> None:
    table = _frame(rows)
    together = values(text, table)
    alone = [values(text, table.iloc[[position]])[0] for position in range(len(rows))]
    raw = [values(text, pd.DataFrame([row]))[0] for row in rows]  # untyped, as a person sends it
    assert alone == together
    assert raw == together


@settings(deadline=None, max_examples=50)
@given(rows=_ROWS, text=_TEXTS)
def test_no_result_is_infinite(rows: list[dict[str, Any]], text: str) -> None:
    found = evaluate(text, _frame(rows))
    if found.dtype == "float64":
        assert not np.isinf(found).any()

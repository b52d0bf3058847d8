"""Rename, drop, cast, filter, deduplicate; and the row-wise part replayed on raw rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.contracts.data import Cast, Deduplicate, PrepareParams
from orchestrator.contracts.documents.data import Changes
from orchestrator.contracts.errors import DataError
from workers.data.prepare import prepare
from workers.data.rowwise import apply, cast


def source(**columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    table.index = pd.RangeIndex(len(table), name="row")
    return table


def series(values: list[Any], dtype: Any = "str") -> pd.Series[Any]:
    return pd.Series(values, dtype=dtype, name="c")


def refusal(table: pd.DataFrame, **params: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepare(table, params=PrepareParams(**params))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_order_is_rename_drop_cast_filter_deduplicate() -> None:
    table = source(A=["1", " ", "3", "3", "9"], junk=[0] * 5, k=list("abccd"))
    out = prepare(
        table,
        params=PrepareParams(
            rename={"A": "a"},
            drop=("junk",),
            cast={"a": Cast(to="float")},
            filter=("a < 5",),
            deduplicate=Deduplicate(by=("a",), keep="last"),
        ),
    )
    assert out.table.columns.tolist() == ["a", "k"]
    assert out.table.index.tolist() == [0, 3]
    assert out.table.index.name == "row"
    assert out.table["a"].tolist() == [1.0, 3.0]
    assert (out.changes.rows_before, out.changes.rows_filtered, out.changes.rows_deduplicated) == (5, 2, 1)


@pytest.mark.parametrize(
    ("values", "rule", "expected", "dtype"),
    [
        (["1", " -2.5e1 ", ""], Cast(to="float"), [1.0, -25.0, None], "float64"),
        (["007", "8"], Cast(to="integer"), [7, 8], "int64"),
        (["7", None], Cast(to="integer"), [7.0, None], "float64"),
        (["Yes", "no", "T", "0"], Cast(to="boolean"), [True, False, True, False], "bool"),
        (["y", ""], Cast(to="boolean"), [True, None], "boolean"),
        (["ja", "nein"], Cast(to="boolean", true=("ja",), false=("nein",)), [True, False], "bool"),
        (["31.01.2024"], Cast(to="date", format="%d.%m.%Y"), [pd.Timestamp("2024-01-31")], "datetime64[us]"),
        (["2024-01-31T10:00:00+02:00"], Cast(to="date"), [pd.Timestamp("2024-01-31 08:00")], "datetime64[us]"),
        (["x", "1"], Cast(to="float", invalid="missing"), [None, 1.0], "float64"),
        (["1.5", "9007199254740993"], Cast(to="integer", invalid="missing"), [None, None], "float64"),
    ],
)
def test_casts_of_text(values: list[Any], rule: Cast, expected: list[Any], dtype: str) -> None:
    found = cast(series(values), rule)
    assert str(found.dtype) == dtype
    assert [None if pd.isna(value) else value for value in found] == expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (series([1.0, 2.5, None], "float64"), ["1", "2.5", None]),
        (series([1, 2**60], "int64"), ["1", str(2**60)]),
        (series([True, None], "boolean"), ["true", None]),
        (series(["2024-01-31", "2024-01-31 10:30"], "datetime64[us]"), ["2024-01-31", "2024-01-31T10:30:00"]),
        (series([1, "a", 2.0, None], object), ["1", "a", "2", None]),
    ],
)
def test_casts_to_text_do_not_depend_on_gaps_elsewhere(column: pd.Series[Any], expected: list[Any]) -> None:
    found = cast(column, Cast(to="text"))
    assert str(found.dtype) == "str"
    assert [None if pd.isna(value) else value for value in found] == expected


def test_numbers_as_dates_need_a_format() -> None:
    assert cast(series([20240131], "int64"), Cast(to="date", format="%Y%m%d")).tolist() == [pd.Timestamp("2024-01-31")]
    with pytest.raises(DataError, match="20240131 is not a date"):
        cast(series([20240131], "int64"), Cast(to="date"))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"cast": {"a": Cast(to="float")}}, "column 'a', rows 2, 4: 'x' is not a number (mend the data, or prepare:"),
        ({"cast": {"b": Cast(to="float", blank="error")}}, "column 'b', row 2: blank where a number is needed"),
        ({"cast": {"aa": Cast(to="float")}}, "there is no column 'aa' (did you mean 'a'?)"),
        ({"rename": {"z": "y"}}, "rename: there is no column 'z'"),
        ({"rename": {"a": "b"}}, "two columns would be called 'b'"),
        ({"rename": {"a": "__row__"}}, "'__row__' is Cyclery's own"),
        ({"drop": ("z",)}, "drop: there is no column 'z'"),
        ({"drop": ("a",), "cast": {"a": Cast(to="text")}}, "column 'a' is dropped before"),
        ({"filter": ("c > 9",)}, "no row is left after the filter 'c > 9'"),
        ({"filter": ("d > 9",)}, "there is no column 'd'"),
        ({"deduplicate": Deduplicate(by=("z",))}, "deduplicate: there is no column 'z'"),
        ({"drop": ("a", "b", "c")}, "no columns left"),
    ],
)
def test_what_cannot_be_done_is_said_with_rows_and_remedy(params: dict[str, Any], expected: str) -> None:
    table = source(a=["1", "x", "2", "y"], b=["1", " ", "2", "3"], c=[1, 2, 3, 4])
    assert expected in refusal(table, **params)


def test_rows_without_a_value_in_the_filter_go() -> None:
    out = prepare(source(a=[1.0, None, 3.0]), params=PrepareParams(filter=("a > 0",)))
    assert out.table.index.tolist() == [0, 2]


def test_duplicates_are_found_over_all_columns_with_their_gaps() -> None:
    out = prepare(source(a=["x", "x", None, None], b=[1, 2, 3, 3]), params=PrepareParams(deduplicate=Deduplicate()))
    assert out.table.index.tolist() == [0, 1, 2]


def test_raw_rows_at_prediction_may_lack_what_no_feature_needs() -> None:
    changes = Changes(rename={"T": "target"}, drop=("junk",), cast={"target": Cast(to="float")}, rows_before=1)
    raw = pd.DataFrame([{"a": 1}])
    assert apply(raw, changes, partial=True).columns.tolist() == ["a"]
    with pytest.raises(DataError, match="there is no column 'T'"):
        apply(raw, changes)


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.text(max_size=5), st.dates()
)
_RULES = st.builds(
    Cast, to=st.sampled_from(["float", "integer", "text", "boolean", "date"]), invalid=st.just("missing")
)


@settings(deadline=None, max_examples=50)
@given(values=st.lists(_VALUES, min_size=1, max_size=8), rule=_RULES)
def test_a_cast_gives_a_row_the_same_alone_as_among_others(values: list[Any], rule: Cast) -> None:
    column = series(values, object)
    together = cast(column, rule)
    for position in range(len(values)):
        alone = cast(column.iloc[[position]], rule).iloc[0]
        assert (pd.isna(alone) and pd.isna(together.iloc[position])) or alone == together.iloc[position]


@settings(deadline=None, max_examples=50)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_come_back_from_text_as_they_were(values: list[float]) -> None:
    texts = cast(series(values, "float64"), Cast(to="text"))
    assert cast(texts, Cast(to="float")).tolist() == values


@settings(deadline=None, max_examples=50)
@given(values=st.lists(st.datetimes(), min_size=1))
def test_dates_come_back_from_text_as_they_were(values: list[Any]) -> None:
    column = series(values, "datetime64[us]")
    assert cast(cast(column, Cast(to="text")), Cast(to="date")).tolist() == column.tolist()

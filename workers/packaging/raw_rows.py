"""Raw rows from anywhere, brought to the types of the ingested table, or refused by row and column."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.contracts.documents.release import SignatureColumn
from orchestrator.contracts.errors import DataError
from workers.data.cells import cell_text

Rows = pd.DataFrame | Sequence[Mapping[str, Any]]

_EXPECTED = {
    "number": "a number",
    "integer": "a whole number",
    "text": "text",
    "boolean": "true or false",
    "date": "a date (ISO 8601)",
}


def raw_table(rows: Rows, inputs: Sequence[SignatureColumn], dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The signature's columns, in the source's types; other columns are passed over.

    Raises DataError naming the row (counted from 1), the column and what was expected.
    """
    given = rows if isinstance(rows, pd.DataFrame) else _frame(rows, inputs)
    count = len(given)
    columns = {column.name: _column(given, column, dtypes[column.name]) for column in inputs}
    return pd.DataFrame(columns, index=pd.RangeIndex(count, name="row"))


def _frame(rows: Sequence[Mapping[str, Any]], inputs: Sequence[SignatureColumn]) -> pd.DataFrame:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise DataError(f"row {number} is {row!r}: an object of column names and values was expected")
    values = {column.name: pd.Series([row.get(column.name) for row in rows], dtype=object) for column in inputs}
    return pd.DataFrame(values, index=pd.RangeIndex(len(rows)))


def _column(given: pd.DataFrame, column: SignatureColumn, dtype: str) -> pd.Series[Any]:
    if column.name in given.columns:
        values = given[column.name].reset_index(drop=True)
    else:
        values = pd.Series([None] * len(given), dtype=object)
    gaps = values.isna()
    if column.required and bool(gaps.any()):
        number = int(np.flatnonzero(gaps)[0]) + 1
        raise DataError(f"row {number}, column {column.name!r}: missing, {_EXPECTED[column.type]} was expected")
    if not _is_of(values, dtype):
        values = _converted(values, gaps, column)
    try:
        typed: pd.Series[Any] = values.astype(pd.api.types.pandas_dtype(dtype))
    except OverflowError as error:
        raise DataError(f"column {column.name!r}: a whole number of at most 64 bits was expected") from error
    return typed


def _is_of(values: pd.Series[Any], dtype: str) -> bool:
    if dtype == "float64":
        return pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    return str(values.dtype) == dtype


def _converted(values: pd.Series[Any], gaps: pd.Series[bool], column: SignatureColumn) -> pd.Series[Any]:
    convert = _CONVERT[column.type]
    found: list[Any] = []
    for number, (value, gap) in enumerate(zip(values.tolist(), gaps.tolist(), strict=True), 1):
        taken = None if gap else convert(value)
        if taken is None and not gap:
            raise DataError(
                f"row {number}, column {column.name!r}: {value!r} was given, {_EXPECTED[column.type]} was expected"
            )
        found.append(taken)
    if column.type == "number":
        return pd.Series([math.nan if value is None else value for value in found], dtype="float64")
    return pd.Series(found, dtype=object)


def _number(value: Any) -> float | None:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return None
    return float(value) if math.isfinite(value) else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return None if number is None or number != math.floor(number) else int(value)


def _text(value: Any) -> str | None:
    if isinstance(value, dict | list):
        return cell_text(value)  # as ingest keeps nested JSON
    return value if isinstance(value, str) else None


def _boolean(value: Any) -> bool | None:
    return bool(value) if isinstance(value, bool | np.bool_) else None


def _date(value: Any) -> Any:
    if not isinstance(value, str | datetime.date | np.datetime64):
        return None
    try:
        instant = pd.Timestamp(datetime.datetime.fromisoformat(value) if isinstance(value, str) else value)
    except ValueError:
        return None
    return instant if instant.tzinfo is None else instant.tz_convert("UTC").tz_localize(None)


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "number": _number,
    "integer": _integer,
    "text": _text,
    "boolean": _boolean,
    "date": _date,
}

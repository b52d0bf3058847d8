"""Single values of a column read as a number, a date, a truth or a text: the same for one row as for a million.

Everything row-wise stands on this module: checks, casts, expressions, features, and so the bundle at prediction time.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

Kind = Literal["number", "integer", "text", "boolean", "date", "empty"]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)

TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})

EXACT = 2**53  # from here on, float64 skips whole numbers
_REPORTED = 10  # rows and examples that a message or a finding shows at most


class Read(NamedTuple):
    """A column as it was read, and where that was impossible (missing values are neither)."""

    values: pd.Series[Any]
    invalid: pd.Series[bool]


def is_text(column: pd.Series[Any]) -> bool:
    """Whether the column is kept as text, or as values of mixed types."""
    return isinstance(column.dtype, pd.StringDtype) or column.dtype == object


def is_boolean(column: pd.Series[Any]) -> bool:
    """Whether the column holds truths, with or without gaps."""
    if column.dtype == object:
        present = column.dropna()
        return len(present) > 0 and all(isinstance(value, (bool, np.bool_)) for value in present)
    return pd.api.types.is_bool_dtype(column.dtype)


def is_date(column: pd.Series[Any]) -> bool:
    """Whether the column holds points in time."""
    return pd.api.types.is_datetime64_any_dtype(column.dtype)


def is_number(column: pd.Series[Any]) -> bool:
    """Whether the column holds numbers."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def missing(column: pd.Series[Any]) -> pd.Series[bool]:
    """Where there is no value; blank text is none."""
    gaps = column.isna()
    return (
        gaps | (_by_distinct(column, _is_blank, "boolean").eq(other=True).fillna(value=False))
        if is_text(column)
        else gaps
    )


def kind(column: pd.Series[Any]) -> Kind:
    """What the column holds, by its type and values."""
    gaps = column.isna()
    if bool(gaps.all()):
        return "empty"
    if is_boolean(column):
        return "boolean"
    if is_date(column):
        return "date"
    if is_number(column):
        present = column[~gaps].astype("float64")
        return "integer" if bool((np.isfinite(present) & (present == np.floor(present))).all()) else "number"
    return "text"


def cell_text(value: Any) -> str:
    """One value as text: whole floats without a fraction, truths as true and false, dates as ISO 8601."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < EXACT else repr(number)
    if isinstance(value, dt.datetime):  # pd.Timestamp is one
        midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if midnight and value.tzinfo is None else value.isoformat()
    if isinstance(value, (dict, list, tuple, np.ndarray)):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)
    return str(value)


def texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """The column as text; what is missing or blank is missing."""
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype("str").where(~missing(column))
    return _by_distinct(column, cell_text, "str").where(~missing(column))


def numbers(column: pd.Series[Any]) -> Read:
    """The column as float64; text must spell a decimal number, truths are 1 and 0."""
    gaps = missing(column)
    if is_number(column) or pd.api.types.is_bool_dtype(column.dtype):
        values = pd.Series(column.to_numpy(dtype="float64", na_value=np.nan), index=column.index)
    elif is_date(column):
        values = pd.Series(np.nan, index=column.index, dtype="float64")
    else:
        values = _by_distinct(column.where(~gaps), _number, "float64")
    return Read(values, values.isna() & ~gaps)


def dates(column: pd.Series[Any], pattern: str | None = None) -> Read:
    """The column as datetime64[us]: ISO 8601 text, or what `pattern` of strptime says; offsets are brought to UTC."""
    gaps = missing(column)
    if is_date(column):
        return Read(naive(column), pd.Series(data=False, index=column.index))
    text = texts(column).str.strip()
    if pattern is None:
        text = text.where(text.str.fullmatch(ISO_DATE).fillna(value=False).astype(bool))
    parsed = pd.to_datetime(text, format=pattern or "ISO8601", errors="coerce", utc=True)
    values = naive(pd.Series(parsed, index=column.index))
    return Read(values, values.isna() & ~gaps)


def naive(column: pd.Series[Any]) -> pd.Series[Any]:
    """Points in time in UTC, without saying so, in microseconds."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column.astype("datetime64[us]")


def date_part(column: pd.Series[Any], part: str) -> pd.Series[Any]:
    """A part of datetime64 values as float64; `weekday` counts from Monday as 0, `elapsed` days since 1970."""
    if part == "elapsed":
        return (column - pd.Timestamp(0)) / pd.Timedelta(days=1)
    found = getattr(column.dt, "day_of_week" if part == "weekday" else part)
    return pd.Series(found.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)


def booleans(column: pd.Series[Any], true: Iterable[Any] | None = None, false: Iterable[Any] | None = None) -> Read:
    """The column as 1.0 and 0.0, by the words given or by yes/no, true/false, on/off, 1/0."""
    gaps = missing(column)
    named = true is not None or false is not None
    truths = frozenset(cell_text(value).strip() for value in true or ()) if named else TRUE
    lies = frozenset(cell_text(value).strip() for value in false or ()) if named else FALSE

    def truth(value: Any) -> float:
        text = cell_text(value).strip()
        text = text if named else text.lower()
        return 1.0 if text in truths else 0.0 if text in lies else math.nan

    values = _by_distinct(column.where(~gaps), truth, "float64")
    return Read(values, values.isna() & ~gaps)


def reserved(name: str) -> bool:
    """Whether a column name is Cyclery's own: `__row__`, `__target__` and their like."""
    return name.startswith("__") and name.endswith("__")


def row_numbers(mask: pd.Series[bool]) -> tuple[int, ...]:
    """The first rows where the mask holds, counted from 1 as in the source."""
    return tuple(int(row) + 1 for row in mask.index[mask.to_numpy(dtype=bool)][:_REPORTED])


def listed(rows: tuple[int, ...], total: int) -> str:
    """Row numbers in words: "rows 3, 8, 12 and 40 more"."""
    shown = ", ".join(str(row) for row in rows[:5])
    rest = total - len(rows[:5])
    return f"{'row' if total == 1 else 'rows'} {shown}" + (f" and {rest:,} more" if rest else "")


def scalar(value: Any) -> str | int | float | bool | None:
    """A value as JSON has it."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if isinstance(value, (str, bool, int, float)) else cell_text(value)


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _number(value: Any) -> float:
    """A float, or NaN where the value does not spell one."""
    if isinstance(value, (dt.date, dict, list)):
        return math.nan
    text = value.strip() if isinstance(value, str) else None
    if text is not None and not NUMBER.fullmatch(text):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _by_distinct(column: pd.Series[Any], read: Callable[[Any], Any], dtype: str) -> pd.Series[Any]:
    """Each distinct value read once; missing stays missing."""
    if column.dtype == object:  # mixed types, where 1, 1.0 and True would count as one value
        values = [None if pd.api.types.is_scalar(value) and pd.isna(value) else read(value) for value in column]
        return pd.Series(values, index=column.index, dtype=dtype)
    codes, distinct = pd.factorize(column)
    found = pd.Series([*map(read, distinct.tolist()), None], dtype=dtype)  # the last is taken where the code is -1
    return pd.Series(found.array.take(codes, allow_fill=False), index=column.index)


def _plain(value: Any) -> Any:
    """What JSON does not know, inside a nested value."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return scalar(value)

"""The type of a column that a file holds as text: decided by all of its values, and never at the price of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workers.data import cells

_TRUE = pa.array(["true", "True", "TRUE"])
_FALSE = pa.array(["false", "False", "FALSE"])
_NUMBER = f"^(?:{cells.NUMBER.pattern})$"
_INTEGER = f"^(?:{cells.INTEGER.pattern})$"
_ISO_DATE = f"^(?:{cells.ISO_DATE.pattern})$"
_PADDED = r"^[+-]?0\d"  # 007, 01.5: a code, not a quantity


def infer(texts: pa.Array, decimal: str = ".") -> pd.Series[Any]:
    """Text with nulls as int64, float64, bool, datetime64[us] or str.

    A type is taken only where every value has it. Text stays text where a number would lose something: leading
    zeros, whole numbers beyond float64 (or beyond int64, without gaps). Dates are ISO 8601; offsets go to UTC.
    """
    encoded = texts.dictionary_encode()
    distinct = encoded.dictionary
    gaps = encoded.null_count > 0
    if not len(distinct):
        return pd.Series(np.full(len(texts), np.nan))
    values = _booleans(distinct)
    if values is None:
        values = _numbers(distinct, decimal, gaps=gaps)
    if values is None:
        values = _dates(distinct)
    return pd.Series(texts.to_pandas(), dtype="str") if values is None else _spread(values, encoded, gaps=gaps)


def whole_numbers(values: pa.Array, *, gaps: bool) -> np.ndarray[Any, Any] | None:
    """Whole numbers (or their texts) as int64, or beside gaps as float64; None where one would not be exact."""
    try:
        numbers: np.ndarray[Any, Any] = pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    if not gaps:
        return numbers
    return numbers.astype(np.float64) if _exact(numbers) else None


def _booleans(values: pa.Array) -> np.ndarray[Any, Any] | None:
    true = pc.is_in(values, _TRUE)
    if not pc.all(pc.or_(true, pc.is_in(values, _FALSE))).as_py():
        return None
    return np.asarray(true.to_numpy(zero_copy_only=False), dtype=bool)


def _numbers(values: pa.Array, decimal: str, *, gaps: bool) -> np.ndarray[Any, Any] | None:
    if decimal != ".":
        if pc.any(pc.match_substring(values, ".")).as_py():
            return None
        values = pc.replace_substring(values, decimal, ".")
    values = pc.ascii_trim_whitespace(values)
    if not _all(values, _NUMBER) or pc.any(pc.match_substring_regex(values, _PADDED)).as_py():
        return None
    values = pc.ascii_ltrim(values, "+")  # which Arrow does not read
    whole = pc.match_substring_regex(values, _INTEGER)
    if pc.all(whole).as_py():
        return whole_numbers(values, gaps=gaps)
    if whole_numbers(values.filter(whole), gaps=True) is None:
        return None
    numbers = np.asarray(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False))
    return numbers if np.isfinite(numbers).all() else None


def _dates(values: pa.Array) -> np.ndarray[Any, Any] | None:
    if not _all(values, _ISO_DATE):
        return None
    read = cells.dates(pd.Series(values.to_pandas(), dtype="str"))
    return None if bool(read.invalid.any()) else read.values.to_numpy(dtype="datetime64[us]")


def _all(values: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _exact(numbers: np.ndarray[Any, Any]) -> bool:
    """Whether float64 holds each of these whole numbers as it is."""
    return bool(((numbers > -cells.EXACT) & (numbers < cells.EXACT)).all())


def _spread(values: np.ndarray[Any, Any], encoded: pa.DictionaryArray, *, gaps: bool) -> pd.Series[Any]:
    """The value of each row from the distinct ones; gaps make truths nullable."""
    positions = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    column = pd.Series(values[positions])
    if not gaps:
        return column
    if column.dtype == bool:
        column = column.astype("boolean")
    return column.mask(encoded.is_null().to_numpy(zero_copy_only=False))

"""The type of a column that a file holds as text: decided by all of its values, and never at the price of one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workers.data import cells

_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_PADDED = re.compile(r"[+-]?0\d.*")  # 007, 01.5: a code, not a quantity
_INT64 = range(-(2**63), 2**63)


def infer(texts: pa.Array, decimal: str = ".") -> pd.Series[Any]:
    """Text with nulls as int64, float64, bool, datetime64[us] or str.

    A type is taken only where every value has it. Text stays text where a number would lose something: leading
    zeros, whole numbers beyond float64 (or beyond int64, without gaps). Dates are ISO 8601; offsets go to UTC.
    """
    encoded = texts.dictionary_encode()
    distinct: list[str] = encoded.dictionary.to_pylist()
    gaps = encoded.null_count > 0
    for read in (_booleans, lambda values: _numbers(values, decimal, gaps=gaps), _dates):
        values = read(distinct)
        if values is not None:
            return _spread(values, encoded, gaps=gaps)
    return pd.Series(texts.to_pandas(), dtype="str")


def whole_numbers(values: list[int], *, gaps: bool) -> np.ndarray[Any, Any] | None:
    """Whole numbers as int64, or beside gaps as float64; None where one would not be exact."""
    if all(value in _INT64 for value in values) and not gaps:
        return np.array(values, dtype=np.int64)
    if gaps and all(abs(value) < cells.EXACT for value in values):
        return np.array(values, dtype=np.float64)
    return None


def _booleans(values: list[str]) -> np.ndarray[Any, Any] | None:
    if not values or not all(value in _TRUE or value in _FALSE for value in values):
        return None
    return np.array([value in _TRUE for value in values], dtype=bool)


def _numbers(values: list[str], decimal: str, *, gaps: bool) -> np.ndarray[Any, Any] | None:
    if decimal != ".":
        if any("." in value for value in values):
            return None
        values = [value.replace(decimal, ".") for value in values]
    values = [value.strip() for value in values]
    if not all(cells.NUMBER.fullmatch(value) and not _PADDED.fullmatch(value) for value in values):
        return None
    whole = [int(value) for value in values if cells.INTEGER.fullmatch(value)]
    if values and len(whole) == len(values):
        return whole_numbers(whole, gaps=gaps)
    if any(abs(value) >= cells.EXACT for value in whole):
        return None
    numbers = np.array([float(value) for value in values], dtype=np.float64)
    return numbers if np.isfinite(numbers).all() else None


def _dates(values: list[str]) -> np.ndarray[Any, Any] | None:
    if not all(cells.ISO_DATE.fullmatch(value) for value in values):
        return None
    read = cells.dates(pd.Series(values, dtype="str"))
    return None if bool(read.invalid.any()) else read.values.to_numpy(dtype="datetime64[us]")


def _spread(values: np.ndarray[Any, Any], encoded: pa.DictionaryArray, *, gaps: bool) -> pd.Series[Any]:
    """The value of each row from the distinct ones; gaps make truths nullable."""
    if not len(values):
        return pd.Series(np.full(len(encoded), np.nan))
    positions = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    column = pd.Series(values[positions])
    if not gaps:
        return column
    if column.dtype == bool:
        column = column.astype("boolean")
    return column.mask(encoded.is_null().to_numpy(zero_copy_only=False))

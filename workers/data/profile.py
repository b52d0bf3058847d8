"""What a table holds, column by column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.contracts.documents.data import ColumnProfile, Profile
from workers.data import cells

_TOP = 10
_LONGEST = 100  # characters of a text among the most frequent values


def profile_of(table: pd.DataFrame) -> Profile:
    """The profile of a table."""
    return Profile(rows=len(table), columns=tuple(_column(str(name), table[name]) for name in table.columns))


def _column(name: str, column: pd.Series[Any]) -> ColumnProfile:
    gaps = cells.missing(column)
    present = column[~gaps]
    counts = present.value_counts()
    kind = cells.kind(present) if len(present) else "empty"
    low = high = mean = None
    if kind in ("number", "integer"):
        finite = present[np.isfinite(present.astype("float64"))]
        low, high, mean = _range(finite)
    elif kind == "date":
        low, high = cells.scalar(present.min()), cells.scalar(present.max())
    return ColumnProfile(
        name=name,
        type=kind,
        missing=int(gaps.sum()),
        distinct=len(counts),
        min=low,
        max=high,
        mean=mean,
        top=_most_frequent(counts),
    )


def _range(numbers: pd.Series[Any]) -> tuple[Any, Any, float | None]:
    if not len(numbers):
        return None, None, None
    return cells.scalar(numbers.min()), cells.scalar(numbers.max()), math.fsum(numbers) / len(numbers)


def _most_frequent(counts: pd.Series[int]) -> tuple[tuple[Any, int], ...]:
    """Values that occur more than once, most frequent first, then in the order of their text."""
    counts = counts[counts > 1]
    if not len(counts):
        return ()
    least = counts.iloc[min(_TOP, len(counts)) - 1]
    ranked = sorted(counts[counts >= least].items(), key=lambda each: (-each[1], cells.cell_text(each[0])))
    return tuple((_short(cells.scalar(value)), int(count)) for value, count in ranked[:_TOP])


def _short(value: Any) -> Any:
    return value[:_LONGEST] + "…" if isinstance(value, str) and len(value) > _LONGEST else value

"""Columns that are no features but mean something to folds, weights and intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.roles import Columns
from workers.data import cells


def role_columns(table: pd.DataFrame, roles: Columns) -> Iterator[tuple[str, pd.Series[Any]]]:
    """`__weight__`, `__group__` and `__time__`, as far as a workflow names them; the table has them all."""
    if roles.weight is not None:
        yield "__weight__", _weights(table[roles.weight])
    if roles.group is not None:
        yield "__group__", cells.texts(table[roles.group])
    if roles.time is not None:
        time = table[roles.time]
        yield "__time__", time.astype("float64") if cells.is_number(time) else _dates(time)


def _dates(column: pd.Series[Any]) -> pd.Series[Any]:
    read = cells.dates(column)
    return cells.texts(column) if bool(read.invalid.any()) else read.values


def _weights(column: pd.Series[Any]) -> pd.Series[Any]:
    read = cells.numbers(column)
    unfit = ~(np.isfinite(read.values) & (read.values >= 0))
    if bool(unfit.any()):
        where = cells.listed(cells.row_numbers(unfit), int(unfit.sum()))
        raise DataError(
            f"columns: weight: {column.name!r} must be a number of 0 or more, but is not in {where} (mend it)"
        )
    return read.values

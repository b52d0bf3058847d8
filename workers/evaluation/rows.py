"""Which rows a champion is judged on, and which of them are independent of one another."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workers.evaluation.units import Units, by_group, by_row, by_time

TARGET, WEIGHT, GROUP, TIME = "__target__", "__weight__", "__group__", "__time__"


def part(frame: pd.DataFrame, rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The frame's rows of one part of the split, in the split's order: of time, or of the table."""
    wanted = rows[rows["part"] == name].sort_values("order", kind="stable")
    return frame.loc[wanted.index[wanted.index.isin(frame.index)]]


def weights_of(judged: pd.DataFrame) -> NDArray[np.float64] | None:
    """The weights of the rows, where the workflow names a weight column."""
    return judged[WEIGHT].to_numpy(dtype=float) if WEIGHT in judged.columns else None


def units_of(judged: pd.DataFrame, rows: pd.DataFrame) -> Units:
    """Blocks where the split is by time, groups where the workflow names a group column, else rows."""
    if TIME in judged.columns and follows(rows):
        return by_time(len(judged))
    if GROUP in judged.columns:
        return by_group(pd.factorize(judged[GROUP], use_na_sentinel=False)[0])
    return by_row(len(judged))


def follows(rows: pd.DataFrame) -> bool:
    """Whether every test row comes after all training rows, as only a split by time does."""
    test = rows["part"] == "test"
    return bool(rows.loc[test, "order"].min() > rows.loc[~test, "order"].max())

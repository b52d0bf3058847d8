"""The target column: which rows have one, its classes, and whether it serves the task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.roles import Objective
from workers.data import cells
from workers.data.expressions import suggestion

Label = str | int | float | bool

MOST_CLASSES = 50  # of a numeric target; more of them are a quantity, not classes


def target_of(table: pd.DataFrame, objective: Objective, *, fewest: int = 2) -> pd.Series[Any]:
    """The target of the rows that have one: float64 for regression, else labels as text, int64, float64 or bool.

    `fewest` classes must occur; to judge a model that is there already one will do.
    Raises DataError where the column is not there, or does not serve the task.
    """
    name = objective.predict
    if name not in table.columns:
        raise DataError(f"objective: there is no column {name!r} to predict{suggestion(name, table.columns)}")
    column = table[name]
    present = column[~cells.missing(column)]
    if not len(present):
        raise DataError(f"objective: the column {name!r} has no value in any row (look at the source)")
    return _quantity(present) if objective.task == "regression" else _labels(present, fewest)


def classes_of(target: pd.Series[Any]) -> tuple[Label, ...]:
    """The labels in the order of the model's probabilities: sorted, as scikit-learn sorts them."""
    return tuple(sorted(target.unique().tolist()))


def _quantity(column: pd.Series[Any]) -> pd.Series[Any]:
    name = column.name
    read = cells.numbers(column)
    unfit = read.invalid | ~np.isfinite(read.values) if cells.is_number(column) else ~column.isna()
    if bool(unfit.any()):
        examples = ", ".join(repr(cells.scalar(value)) for value in column[unfit].drop_duplicates()[:3])
        where = cells.listed(cells.row_numbers(unfit), int(unfit.sum()))
        raise DataError(
            f"objective: regression needs numbers in {name!r}, but it holds {examples} ({where}): "
            f"use task: classification, or prepare: cast: {{{name}: {{to: float}}}}"
        )
    return read.values


def _labels(column: pd.Series[Any], fewest: int) -> pd.Series[Any]:
    name = column.name
    distinct = column.nunique()
    if distinct < fewest:
        raise DataError(
            f"objective: {name!r} is {cells.scalar(column.iloc[0])!r} in every row that has a value: "
            "there is nothing to tell apart (look at filters and the source)"
        )
    if (cells.is_number(column) or cells.is_date(column)) and distinct > MOST_CLASSES:
        raise DataError(
            f"objective: {name!r} has {distinct:,} different numbers, too many for classes: use task: regression "
            f"(or turn it into classes before, e.g. prepare: cast: {{{name}: {{to: text}}}})"
        )
    if cells.is_boolean(column):
        return column.astype("bool")
    if cells.is_number(column):
        whole = cells.kind(column) == "integer"
        return column.astype("int64" if whole else "float64")
    return cells.texts(column)

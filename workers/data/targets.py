"""The target column: which rows have one, its classes, and whether it serves the task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.roles import Objective
from workers.data import cells
from workers.data.expressions import suggestion
from workers.labels import encoded

Label = str | int | float | bool

MOST_CLASSES = 50  # of a numeric target; more of them are a quantity, not classes


def target_of(table: pd.DataFrame, objective: Objective, *, fewest: int = 2) -> pd.Series[Any]:
    """The target of the rows that have one: float64 for regression, else classes as text, int64, float64 or bool.

    Of a multilabel target it is the number of each row's label set (int64), of the rows that have a value for every
    label. `fewest` classes (of a label: values) must occur; to judge a model that is there already one will do.
    Raises DataError where the column is not there, or does not serve the task.
    """
    for name in objective.targets:
        if name not in table.columns:
            raise DataError(f"objective: there is no column {name!r} to predict{suggestion(name, table.columns)}")
    columns = table[list(objective.targets)]
    present = columns[~pd.concat([cells.missing(columns[name]) for name in columns], axis=1).any(axis=1)]
    if not len(present):
        which = "the column" if objective.task != "multilabel" else "not all of the columns"
        value = "has no value" if objective.task != "multilabel" else "have a value"
        raise DataError(f"objective: {which} {objective.target_name!r} {value} in any row (look at the source)")
    if objective.task == "multilabel":
        return _label_sets(present, fewest)
    (name,) = objective.targets
    return _quantity(present[name]) if objective.task == "regression" else _classes(present[name], fewest)


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


def _label_sets(columns: pd.DataFrame, fewest: int) -> pd.Series[Any]:
    """Of columns without gaps, each row's label set as a number."""
    given = np.column_stack([_yes_or_no(columns[name]) for name in columns])
    for name, mine in zip(columns, given.T, strict=True):
        if len(np.unique(mine)) < fewest:
            raise DataError(
                f"objective: the label {name!r} is {int(mine[0])} in every row that has a value: there is nothing to "
                "tell apart (take it out of `predict`, or look at filters and the source)"
            )
    return pd.Series(encoded(given), index=columns.index)


def _yes_or_no(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    name = column.name
    if cells.is_boolean(column):
        return column.astype("bool").to_numpy()
    fit = column.isin([0, 1]) if cells.is_number(column) else pd.Series(False, index=column.index)
    if not bool(fit.all()):
        where = cells.listed(cells.row_numbers(~fit), int((~fit).sum()))
        raise DataError(
            f"objective: the label {name!r} is {cells.scalar(column[~fit].iloc[0])!r} in {where}, and a label is 0 or "
            f"1, or true or false (prepare: cast: {{{name}: {{to: boolean, true: [yes], false: [no]}}}})"
        )
    return np.asarray(column.to_numpy(dtype=float) == 1)


def _classes(column: pd.Series[Any], fewest: int) -> pd.Series[Any]:
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

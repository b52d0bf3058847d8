"""The row-wise part of features, replayed by the bundle: derived columns, dates to parts, truths to 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.contracts.documents.data import Preparation, PreparedColumn
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.expressions import parse
from workers.data import cells
from workers.data.expressions import evaluate

MISSING = "(missing)"  # the category, and the word, of a value that is not there

# Beyond, the square of a number is infinite; such numbers mark what is missing.
LARGEST = {"float64": 1e150, "float32": 1e18}


def featurize(table: pd.DataFrame, preparation: Preparation) -> pd.DataFrame:
    """The feature columns of prepared rows: numbers and truths in the preparation's dtype, categories and texts as str.

    A row gives the same values alone as among others. Raises DataError naming rows (counted from 1) and the column.
    """
    for name in sources(preparation):
        if name not in table.columns:
            raise DataError(f"row 1: the column {name!r} is missing, which the model needs (add it)")
    table = with_derived(table, preparation.derive)
    columns = {column.name: _feature(table, column, preparation) for column in preparation.features}
    return pd.DataFrame(columns, index=table.index)


def sources(preparation: Preparation) -> tuple[str, ...]:
    """The columns of a prepared table that the features are made of, each once."""
    parts = {part_name(column, part) for column, parts in preparation.dates.items() for part in parts}
    wanted = [column.name for column in preparation.features if column.name not in parts]
    wanted += sorted(preparation.dates)
    wanted += [name for text in in_order(preparation.derive).values() for name in parse(text).columns()]
    return tuple(dict.fromkeys(name for name in wanted if name not in preparation.derive))


def with_derived(table: pd.DataFrame, derive: Mapping[str, str]) -> pd.DataFrame:
    """The table with its derived columns, which may use one another."""
    for name, text in in_order(derive).items():
        table = table.assign(**{name: evaluate(text, table)})
    return table


def in_order(derive: Mapping[str, str]) -> dict[str, str]:
    """Derived columns, each after those that it uses, otherwise by name: documents do not keep the order of keys."""
    ordered: dict[str, str] = {}
    left = sorted(derive)
    while left:
        ready = next((name for name in left if not (set(parse(derive[name]).columns()) & set(left))), None)
        if ready is None:
            raise DataError(f"features: derive: {', '.join(left)} use one another in a circle (break it)")
        ordered[ready] = derive[ready]
        left.remove(ready)
    return ordered


def part_name(column: str, part: str) -> str:
    """The name of the feature that is a part of a date."""
    return f"{column}_{part}"


def needed(derive: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The derived columns that these names are made of, at any remove."""
    wanted: set[str] = set()
    left = [name for name in names if name in derive]
    while left:
        name = left.pop()
        wanted.add(name)
        left += [each for each in parse(derive[name]).columns() if each in derive and each not in wanted]
    return {name: derive[name] for name in sorted(wanted)}


def _feature(table: pd.DataFrame, column: PreparedColumn, preparation: Preparation) -> pd.Series[Any]:
    dtype = preparation.dtype or "float64"
    if column.source == "date":
        name, part = _date_of(column.name, preparation)
        read = cells.dates(table[name])
        _refuse(table[name], read, "a date")
        return cells.date_part(read.values, part).astype(dtype)
    values = table[column.name]
    match column.rule.type:
        case "categorical":
            return cells.texts(values)
        case "text":
            return cells.texts(values).fillna(MISSING)
        case "boolean":
            read = cells.booleans(values)
            _refuse(values, read, "a truth")
            return read.values.astype(dtype)
    read = cells.numbers(values)
    _refuse(values, read, "a number")
    return read.values.where(read.values.abs() < LARGEST[dtype], np.nan).astype(dtype)


def _date_of(name: str, preparation: Preparation) -> tuple[str, str]:
    """The date column and the part that a feature is."""
    for column, parts in preparation.dates.items():
        for part in parts:
            if part_name(column, part) == name:
                return column, part
    raise DataError(f"the preparation does not say of which date {name!r} is a part (build the features again)")


def _refuse(column: pd.Series[Any], read: cells.Read, wanted: str) -> None:
    if bool(read.invalid.any()):
        where = cells.listed(cells.row_numbers(read.invalid), int(read.invalid.sum()))
        first = cells.scalar(column[read.invalid].iloc[0])
        raise DataError(f"{where}, column {column.name!r}: {first!r} is not {wanted} (mend it, or leave it blank)")

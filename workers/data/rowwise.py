"""The row-wise part of preparation, replayed by the bundle on raw rows: rename, drop, cast."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from orchestrator.contracts.data import Cast
from orchestrator.contracts.documents.data import Changes
from orchestrator.contracts.errors import DataError
from workers.data import cells
from workers.data.cells import Read
from workers.data.expressions import suggestion

_WANTED = {
    "float": "a number",
    "integer": "a whole number",
    "text": "text",
    "boolean": "a truth (yes/no, true/false, 1/0, or the words in `true:` and `false:`)",
    "date": "a date",
}


def apply(table: pd.DataFrame, changes: Changes, *, partial: bool = False) -> pd.DataFrame:
    """Raw rows as the stages after `prepare` see them; each row's result depends on its own values alone.

    With `partial`, columns that the table does not have are passed over: at prediction there is no target, and what
    a model needs is checked by what comes after. Raises DataError naming rows (counted from 1) and the column.
    """
    if not partial:
        _require(table, changes)
    table = table.rename(columns=changes.rename)
    table = table.drop(columns=[name for name in changes.drop if name in table.columns])
    done = {name: cast(table[name], rule) for name, rule in sorted(changes.cast.items()) if name in table.columns}
    return table.assign(**done)


def cast(column: pd.Series[Any], rule: Cast) -> pd.Series[Any]:
    """The column as float64, int64, str, bool or datetime64[us]; gaps make whole numbers floats, truths nullable."""
    blank = cells.missing(column) & column.notna()
    if rule.blank == "error" and bool(blank.any()):
        raise DataError(
            f"column {column.name!r}, {_where(blank)}: blank where {_WANTED[rule.to]} is needed "
            f"(prepare: cast: {{{column.name}: {{to: {rule.to}, blank: missing}}}})"
        )
    read = _read(column, rule)
    if rule.invalid == "error" and bool(read.invalid.any()):
        first = cells.scalar(column[read.invalid].iloc[0])
        raise DataError(
            f"column {column.name!r}, {_where(read.invalid)}: {first!r} is not {_wanted(rule)} "
            f"(mend the data, or prepare: cast: {{{column.name}: {{to: {rule.to}, invalid: missing}}}})"
        )
    return _typed(read.values, rule)


def _read(column: pd.Series[Any], rule: Cast) -> Read:
    match rule.to:
        case "text":
            values = cells.texts(column)
            return Read(values, pd.Series(data=False, index=column.index))
        case "date":
            return cells.dates(column, rule.format)
        case "boolean":
            return cells.booleans(column, rule.true, rule.false)
        case "float":
            return cells.numbers(column)
        case "integer":
            if column.dtype == "int64":
                return Read(column, pd.Series(data=False, index=column.index))
            read = cells.numbers(column)
            unfit = read.values.notna() & ((read.values % 1 != 0) | (read.values.abs() >= cells.EXACT))
            return Read(read.values.mask(unfit), read.invalid | unfit)


def _typed(values: pd.Series[Any], rule: Cast) -> pd.Series[Any]:
    """What was read, in the type that the table keeps."""
    gaps = bool(values.isna().any())
    if rule.to == "integer" and not gaps:
        return values.astype("int64")
    if rule.to == "boolean":
        truths = values.astype("boolean")
        return truths if gaps else truths.astype("bool")
    return values


def _require(table: pd.DataFrame, changes: Changes) -> None:
    """Every column that is named must be there, and no two may end under one name."""
    for name, new in sorted(changes.rename.items()):
        if name not in table.columns:
            raise DataError(f"prepare: rename: there is no column {name!r}{suggestion(name, table.columns)}")
        if cells.reserved(new):
            raise DataError(f"prepare: rename: the name {new!r} is Cyclery's own (choose another name)")
    renamed = [changes.rename.get(name, name) for name in table.columns]
    twice = sorted(name for name, times in Counter(renamed).items() if times > 1)
    if twice:
        raise DataError(f"prepare: rename: two columns would be called {twice[0]!r} (choose another name)")
    for section, names in (("drop", changes.drop), ("cast", sorted(changes.cast))):
        for name in names:
            if name not in renamed:
                raise DataError(f"prepare: {section}: there is no column {name!r}{suggestion(name, renamed)}")
    for name in changes.drop:
        if name in changes.cast:
            raise DataError(f"prepare: cast: column {name!r} is dropped before (take it out of one of the two)")


def _where(mask: pd.Series[bool]) -> str:
    return cells.listed(cells.row_numbers(mask), int(mask.sum()))


def _wanted(rule: Cast) -> str:
    return f"a date like {rule.format!r}" if rule.to == "date" and rule.format else _WANTED[rule.to]

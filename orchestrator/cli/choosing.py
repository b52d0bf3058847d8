"""Rows that a person picks and puts in order: `--where 'score>0.8'`, `--sort fit_s --desc`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.suggestions import nearest

Row = Mapping[str, Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONDITION = re.compile(r"\s*([^\s<>=!]+)\s*(<=|>=|!=|==|=|<|>)\s*(.+?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """One `--where`: a name of a row, how it is compared, and with what."""

    name: str
    sign: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """`candidate=ridge`, `score > 0.8`, `C!=1`; raises InvalidInput."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise InvalidInput(f"--where {text!r}: write NAME, one of = != < <= > >=, and a value: 'score>0.8'")
        name, sign, value = found.groups()
        if sign not in ("=", "==", "!=") and _number(value) is None:
            raise InvalidInput(f"--where {text!r}: {sign} compares with a number, and {value!r} is none")
        return cls(name, "=" if sign == "==" else sign, value)

    def holds(self, row: Row) -> bool:
        """Whether it is true of a row; a row that has no such value is never chosen."""
        value = value_of(row, self.name)
        if value is None:
            return self.value in ("none", "null") and self.sign == "="
        wanted, given = _number(self.value), _number(value)
        if wanted is not None and given is not None:
            return _COMPARE[self.sign](given, wanted)
        return self.sign in ("=", "!=") and _COMPARE[self.sign](_text(value), self.value)


def choose(rows: Sequence[Row], conditions: Sequence[str]) -> list[Row]:
    """The rows of which every condition is true; raises InvalidInput where a name is of no row."""
    parsed = [Condition.parse(text) for text in conditions]
    for one in parsed:
        require_known(rows, one.name, "--where")
    return [row for row in rows if all(one.holds(row) for one in parsed)]


def order(rows: Sequence[Row], name: str, *, descending: bool) -> list[Row]:
    """The rows by one of their values; those that lack it stand last, equal ones stay in their order."""
    require_known(rows, name, "--sort")
    known = [row for row in rows if value_of(row, name) is not None]
    numbers = all(_number(value_of(row, name)) is not None for row in known)

    def place(row: Row) -> Any:
        value = value_of(row, name)
        return _number(value) if numbers else _text(value)

    known.sort(key=place, reverse=descending)
    return known + [row for row in rows if value_of(row, name) is None]


def require_known(rows: Sequence[Row], name: str, option: str) -> None:
    """Refuse a name that stands in no row."""
    names = {key for row in rows for key in row if not isinstance(row[key], list | dict)}
    names |= {key for row in rows for key in row.get("params", {})}
    if rows and name.removeprefix("params.") not in names and name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(sorted(names))}"
        raise InvalidInput(f"{option} {name}: no trial has that ({hint})")


def value_of(row: Row, name: str) -> Any:
    """A value by its name; `params.NAME` or a bare NAME that is no column of its own is a parameter."""
    if name in row and not isinstance(row[name], list | dict):
        return row[name]
    return row.get("params", {}).get(name.removeprefix("params."))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

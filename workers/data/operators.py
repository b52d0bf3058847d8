"""What the operators and functions of expressions do to columns of values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from workers.data import cells
from workers.data.operands import Operand, WrongKind, missing_of, unify

Numbers = np.ndarray[Any, np.dtype[np.float64]]

ARITHMETIC: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "//": np.floor_divide,
    "%": np.mod,
    "**": np.power,
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def finite(compute: Callable[[], Numbers]) -> Numbers:
    """The result with what is no finite number missing: divisions by zero, overflow, logarithms of nothing."""
    with np.errstate(all="ignore"):
        result = np.asarray(compute(), dtype=np.float64)
    return np.where(np.isfinite(result), result, np.nan)


def _numeric(function: Callable[[Numbers], Numbers]) -> Callable[[Operand], Operand]:
    return lambda value: Operand("number", finite(lambda: function(value.numbers())))


def _round(value: Operand, digits: Operand | None = None) -> Operand:
    places = 0 if digits is None else digits.written
    if isinstance(places, str | bool) or places is None or places != int(places):
        raise WrongKind("round() takes the number of digits as a whole number")
    return Operand("number", finite(lambda: np.round(value.numbers(), int(places))))


def _extreme(name: str, choose: Callable[[Any, Any], Any]) -> Callable[..., Operand]:
    def of(*operands: Operand) -> Operand:
        same = unify(operands, f"{name}() compares")
        if same[0].kind == "text":  # dates written as text, beside columns that are empty here
            same = [Operand("date", operand.dates()) for operand in operands]
        kind = "number" if same[0].kind == "boolean" else same[0].kind
        return Operand(kind, reduce(choose, [operand.data for operand in same]))

    return of


def _clip(value: Operand, low: Operand, high: Operand) -> Operand:
    return Operand("number", np.minimum(np.maximum(value.numbers(), low.numbers()), high.numbers()))


def _is_missing(value: Operand) -> Operand:
    return Operand("boolean", value.missing().astype(np.float64))


def _coalesce(*operands: Operand) -> Operand:
    same = unify(operands, "coalesce() gives")
    data = same[0].data.copy()
    for operand in same[1:]:
        gaps = np.asarray(pd.isna(data), dtype=bool)
        data[gaps] = operand.data[gaps]
    return Operand(same[0].kind, data)


def _textual(function: Callable[..., str]) -> Callable[..., Operand]:
    def of(*operands: Operand) -> Operand:
        return Operand.of_texts(_row_by_row(function, operands, None))

    return of


def _judged(kind: Any, function: Callable[..., float]) -> Callable[..., Operand]:
    def of(*operands: Operand) -> Operand:
        return Operand(kind, np.array(_row_by_row(function, operands, np.nan), dtype=np.float64))

    return of


def _row_by_row(function: Callable[..., Any], operands: tuple[Operand, ...], gap: Any) -> list[Any]:
    """The function of the texts of each row, where all are there; a constant may be blank."""
    columns = [_texts(operand) for operand in operands]
    return [gap if None in row else function(*row) for row in zip(*columns, strict=True)]


def _texts(operand: Operand) -> list[str | None]:
    if isinstance(operand.written, str):
        return [operand.written] * len(operand.data)
    return operand.texts()


def _part(name: str) -> Callable[[Operand], Operand]:
    def of(value: Operand) -> Operand:
        return Operand("number", cells.date_part(pd.Series(value.dates()), name).to_numpy())

    return of


def _days_between(earlier: Operand, later: Operand) -> Operand:
    span = later.dates() - earlier.dates()
    days = span / np.timedelta64(1, "D")
    return Operand("number", np.where(np.isnat(span), missing_of("number"), days))


FUNCTIONS: dict[str, Callable[..., Operand]] = {
    "abs": _numeric(np.abs),
    "log": _numeric(np.log),
    "log1p": _numeric(np.log1p),
    "log10": _numeric(np.log10),
    "exp": _numeric(np.exp),
    "expm1": _numeric(np.expm1),
    "sqrt": _numeric(np.sqrt),
    "sign": _numeric(np.sign),
    "floor": _numeric(np.floor),
    "ceil": _numeric(np.ceil),
    "round": _round,
    "min": _extreme("min", np.fmin),
    "max": _extreme("max", np.fmax),
    "clip": _clip,
    "is_missing": _is_missing,
    "coalesce": _coalesce,
    "lower": _textual(str.lower),
    "upper": _textual(str.upper),
    "strip": _textual(str.strip),
    "length": _judged("number", len),
    "contains": _judged("boolean", lambda text, part: part in text),
    "startswith": _judged("boolean", str.startswith),
    "endswith": _judged("boolean", str.endswith),
    "replace": _textual(str.replace),
    "year": _part("year"),
    "month": _part("month"),
    "day": _part("day"),
    "weekday": _part("weekday"),
    "hour": _part("hour"),
    "minute": _part("minute"),
    "days_between": _days_between,
}

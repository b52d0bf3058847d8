"""Derived columns and row filters computed: the tree of contracts.expressions on a table.

Everything is row by row: a row gives the same value alone as among a million others. A missing value makes what is
computed from it missing (`and`, `or`, `min`, `max`, `coalesce` and `is_missing` look past it); so does a division by
zero, and every result that is no finite number. Blank text is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.expressions import (
    Binary,
    Call,
    Choice,
    Column,
    Comparison,
    Constant,
    Expression,
    Logic,
    Member,
    Negative,
    Node,
    Not,
    parse,
)
from orchestrator.contracts.suggestions import nearest
from workers.data.operands import Operand, WrongKind, missing_of, unify
from workers.data.operators import ARITHMETIC, COMPARISONS, FUNCTIONS, finite


def evaluate(expression: str | Expression, table: pd.DataFrame) -> pd.Series[Any]:
    """The expression's value for every row: float64, boolean, str or datetime64[us], by what it says."""
    return _value(expression, table).series(table.index)


def holds(expression: str | Expression, table: pd.DataFrame) -> pd.Series[bool]:
    """Where a condition is true; neither false nor missing."""
    parsed = parse(expression) if isinstance(expression, str) else expression
    value = _value(parsed, table)
    if value.kind not in ("boolean", "none"):
        raise DataError(f"filter {parsed.text!r} gives a {value.kind}, not a condition (compare it with something)")
    return pd.Series(value.booleans() == 1.0, index=table.index)


def _value(expression: str | Expression, table: pd.DataFrame) -> Operand:
    parsed = parse(expression) if isinstance(expression, str) else expression
    try:
        return _Evaluation(table).of(parsed.root)
    except WrongKind as error:
        raise DataError(f"expression {parsed.text!r}: {error}") from None


class _Evaluation:
    """One expression on one table."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table

    def of(self, node: Node) -> Operand:
        """The value of a node for every row."""
        handler: Callable[[Any], Operand] = getattr(self, f"_{type(node).__name__.lower()}")
        return handler(node)

    def _constant(self, node: Constant) -> Operand:
        return Operand.constant(node.value, len(self._table))

    def _column(self, node: Column) -> Operand:
        if node.name not in self._table.columns:
            raise WrongKind(f"there is no column {node.name!r}{suggestion(node.name, self._table.columns)}")
        return Operand.column(node.name, self._table[node.name])

    def _negative(self, node: Negative) -> Operand:
        return Operand("number", -self.of(node.operand).numbers())

    def _binary(self, node: Binary) -> Operand:
        left, right = self.of(node.left), self.of(node.right)
        if node.operator == "+" and "text" in (left.kind, right.kind):
            pairs = zip(left.texts(), right.texts(), strict=True)
            return Operand.of_texts([None if a is None or b is None else a + b for a, b in pairs])
        if "date" in (left.kind, right.kind):
            raise WrongKind(f"{node.operator!r} wants numbers, not dates (use days_between(earlier, later))")
        return Operand("number", finite(lambda: ARITHMETIC[node.operator](left.numbers(), right.numbers())))

    def _comparison(self, node: Comparison) -> Operand:
        left, right = unify((self.of(node.left), self.of(node.right)), f"{node.operator!r} compares")
        gaps = left.missing() | right.missing()
        result = np.full(len(gaps), np.nan)
        compare = COMPARISONS[node.operator]
        result[~gaps] = compare(left.data[~gaps], right.data[~gaps]).astype(np.float64)
        return Operand("boolean", result)

    def _logic(self, node: Logic) -> Operand:
        """Three-valued: what a missing value could still decide is missing."""
        stacked = np.stack([self.of(operand).booleans() for operand in node.operands])
        decided = 0.0 if node.operator == "and" else 1.0
        result = np.where(np.isnan(stacked).any(axis=0), np.nan, 1.0 - decided)
        result[(stacked == decided).any(axis=0)] = decided
        return Operand("boolean", result)

    def _not(self, node: Not) -> Operand:
        return Operand("boolean", 1.0 - self.of(node.operand).booleans())

    def _member(self, node: Member) -> Operand:
        operand = self.of(node.operand)
        gaps = operand.missing()
        result = np.where(gaps, 1.0 if None in node.values else np.nan, 0.0)
        for value in node.values:
            if value is not None:
                mine, other = unify((operand, Operand.constant(value, len(self._table))), "'in' compares")
                result[~gaps & (mine.data == other.data)] = 1.0
        return Operand("boolean", result)

    def _choice(self, node: Choice) -> Operand:
        condition = self.of(node.condition).booleans()
        then, otherwise = unify((self.of(node.then), self.of(node.otherwise)), "'if … else …' gives")
        data = np.where(condition == 1.0, then.data, otherwise.data)
        data[np.isnan(condition)] = missing_of(then.kind)
        return Operand(then.kind, data)

    def _call(self, node: Call) -> Operand:
        return FUNCTIONS[node.function](*(self.of(argument) for argument in node.arguments))


def suggestion(name: str, known: Iterable[Any]) -> str:
    """The nearest of the names that there are, in words."""
    names = [str(each) for each in known]
    near = nearest(name, names)
    if near is not None:
        return f" (did you mean {near!r}?)"
    return f" (there are: {', '.join(names[:12])}{', …' if len(names) > 12 else ''})"

"""The tree of an expression: a handful of frozen nodes, and the functions that there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.contracts.errors import InvalidInput

Scalar = str | int | float | bool | None
BinaryOperator = Literal["+", "-", "*", "/", "//", "%", "**"]
ComparisonOperator = Literal["==", "!=", "<", "<=", ">", ">="]

# Name → fewest and most arguments (None: any number).
FUNCTIONS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(("abs", "log", "log1p", "log10", "exp", "expm1", "sqrt", "sign", "floor", "ceil"), (1, 1)),
    "round": (1, 2),  # value, digits
    "min": (2, None),  # row by row; missing values are passed over
    "max": (2, None),
    "clip": (3, 3),  # value, low, high
    "is_missing": (1, 1),
    "coalesce": (2, None),  # the first that is not missing
    **dict.fromkeys(("lower", "upper", "strip", "length"), (1, 1)),
    **dict.fromkeys(("contains", "startswith", "endswith"), (2, 2)),
    "replace": (3, 3),  # value, old text, new text
    **dict.fromkeys(("year", "month", "day", "weekday", "hour", "minute"), (1, 1)),  # weekday: Monday is 0
    "days_between": (2, 2),  # earlier, later
}


class ExpressionError(InvalidInput):
    """An expression outside the grammar; `position` counts characters from 0."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text, a boolean, or None for a missing value."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Column:
    """The value of a column."""

    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    """The number with its sign turned."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic; a division by zero is a missing value; `+` of two texts joins them."""

    operator: BinaryOperator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison; a chain `0 < x <= 5` becomes `Logic("and", …)` of several."""

    operator: ComparisonOperator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` or `or` of two or more conditions."""

    operator: Literal["and", "or"]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Member:
    """Whether a value is one of a list of constants."""

    operand: Node
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`then if condition else otherwise`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Call:
    """One of FUNCTIONS with its arguments."""

    function: str
    arguments: tuple[Node, ...]


Node = Constant | Column | Negative | Binary | Comparison | Logic | Not | Member | Choice | Call


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: its text as written, and its tree."""

    text: str
    root: Node

    def columns(self) -> tuple[str, ...]:
        """The names of all columns that it refers to, each once, in order of appearance."""
        return tuple(dict.fromkeys(node.name for node in walk(self.root) if isinstance(node, Column)))


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, left to right."""
    yield node
    for child in _children(node):
        yield from walk(child)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Constant() | Column():
            return ()
        case Negative(operand) | Not(operand) | Member(operand, _):
            return (operand,)
        case Binary(_, left, right) | Comparison(_, left, right):
            return (left, right)
        case Logic(_, operands):
            return operands
        case Choice(condition, then, otherwise):
            return (then, condition, otherwise)
        case Call(_, arguments):
            return arguments

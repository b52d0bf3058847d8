"""The allow-listed expression grammar of derived columns and row filters: text → a small frozen tree, never `eval`.

Python's own parser reads the text and every node that is not listed here is refused. Quoted parts are taken out before,
so that texts hold no escapes and column names may hold anything: 'text', "text", `column name`; a quote is doubled to
stand for itself.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Literal

from orchestrator.contracts.expression_tree import (
    FUNCTIONS,
    Binary,
    BinaryOperator,
    Call,
    Choice,
    Column,
    Comparison,
    ComparisonOperator,
    Constant,
    Expression,
    ExpressionError,
    Logic,
    Member,
    Negative,
    Node,
    Not,
    Scalar,
    walk,
)
from orchestrator.contracts.text import is_unicode

__all__ = [
    "FUNCTIONS",
    "Binary",
    "BinaryOperator",
    "Call",
    "Choice",
    "Column",
    "Comparison",
    "ComparisonOperator",
    "Constant",
    "Expression",
    "ExpressionError",
    "Logic",
    "Member",
    "Negative",
    "Node",
    "Not",
    "Scalar",
    "parse",
    "walk",
]

MAX_LENGTH = 2000  # characters
MAX_DEPTH = 200  # nodes from the root to a leaf
MAX_NUMBER = 1e300


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """The tree of an expression; raises ExpressionError with the place of the first problem."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters")
    if not text.strip():
        raise ExpressionError("the expression is empty")
    if not is_unicode(text):
        raise ExpressionError("the expression holds what is no character: write it in UTF-8")
    plain, quoted = _take_out_quotes(text)
    try:
        tree = ast.parse(plain.lstrip(), mode="eval")
    except SyntaxError as error:
        offset = (error.offset or 1) - 1 + len(plain) - len(plain.lstrip())
        raise ExpressionError(f"the expression cannot be read: {error.msg}", min(offset, len(text))) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError("the expression cannot be read: it is nested too deeply") from None
    return Expression(text, _Reader(plain, quoted).read(tree.body, MAX_DEPTH))


def _take_out_quotes(text: str) -> tuple[str, dict[int, tuple[str, str]]]:
    """The text with each quoted part as underscores, and position → (quote, content)."""
    out: list[str] = []
    quoted: dict[int, tuple[str, str]] = {}
    at = 0
    while at < len(text):
        sign = text[at]
        if sign == "#":
            raise ExpressionError("'#' has no meaning in an expression (quote it if it is text)", at)
        if sign in "'\"`":
            end, content = _quoted(text, at)
            if _touches(text[at - 1 : at]) or _touches(text[end : end + 1]):
                raise ExpressionError("something stands directly beside a quote", at)
            quoted[at] = (sign, content)
            out.append("_" * (end - at))
            at = end
        else:
            out.append(" " if sign.isspace() else sign)
            at += 1
    return "".join(out), quoted


def _touches(sign: str) -> bool:
    return sign.isalnum() or sign in {"_", "'", '"', "`"}


def _quoted(text: str, start: int) -> tuple[int, str]:
    sign, at, content = text[start], start + 1, []
    while at < len(text):
        if text[at] != sign:
            content.append(text[at])
            at += 1
        elif text[at + 1 : at + 2] == sign:
            content.append(sign)
            at += 2
        else:
            return at + 1, "".join(content)
    raise ExpressionError(f"the quote {sign} is not closed", start)


_BINARY: dict[type[ast.operator], BinaryOperator] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARISON: dict[type[ast.cmpop], ComparisonOperator] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_WORDS: dict[str, Scalar] = {"true": True, "false": False}


class _Reader:
    """Turns Python's tree into ours, refusing what is not in the grammar."""

    def __init__(self, plain: str, quoted: dict[int, tuple[str, str]]) -> None:
        self._text = plain.lstrip()
        self._shift = len(plain) - len(self._text)
        self._bytes = None if plain.isascii() else self._text.encode()
        self._quoted = quoted

    def read(self, node: ast.expr, depth: int) -> Node:  # noqa: C901, PLR0911  (one case for each kind of node)
        if depth == 0:
            raise ExpressionError(f"the expression is nested more than {MAX_DEPTH} deep", self._at(node))
        below = depth - 1
        match node:
            case ast.Constant(value=value):
                return self._constant(node, value)
            case ast.Name():
                return self._name(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._negative(self.read(operand, below))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, below)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.read(operand, below))
            case ast.BinOp(op=operator) if type(operator) in _BINARY:
                return Binary(_BINARY[type(operator)], self.read(node.left, below), self.read(node.right, below))
            case ast.BoolOp():
                name: Literal["and", "or"] = "and" if isinstance(node.op, ast.And) else "or"
                return Logic(name, tuple(self.read(value, below) for value in node.values))
            case ast.Compare():
                return self._comparison(node, below)
            case ast.IfExp():
                return Choice(self.read(node.test, below), self.read(node.body, below), self.read(node.orelse, below))
            case ast.Call():
                return self._call(node, below)
        raise self._refused(node)

    def _at(self, node: ast.expr) -> int:
        offset = node.col_offset if self._bytes is None else len(self._bytes[: node.col_offset].decode())
        return offset + self._shift

    def _written(self, node: ast.Name) -> str:
        """The name as it stands in the text: Python's parser normalises letters, columns do not."""
        if self._bytes is None:
            return node.id
        return self._bytes[node.col_offset : node.end_col_offset].decode()

    def _refused(self, node: ast.expr) -> ExpressionError:
        hints = {
            ast.Attribute: "a dot has no meaning here; quote a column name that holds one with backticks",
            ast.Subscript: "brackets are only for lists after 'in'",
            ast.List: "a list is only for what follows 'in'",
            ast.Tuple: "a comma has no meaning here",
        }
        words = hints.get(type(node), f"{type(node).__name__} is not part of the expression language")
        return ExpressionError(words, self._at(node))

    def _constant(self, node: ast.expr, value: object) -> Constant:
        if isinstance(value, complex) or not isinstance(value, int | float | None):
            raise self._refused(node)
        if value is not None and not abs(value) < MAX_NUMBER:
            raise ExpressionError("the number is too large", self._at(node))
        return Constant(value)

    @staticmethod
    def _negative(operand: Node) -> Node:
        if isinstance(operand, Constant) and type(operand.value) in {int, float}:
            return Constant(-operand.value)  # type: ignore[operator]
        return Negative(operand)

    def _name(self, node: ast.Name) -> Node:
        found = self._quoted.get(self._at(node))
        if found is None:
            return Constant(_WORDS[node.id]) if node.id in _WORDS else Column(self._written(node))
        sign, content = found
        return Column(content) if sign == "`" else Constant(content)

    def _comparison(self, node: ast.Compare, below: int) -> Node:
        parts: list[Node] = []
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In):
                parts.append(self._member(left, right, below))
            elif isinstance(operator, ast.NotIn):
                parts.append(Not(self._member(left, right, below)))
            elif type(operator) in _COMPARISON:
                parts.append(Comparison(_COMPARISON[type(operator)], self.read(left, below), self.read(right, below)))
            else:
                raise ExpressionError("'is' has no meaning here (use ==, or is_missing(column))", self._at(node))
            left = right
        return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))

    def _member(self, left: ast.expr, right: ast.expr, below: int) -> Member:
        if not isinstance(right, ast.List | ast.Tuple):
            raise ExpressionError("'in' wants a list: in [1, 2]", self._at(right))
        values = []
        for element in right.elts:
            constant = self.read(element, below)
            if not isinstance(constant, Constant):
                raise ExpressionError("the list after 'in' holds only numbers and quoted texts", self._at(element))
            values.append(constant.value)
        return Member(self.read(left, below), tuple(values))

    def _call(self, node: ast.Call, below: int) -> Call:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            raise ExpressionError(f"unknown function {name!r} (there are: {known})", self._at(node))
        fewest, most = FUNCTIONS[name]
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise ExpressionError(f"{name}() takes its arguments by position", self._at(node))
        if len(node.args) < fewest or (most is not None and len(node.args) > most):
            raise ExpressionError(f"{name}() takes {_count(fewest, most)}, not {len(node.args)}", self._at(node))
        return Call(name, tuple(self.read(argument, below) for argument in node.args))


def _count(fewest: int, most: int | None) -> str:
    if most is None:
        return f"at least {fewest} arguments"
    if fewest == most:
        return "1 argument" if fewest == 1 else f"{fewest} arguments"
    return f"{fewest} to {most} arguments"

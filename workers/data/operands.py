"""The values that expressions compute with: one kind and one numpy array for a whole column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from workers.data import cells

OperandKind = Literal["number", "boolean", "text", "date", "none"]


class WrongKind(Exception):
    """An operation on values that it is not for; becomes a DataError with the expression's text."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A column of one kind: float64 (booleans as 1, 0 and NaN), datetime64[us], or texts with None.

    Kind `none` has no value in any row, and may stand for any kind.
    """

    kind: OperandKind
    data: np.ndarray[Any, Any]
    name: str | None = field(default=None)  # of the column that it is
    written: str | float | bool | None = field(default=None)  # of the constant that it is

    @classmethod
    def constant(cls, value: str | float | bool | None, rows: int) -> Operand:
        """The same value in every row."""
        if value is None:
            return cls("none", np.full(rows, np.nan))
        if isinstance(value, str):
            data = np.full(rows, value if value.strip() else None, dtype=object)
            return cls("text", data, written=value)
        return cls("boolean" if isinstance(value, bool) else "number", np.full(rows, float(value)), written=value)

    @classmethod
    def column(cls, name: str, column: pd.Series[Any]) -> Operand:
        """A column of a table as it is; without any value it may stand for any kind."""
        if not cells.is_date(column) and bool(cells.missing(column).all()):
            return cls("none", np.full(len(column), np.nan), name=name)
        if cells.is_boolean(column):
            return cls("boolean", cells.booleans(column).values.to_numpy(), name=name)
        if cells.is_number(column):
            values = cells.numbers(column).values.to_numpy(copy=True)
            values[~np.isfinite(values)] = np.nan
            return cls("number", values, name=name)
        if cells.is_date(column):
            return cls("date", cells.naive(column).to_numpy(dtype="datetime64[us]"), name=name)
        return cls.of_texts(cells.texts(column).tolist(), name=name)

    @classmethod
    def of_texts(cls, texts: Sequence[Any], name: str | None = None) -> Operand:
        """Texts, where blank ones are missing."""
        data = np.empty(len(texts), dtype=object)
        data[:] = [text if isinstance(text, str) and text.strip() else None for text in texts]
        return cls("text", data, name=name)

    def missing(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Where there is no value."""
        return np.asarray(pd.isna(self.data), dtype=bool)

    def numbers(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The numbers; booleans count as 1 and 0."""
        if self.kind in ("number", "boolean", "none"):
            return self.data
        raise WrongKind(
            f"{self._called()} is {_with_article(self.kind)}, where a number is needed{self._cast('float')}"
        )

    def booleans(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """1, 0 and NaN of a condition."""
        if self.kind in ("boolean", "none"):
            return self.data
        raise WrongKind(
            f"{self._called()} is {_with_article(self.kind)}, where a condition is needed (compare it with something)"
        )

    def texts(self) -> list[str | None]:
        """The texts."""
        if self.kind == "none":
            return [None] * len(self.data)
        if self.kind == "text":
            return list(self.data)
        raise WrongKind(f"{self._called()} is {_with_article(self.kind)}, where text is needed{self._cast('text')}")

    def dates(self) -> np.ndarray[Any, np.dtype[np.datetime64]]:
        """The dates; a text constant may spell one."""
        if self.kind == "date":
            return self.data
        if self.kind == "none":
            return np.full(len(self.data), np.datetime64("NaT", "us"))
        if self.kind == "text" and isinstance(self.written, str):
            read = cells.dates(pd.Series([self.written], dtype="str"))
            if bool(read.invalid.any()):
                raise WrongKind(f"{self.written!r} is not a date (write it as '2024-12-31')")
            return np.full(len(self.data), read.values.to_numpy(dtype="datetime64[us]")[0])
        raise WrongKind(f"{self._called()} is {_with_article(self.kind)}, where a date is needed{self._cast('date')}")

    def series(self, index: pd.Index[Any]) -> pd.Series[Any]:
        """The column that a table keeps, of one type for each kind."""
        if self.kind == "boolean":
            truths = pd.array(self.data == 1.0, dtype="boolean")
            truths[self.missing()] = pd.NA
            return pd.Series(truths, index=index)
        return pd.Series(self.data, index=index, dtype="str" if self.kind == "text" else None)

    def _called(self) -> str:
        if self.name is not None:
            return f"column {self.name!r}"
        return repr(self.written) if self.written is not None else "a value"

    def _cast(self, to: str) -> str:
        return f" (prepare: cast: {{{self.name}: {{to: {to}}}}})" if self.name is not None else ""


def unify(operands: Sequence[Operand], doing: str) -> list[Operand]:
    """The operands as values of one kind: truths beside numbers are numbers, text constants beside dates dates."""
    kinds = {operand.kind for operand in operands} - {"none"}
    if kinds <= {"number", "boolean"}:
        kind: OperandKind = "boolean" if kinds == {"boolean"} else "number" if kinds else "none"
        return [Operand(kind, operand.numbers()) for operand in operands]
    if kinds == {"text"}:
        return [Operand.of_texts(operand.texts()) for operand in operands]
    if "date" in kinds and kinds <= {"date", "text"}:
        return [Operand("date", operand.dates()) for operand in operands]
    raise WrongKind(f"{doing} {' and '.join(_with_article(kind) for kind in sorted(kinds))}")


def missing_of(kind: OperandKind) -> Any:
    """What stands in an array of this kind where there is no value."""
    if kind == "text":
        return None
    return np.datetime64("NaT") if kind == "date" else np.nan


def _with_article(kind: str) -> str:
    return kind if kind == "text" else f"a {kind}"

"""YAML 1.2 scalars: `1e-4` is a number, `no` and `on` are text; what has leading zeros stays text."""

from __future__ import annotations

import re

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST = 40  # digits of a number


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar; raises ValueError, in words, for a number that JSON cannot hold."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number (leave the bound out instead)")
    if not (_FLOAT.fullmatch(text) or _HEXADECIMAL.fullmatch(text)):
        return text
    if len(text) > _LONGEST:
        raise ValueError(f"a number of {len(text)} characters is too long (quote it if it is text)")
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    return int(text) if _INTEGER.fullmatch(text) else _finite(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"{text} is too large a number")
    return number

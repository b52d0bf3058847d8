"""Names and quantities as people write them: lengths of time, amounts of memory, shares, bounds, lists of one."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_MEGABYTES = {"MB": 1, "GB": 1024}


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(ms|s|m|h|d|w)", value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a length of time (write 90s, 10m, 2h or 7d)")
    return float(found[1]) * _SECONDS[found[2]]


def _memory(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+) ?(MB|GB)", value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not an amount of memory (write 500MB or 2GB)")
    return int(found[1]) * _MEGABYTES[found[2]]


def share_of(value: Any) -> Any:
    """`1%` and `<= 1%` are 0.01."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(?:<= ?)?(\d+(?:\.\d+)?) ?(%?)", value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a share (write 0.01, 1% or '<= 1%')")
    return float(found[1]) / (100 if found[2] else 1)


def _bound(value: Any) -> Any:
    if isinstance(value, str) and not re.match(r"\d{4}-\d{2}-\d{2}(?!\d)", value):
        raise ValueError(f"{value!r} is neither a number nor a date (write dates as '2024-12-31')")
    return value


def listed(value: Any) -> Any:
    """A text is a list of one."""
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


def _any_of(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
PositiveInt = Annotated[int, Field(ge=1)]
Duration = Annotated[float, BeforeValidator(_duration, json_schema_input_type=float | str)]
Memory = Annotated[int, BeforeValidator(_memory, json_schema_input_type=int | str)]
Share = Annotated[float, BeforeValidator(share_of, json_schema_input_type=float | str)]
Bound = Annotated[float | str, BeforeValidator(_bound, json_schema_input_type=float | str)]
Several = Annotated[tuple[Any, ...], BeforeValidator(_any_of, json_schema_input_type=Any)]
OneOrMany = Annotated[tuple[str, ...], BeforeValidator(listed, json_schema_input_type=str | tuple[str, ...])]

"""`@stage`: marks a plain function as a stage of a workflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class StageMark:
    """What `@stage` says about a function."""

    name: str
    queue: str  # the pool that runs it, unless the spec names another
    rowwise: bool  # each row comes out of its own values alone: the stage may ship inside the model's bundle
    requires: tuple[str, ...]  # PEP 508 requirements, checked on the pool before anything is imported


def stage(
    name: str, *, queue: str = "prep", rowwise: bool = False, requires: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Mark a function as the stage `name`; the function itself stays as it is and can be called as plain Python."""
    required = (requires,) if isinstance(requires, str) else tuple(requires)

    def mark(function: Function) -> Function:
        function.__stage__ = StageMark(name, queue, rowwise, required)  # type: ignore[attr-defined]
        return function

    return mark

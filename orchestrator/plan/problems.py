"""What is wrong with a spec that only planning can see; positions in the file are added by whoever has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.contracts.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, at a place in the spec: ("stages", 0, "after")."""

    place: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        """`stages[0].after: …`."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place).lstrip(".")
        return f"{text}: {self.message}"


class CannotPlan(InvalidInput):
    """A spec that is well-formed but makes no plan; all of its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

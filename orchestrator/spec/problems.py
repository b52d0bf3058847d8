"""What is wrong with a file, collected so that a person sees all of it at once."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.contracts.errors import SpecError
from orchestrator.contracts.suggestions import nearest
from orchestrator.spec.written import Place

LONGEST = 2000  # characters of a problem


class Problems:
    """A list of problems with their places; each is said once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Place, str], None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, message: str) -> None:
        """Note one problem."""
        self._found[place, message] = None

    def at(self, place: Place) -> bool:
        """Whether something is already wrong at this place."""
        return any(found == place for found, _ in self._found)

    def lines(self) -> list[str]:
        """One line for each problem, in the order of the file."""
        return [f"{place}: {_line(message)}" for place, message in sorted(self._found)]

    def raise_any(self) -> None:
        """Raise SpecError with all problems, where there is one."""
        if self._found:
            raise SpecError(self.lines())


def _line(message: str) -> str:
    """One line, not too long: a message may repeat what stands in the file."""
    line = " ".join(message[: 2 * LONGEST].split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, ` (there are: a, b)` where few are known and none is near, or nothing."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f" (did you mean {near!r}?)"
    return f" (there are: {', '.join(names)})" if 0 < len(names) <= 12 else ""

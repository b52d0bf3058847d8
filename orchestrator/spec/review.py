"""A spec under review: the models, the file that they came from, and what is found wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.contracts.expressions import Expression, ExpressionError, parse
from orchestrator.spec.models import Spec
from orchestrator.spec.problems import Problems
from orchestrator.spec.written import Step, Written


@dataclass(frozen=True, slots=True)
class Review:
    """What every rule is given. `guessed` names parts of the objective that had to be made up to go on."""

    spec: Spec
    document: Written
    problems: Problems
    guessed: frozenset[str] = field(default_factory=frozenset)

    def note(self, location: Sequence[Step], message: str, *, key: bool = False) -> None:
        """A problem at a location of the models."""
        self.problems.add(self.document.place_of(location, key=key), message)

    def knows(self, *parts: str) -> bool:
        """Whether these parts of the objective are the person's own."""
        return not self.guessed.intersection(parts)

    def expression(self, location: Sequence[Step], text: str) -> Expression | None:
        """The parsed expression, or None and a problem at the character that is wrong."""
        try:
            return parse(text)
        except ExpressionError as error:
            written = self.document.at(self.document.find(location))
            self.problems.add(written.within(error.position), error.message)
            return None

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the team's own modules are looked for."""
        return tuple(self.spec.directory / path for path in self.spec.code.path)

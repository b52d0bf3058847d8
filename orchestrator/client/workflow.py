"""A workflow file, loaded and checked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.contracts.errors import SpecError
from orchestrator.plan.problems import CannotPlan
from orchestrator.spec.loading import load
from orchestrator.spec.models import Spec


@dataclass(frozen=True, slots=True)
class Workflow:
    """A spec with the file that it stands in."""

    path: Path
    spec: Spec
    overrides: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None  # for ${NAME}; the process's own when None

    @classmethod
    def load(
        cls, path: str | Path, overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> Workflow:
        """The workflow in a file, with overrides as `--set` writes them: "train.search.folds=3".

        Raises SpecError with everything that is wrong with it.
        """
        file = Path(path)
        variables = os.environ if environment is None else environment
        spec = load(file, overrides=tuple(overrides), environment=variables)
        return cls(file, spec, tuple(overrides), environment)

    def seeded(self, seed: int) -> Workflow:
        """The same workflow with another seed of everything that is drawn."""
        return Workflow.load(self.path, (*self.overrides, f"seed={seed}"), self.environment)

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Turn problems that only planning sees into lines of this file."""
        try:
            yield
        except CannotPlan as error:
            raise SpecError(self._lines(error)) from None

    def _lines(self, error: CannotPlan) -> list[str]:
        from orchestrator.spec.problems import Problems
        from orchestrator.spec.reading import read
        from orchestrator.spec.written import Place

        variables = os.environ if self.environment is None else self.environment
        text = self.path.read_text(encoding="utf-8-sig")
        document = read(text, lambda line, column: Place(str(self.path), line + 1, column + 1), variables, Problems())
        if document is None:
            return [f"{self.path}: {problem}" for problem in error.problems]
        return [f"{document.place_of(problem.place)}: {problem.message}" for problem in error.problems]

"""Writing a small workflow and its data into a folder, and the problems that loading it finds."""

from __future__ import annotations

from pathlib import Path

from orchestrator.contracts.errors import SpecError
from orchestrator.spec.loading import load
from orchestrator.spec.models import Spec

HEADER = "id,age,income,city,when,bought"
SMALLEST = "objective: {predict: bought, task: classification}\ndata: {sources: {people: {file: people.csv}}}\n"


def write(folder: Path, text: str, *, header: str = HEADER) -> Path:
    """A workflow file beside people.csv."""
    (folder / "people.csv").write_text(f"{header}\n" + ",".join("1" * len(header.split(","))) + "\n", encoding="utf-8")
    path = folder / "flow.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, more: str = "", *sets: str, **environment: str) -> Spec:
    """The spec of the smallest workflow with more lines."""
    return load(write(folder, SMALLEST + more), overrides=sets, environment=environment)


def problems(folder: Path, text: str, *sets: str, **environment: str) -> list[str]:
    """What is wrong with a whole file, each line without the folder."""
    path = write(folder, text)
    try:
        load(path, overrides=sets, environment=environment)
    except SpecError as error:
        return [line.replace(f"{path}:", "") for line in error.problems]
    return []


def found(folder: Path, more: str, *sets: str, **environment: str) -> list[str]:
    """What is wrong with lines that are added to the smallest workflow; they begin on line 3."""
    return problems(folder, SMALLEST + more, *sets, **environment)

"""Starter projects: a commented workflow file beside real data."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from orchestrator.contracts.errors import InvalidInput
from orchestrator.spec.problems import did_you_mean

EXAMPLES = ("cancer", "wine", "diabetes", "digits")


def write_starter(directory: Path, example: str | None) -> list[Path]:
    """Write an example (cancer by default) into a folder; raises InvalidInput rather than overwrite a file."""
    name = example or EXAMPLES[0]
    if name not in EXAMPLES:
        raise InvalidInput(f"there is no example {name!r}{did_you_mean(name, EXAMPLES)}")
    source = resources.files("orchestrator").joinpath("starters", name)
    files = {
        directory / f"{name}.yaml": source.joinpath(f"{name}.yaml"),
        directory / "data" / f"{name}.csv": source.joinpath("data", f"{name}.csv"),
    }
    for target in files:
        if target.exists():
            raise InvalidInput(
                f"{target} exists already: nothing was written (choose another folder: cyclery init DIR)"
            )
    try:
        for target, content in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                out.write(content.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{error.filename or directory} cannot be written: {error.strerror}") from None
    return list(files)

"""Where a run's workflow file stands on this machine, so that a retry can plan from it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

KEPT = 500  # runs


@dataclass(frozen=True, slots=True)
class Origin:
    """The file and the overrides that a run was submitted with."""

    file: Path
    overrides: tuple[str, ...]


class Origins:
    """Origins by run, one small file each, in the home."""

    def __init__(self, home: Path) -> None:
        self._folder = home.absolute() / "runs"

    def keep(self, run: str, origin: Origin) -> None:
        """Note where a run came from."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"file": str(origin.file.absolute()), "overrides": origin.overrides})
        (self._folder / f"{run}.json").write_text(text)
        kept = list(self._folder.iterdir())
        if len(kept) > KEPT:
            for old in sorted(kept, key=lambda path: path.stat().st_mtime)[: len(kept) - KEPT]:
                old.unlink(missing_ok=True)

    def of(self, run: str) -> Origin | None:
        """Where a run came from; None when it was submitted from somewhere else."""
        try:
            found = json.loads((self._folder / f"{run}.json").read_text())
            return Origin(Path(found["file"]), tuple(map(str, found["overrides"])))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):  # not there, or not what was written there
            return None

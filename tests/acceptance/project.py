"""A project folder and the real command in it, as a person has them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).with_name("cyclery"))


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on stdout; there must be nothing else."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with workflow files and an embedded stack of its own."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Without settings from outside, without colour."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CYCLERY_")}
        return kept | {"NO_COLOR": "1", "CYCLERY_AUTHOR": "tester"} | more

    def say(self, *words: str, timeout: float = 240, **more: str) -> Said:
        """`cyclery WORDS`, whatever its exit code."""
        done = subprocess.run(
            [COMMAND, *words], cwd=self.folder, env=self.environment(**more), capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The same, left running."""
        return subprocess.Popen(
            [COMMAND, *words], cwd=self.folder, env=self.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def document(self, *words: str, code: int = 0) -> Any:
        """`cyclery WORDS --json`, which must answer `code`."""
        said = self.say(*words, "--json")
        assert said.code == code, f"{words} answered {said.code}\n{said.out}\n{said.err}"
        return said.json

    def write(self, name: str, text: str) -> Path:
        """A file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def copy(self, source: Path) -> None:
        """A folder of the repository, into the project."""
        shutil.copytree(
            source, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".cyclery")
        )


def stages(document: Any) -> dict[str, Any]:
    """The stages of a run document by id."""
    return {stage["id"]: stage for stage in document["stages"]}

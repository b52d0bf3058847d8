"""One of our modules in a process of its own, where a bundle may run its team's code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REFUSED = 3  # exit status: the one line on stderr is meant for people


class Ended(Exception):
    """The process ended otherwise than well; `line` is the last one that it said."""

    def __init__(self, line: str, *, refused: bool) -> None:
        super().__init__(line)
        self.line, self.refused = line, refused


def in_own_process(module: str, *arguments: str | Path) -> None:
    """Run `python -P -m module` with this installation's code, and wait for it. Raises Ended.

    Modules beside a person's workflow (a `random.py`, a `py.py`) are not looked at: `-P` leaves out the folder in which
    the pool was started.
    """
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise Ended(lines[-1], refused=done.returncode == REFUSED)

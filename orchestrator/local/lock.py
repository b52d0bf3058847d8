"""A lock file that the system frees when its holder ends, however it ends, and that is removed when it is freed."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from orchestrator.contracts.errors import Unreachable

_EVERY = 0.02  # seconds between two tries


class Lock:
    """An exclusive lock; `with` waits at most `patience` seconds for it."""

    def __init__(self, path: Path, patience: float, busy: str) -> None:
        self.path = path
        self.patience = patience
        self.busy = busy  # what to say when somebody keeps it longer
        self._file: int | None = None

    def __enter__(self) -> Lock:
        deadline = time.monotonic() + self.patience
        while not self._take():
            if time.monotonic() > deadline:
                raise Unreachable(self.busy)
            time.sleep(_EVERY)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._file is not None  # noqa: S101
        self.path.unlink(missing_ok=True)  # while it is held: whoever waits on this file sees that it is gone
        os.close(self._file)

    def _take(self) -> bool:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_ino == self.path.stat().st_ino:
                self._file = file
                return True
        except (BlockingIOError, FileNotFoundError):
            pass  # held by another, or removed by its last holder: try again
        os.close(file)
        return False


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock; a file that a killed one left behind does not count."""
    try:
        file = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False

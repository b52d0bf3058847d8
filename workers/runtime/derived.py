"""Files that are derived from artifacts, built once per host and shared by mapping; never uploaded."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Derived:
    """A folder of derived files, bounded; the least recently used go first.

    A file that somebody has mapped stays readable after it was removed, so removing needs no agreement.
    """

    folder: Path
    limit: int  # bytes

    def file(self, key: str, build: Callable[[Path], None]) -> Path:
        """The file of this key; `build(path)` writes it where there is none, in one process of the host at a time."""
        name = hashlib.sha256(key.encode()).hexdigest()
        path = self.folder / name
        if self._touch(path):
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder / f"{name}.lock"):
            if not self._touch(path):
                self._build(path, build)
        return path

    def _build(self, path: Path, build: Callable[[Path], None]) -> None:
        handle, name = tempfile.mkstemp(prefix="building-", dir=self.folder)
        os.close(handle)
        building = Path(name)
        try:
            build(building)
            self._make_room(building.stat().st_size)
            building.rename(path)
        finally:
            building.unlink(missing_ok=True)

    @staticmethod
    def _touch(path: Path) -> bool:
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def _make_room(self, needed: int) -> None:
        kept = sorted(self._kept(), reverse=True)
        total = needed
        for _, size, path in kept:
            total += size
            if total > self.limit:
                path.unlink(missing_ok=True)

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        for path in self.folder.iterdir():
            if path.suffix == ".lock" or path.name.startswith("building-"):
                continue
            try:
                found = path.stat()
            except FileNotFoundError:  # another process made room
                continue
            yield found.st_mtime, found.st_size, path


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Held by one process of the host at a time; the system lets go of it when that process dies."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield

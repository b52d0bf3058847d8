"""The host's cache: copies of remote artifacts and files derived from artifacts, bounded, shared by all processes.

Files appear whole, by renaming. The least recently used ones go first, never one that was used within `grace_s`;
who has a file open or mapped keeps it even then.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.contracts.errors import Unreachable
from orchestrator.store.locks import file_lock

GRACE_S = 900.0  # between being given a path and opening it
CODE_KEEP_S = 30 * 86400.0  # of unpacked snapshots of a team's code, after their last use
KEEP_SHARE = 7 / 8  # of the bound, after an eviction
FULL = (errno.ENOSPC, errno.EDQUOT)
DISK_ERRORS = (*FULL, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO)  # that no caller is to blame for


class HostCache:
    """A folder of files that can be fetched or made again."""

    def __init__(self, root: Path, max_bytes: int, grace_s: float = GRACE_S) -> None:
        self.root = root
        self._max_bytes = max_bytes
        self._grace_s = grace_s

    def derived(self, key: str, build: Callable[[Path], None]) -> Path:
        """The file that `build` makes for this key: built once per host, whoever asks first; the others wait.

        `build` writes the path that it is given; the same key must always mean the same content.
        """
        return self.file("derived", hashlib.sha256(key.encode()).hexdigest(), build)

    def derived_unless_busy(self, key: str, build: Callable[[Path], None]) -> Path | None:
        """The same; None, at once, while another process of the host is making it."""
        try:
            return self.file("derived", hashlib.sha256(key.encode()).hexdigest(), build, wait=False)
        except BlockingIOError:
            return None

    def file(self, folder: str, name: str, build: Callable[[Path], None], *, wait: bool = True) -> Path:
        """The file of this name, made by `build` unless it is there.

        While another process makes it, wait; or raise BlockingIOError.
        """
        target = self.root / folder / name[:2] / name
        try:
            if not self._touch(target):
                with file_lock(self.root / "locks" / f"{folder}-{name}", wait=wait):
                    if not self._touch(target):
                        self._make(target, build)
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            raise Unreachable(
                f"the cache {self.root} takes no more ({error.strerror}): free some space, or set CYCLERY_CACHE"
            ) from error
        return target

    def forget(self, path: Path) -> None:
        """Remove a file that turned out to be bad."""
        path.unlink(missing_ok=True)

    def clean(self, older_than_s: float) -> int:
        """Remove what crashed processes left half written, and code that nobody used for a month; how many."""
        removed = remove_older(self.root / "tmp", older_than_s)
        now = time.time()
        for folder in (self.root / "code").glob("*"):
            keep_s = older_than_s if folder.suffix == ".tmp" else CODE_KEEP_S
            if now - folder.stat().st_mtime > keep_s:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed

    def _make(self, target: Path, build: Callable[[Path], None]) -> None:
        try:
            self._build(target, build)
        except OSError as error:
            if error.errno not in FULL or not self._give_way():
                raise
            self._build(target, build)
        self._account(target.stat().st_size)

    def _build(self, target: Path, build: Callable[[Path], None]) -> None:
        temporary = self.root / "tmp" / f"{target.name}.{os.getpid()}.{os.urandom(4).hex()}"
        temporary.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            build(temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def _give_way(self) -> bool:
        """The disk is full, whoever filled it: remove what was not used for a while; whether there was any."""
        with file_lock(self.root / "locks" / "usage"):
            before = sum(stat.st_size for _, stat in self._files())
            return self._evict(bound=0) < before

    def _touch(self, path: Path) -> bool:
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def _account(self, added: int) -> None:
        """Note the size of a new file, and evict when the noted total passes the bound."""
        with file_lock(self.root / "locks" / "usage"):
            total = self._noted()
            if total is None or total + added > self._max_bytes:
                total = self._evict(self._max_bytes)
            else:
                total += added
            (self.root / "usage").write_text(str(total))

    def _noted(self) -> int | None:
        """The total as last noted; None when nobody did, or a crash cut the note off."""
        try:
            return int((self.root / "usage").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _evict(self, bound: int) -> int:
        """Remove the least recently used files if there is more than the bound; the bytes that are left."""
        found = sorted((stat.st_mtime, stat.st_size, path) for path, stat in self._files())
        total = sum(size for _, size, _ in found)
        if total <= bound:
            return total
        recent = time.time() - self._grace_s
        for used, size, path in found:
            if total <= bound * KEEP_SHARE or used > recent:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for folder in ("objects", "derived"):
            for path in (self.root / folder).glob("*/*"):
                try:
                    found.append((path, path.stat()))
                except FileNotFoundError:  # another process forgot it
                    continue
        return found


def remove_older(folder: Path, older_than_s: float, pattern: str = "**/*") -> int:
    """Remove files below a folder that nobody wrote to for so long; how many."""
    limit = time.time() - older_than_s
    removed = 0
    for path in folder.glob(pattern):
        try:
            if path.is_file() and path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
        except FileNotFoundError:  # finished or removed meanwhile
            continue
    return removed

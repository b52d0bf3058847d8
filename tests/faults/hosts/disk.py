"""Disks of their own, small enough to be filled, for a store, a cache or a home."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path

from tests.faults.hosts.programs import order
from tests.waiting import wait_until

BALLAST = ".ballast"
BLOCK = 64 << 10


class SmallDisk:
    """A file system in memory, mounted at a folder."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self.megabytes = megabytes

    def start(self) -> SmallDisk:
        """Mount it; what was in the folder is out of sight."""
        self.folder.mkdir(parents=True, exist_ok=True)
        order("mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "cyfaults", str(self.folder))
        return self

    def fill(self) -> None:
        """Take all the space that is left."""
        with (self.folder / BALLAST).open("ab", buffering=0) as sink, contextlib.suppress(_Full):
            while True:
                _write(sink.fileno())

    def free(self) -> None:
        """Give the space back."""
        (self.folder / BALLAST).unlink(missing_ok=True)

    def freeze(self) -> None:
        """Read-only from now on, as soon as nobody has a file open for writing."""
        wait_until(self._remounted_read_only, timeout=60)

    def thaw(self) -> None:
        """Writable again."""
        order("mount", "-o", "remount,rw", str(self.folder))

    def close(self) -> None:
        """Unmount it, also under whoever still looks at it."""
        order("umount", "--lazy", str(self.folder))

    def _remounted_read_only(self) -> bool:
        command = ["mount", "-o", "remount,ro", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class _Full(Exception):
    """No space is left."""


def _write(descriptor: int) -> None:
    try:
        os.write(descriptor, b"\0" * BLOCK)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _Full from error
        raise

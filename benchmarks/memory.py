"""The peak memory of a tree of processes, as proportional set size: a page that k share counts 1/k in each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

EVERY_S = 0.2


class Peak:
    """The most that a tree has held so far."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._head = psutil.Process(pid)

    @property
    def mb(self) -> float:
        """In MiB."""
        return self.bytes / 2**20

    def look(self) -> None:
        """Sum the tree once."""
        with suppress(psutil.NoSuchProcess):
            tree = [self._head, *self._head.children(recursive=True)]
            self.bytes = max(self.bytes, sum(map(_proportional, tree)))


def _proportional(process: psutil.Process) -> int:
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@contextmanager
def watched(pid: int) -> Iterator[Peak]:
    """Look at the tree a few times a second for as long as the block lasts."""
    peak, done = Peak(pid), threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_S):
            peak.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        peak.look()

"""What a process started, and how much memory it holds: read from /proc where there is one, a few times a second."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

_PROC = Path("/proc")
_HAS_CHILDREN = (_PROC / "self/task" / str(os.getpid()) / "children").exists()
_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    """Processes that this one started, and those that they started, as far as they live; not the process itself."""
    if not _HAS_CHILDREN:
        with contextlib.suppress(psutil.Error):
            return [process.pid for process in psutil.Process(pid).children(recursive=True)]
        return []
    found: list[int] = []
    for child in _children(pid):
        found += [child, *descendants(child)]
    return found


def resident(pid: int) -> int:
    """Resident memory, bytes; 0 when the process is gone."""
    if not _HAS_CHILDREN:
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
        return 0
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # a process, or one of its threads, ends while we look
        for task in os.scandir(_PROC / str(pid) / "task"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in Path(task.path, "children").read_text().split()]
    return found

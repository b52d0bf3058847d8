"""What a process started, how much memory it holds, and what ends it; read from /proc where there is one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

import psutil

_PROC = Path("/proc")
_HAS_CHILDREN = (_PROC / "self/task" / str(os.getpid()) / "children").exists()
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    """Processes that this one started, and those that they started, as far as they live; not the process itself."""
    if not _HAS_CHILDREN:
        with contextlib.suppress(psutil.Error):
            return [process.pid for process in psutil.Process(pid).children(recursive=True)]
        return []
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be taken note of does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


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


def end_with_parent(number: signal.Signals, parent: int | None = None) -> None:
    """Have this process told by a signal when its parent is gone (Linux); `parent` may be gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), number)


def adopt_orphans() -> None:
    """Have what descends from this process and loses its parent fall to this process, and not to the host's first."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def wakeup_pipe() -> tuple[int, int]:
    """Two ends of a pipe by which signals end a wait (signal.set_wakeup_fd)."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return reader, writer


def children(pid: int) -> list[int]:
    """What this process started, or adopted, itself; also what ended and was not taken note of yet."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # a process, or one of its threads, ends while we look
        for task in os.scandir(_PROC / str(pid) / "task"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in Path(task.path, "children").read_text().split()]
    return found

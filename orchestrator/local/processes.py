"""Processes of a stack: who they are although pids are reused, which belong to it, and how they are ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

MARKER = "CYCLERY_STACK"  # in the environment of every process of a stack, inherited by all that they start


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same pid, also after a reboot; None when it is gone."""
    try:
        return f"{_boot()}:{pid}:{_started(pid)}"
    except (OSError, psutil.Error):
        return None


def is_alive(pid: int, known: str) -> bool:
    """Whether the process that was known by this identity still lives."""
    return identity(pid) == known


def members(marker: str) -> list[psutil.Process]:
    """All living processes of a stack but this one and its ancestors, whoever started them."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in own and _is_marked(process, marker)]


def end(processes: Iterable[psutil.Process], patience: float) -> None:
    """Ask processes to stop, and kill those that have not after `patience` seconds."""
    alive = list(processes)
    _signal(alive, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(alive, timeout=patience)
    _signal(stubborn, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=5)


def sweep(marker: str, patience: float = 5.0) -> int:
    """End what a killed supervisor left behind, Redis last so that nobody loses it first; returns how many."""
    found = members(marker)
    servers = [process for process in found if _name(process) in ("redis-server", "valkey-server")]
    end((process for process in found if process not in servers), patience)
    end(servers, patience)
    end(members(marker), patience=0)  # what was started in between
    return len(found)


def await_end(marker: str, module: str, patience: float) -> None:
    """Wait until the members of a stack that run this module (`python -m MODULE`) have ended."""
    psutil.wait_procs([process for process in members(marker) if module in _command(process)], timeout=patience)


def _boot() -> str:
    known = Path("/proc/sys/kernel/random/boot_id")
    return known.read_text().strip() if known.exists() else str(int(psutil.boot_time()))


def _started(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return f"{psutil.Process(pid).create_time():.2f}"
    # Field 22, in ticks since the boot: unlike a date it does not move when the clock is set. The name (field 2)
    # may hold blanks and parentheses. A zombie has ended.
    fields = stat.read_text().rpartition(")")[2].split()
    if fields[0] == "Z":
        raise psutil.ZombieProcess(pid)
    return fields[19]


def _is_marked(process: psutil.Process, marker: str) -> bool:
    try:
        return process.environ().get(MARKER) == marker and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False  # another user's, or gone meanwhile


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue

"""Whose a process is, although pids come again."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from orchestrator.local.processes import MARKER, identity, is_alive, members, sweep

_SLEEP = "import sys, signal; print('up', flush=True); sys.stdin.read()"
_DEAF = "import sys, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); sys.stdin.read()"


def marked(marker: str, code: str = _SLEEP) -> subprocess.Popen[str]:
    """A living process that belongs to the stack with this marker."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, MARKER: marker},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_a_process_is_itself_and_nobody_else() -> None:
    known = identity(os.getpid())
    assert known is not None
    assert is_alive(os.getpid(), known)
    assert not is_alive(os.getppid(), known)


def test_an_ended_process_has_no_identity_even_before_it_is_reaped() -> None:
    with marked("m1") as process:
        known = identity(process.pid)
        assert known is not None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        assert not is_alive(process.pid, known)
        assert identity(process.pid) is None


def test_sweeping_ends_exactly_the_processes_of_the_marker() -> None:
    with marked("mine") as mine, marked("mine", _DEAF) as deaf, marked("theirs") as theirs:
        assert {process.pid for process in members("mine")} == {mine.pid, deaf.pid}
        assert sweep("mine", patience=0.2) == 2
        assert not psutil.pid_exists(mine.pid)
        assert not psutil.pid_exists(deaf.pid)
        assert theirs.poll() is None
        assert sweep("mine") == 0
        theirs.kill()

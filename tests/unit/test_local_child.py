"""A supervised process: started again after a growing pause, stopped with patience, its log bounded."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from orchestrator.local import child as module
from orchestrator.local.child import Child, Program
from tests.waiting import wait_until


def program(tmp_path: Path, code: str) -> Program:
    """A small Python program."""
    return Program("it", (sys.executable, "-c", code), tmp_path / "it.log")


def test_a_dead_process_is_started_again_after_a_pause_that_grows(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "raise SystemExit(1)"))
    child.start()
    pauses = []
    for expected in range(1, 4):
        wait_until(lambda: not child.alive)
        now = time.monotonic()
        assert child.tend(now)
        assert child.state().pid is None
        pauses.append(child.due - now)
        assert not child.tend(now)  # too early
        assert child.tend(child.due)
        assert child.state().restarts == expected
    assert pauses == sorted(set(pauses))
    child.await_stop(5)


def test_a_process_that_lasted_is_started_again_at_once(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "import sys; sys.stdin.read(); import time; time.sleep(60)"))
    child.start()
    child._pause = 30.0
    assert not child.tend(time.monotonic() + 60)
    child.await_stop(0)
    child.start()
    child.ask_to_stop()
    wait_until(lambda: not child.alive)
    now = time.monotonic()
    child.tend(now)
    assert child.due - now < 1


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    child = Child(program(tmp_path, deaf))
    child.start()
    wait_until((tmp_path / "it.log").read_text)
    child.ask_to_stop()
    child.await_stop(0.1)
    assert not child.alive


def test_a_full_log_is_cut_and_what_was_before_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_BYTES", 10)
    child = Child(program(tmp_path, "input()"))
    child.program.log.write_text("0123456789")
    child.trim()
    assert child.program.log.read_text() == "0123456789"
    child.program.log.write_text("0123456789a")
    child.trim()
    assert child.program.log.read_text() == ""
    assert (tmp_path / "it.log.1").read_text() == "0123456789a"

"""Logs: everything that a stage prints is caught, bounded, without secrets, and cheap where there is nothing."""

# ruff: noqa: T201  (printing is what is tested)
from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from workers.runtime.keeper import HEAD, TAIL, Keeper
from workers.runtime.live import LONGEST, LiveLines
from workers.runtime.logs import Capture
from workers.runtime.secret_values import HIDDEN, Redaction

SECRET = Redaction(("hunter2",))


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    capture = Capture()
    yield capture
    capture.close()


def test_catches_python_c_subprocesses_and_logging(capture: Capture) -> None:
    capture.start(Redaction())
    print("from python")
    ctypes.CDLL(None).puts(b"from c")
    os.write(2, b"from a descriptor\n")
    subprocess.run([sys.executable, "-c", "print('from a process')"], check=True)
    logging.getLogger("team").info("from %s", "logging")
    capture.stop()
    kept = capture.kept()
    assert kept is not None
    for source in ("from python", "from c", "from a descriptor", "from a process", "INFO team: from logging"):
        assert source in kept.decode()
    print("outside")
    assert capture.kept() == kept


def test_each_stage_has_its_own(capture: Capture) -> None:
    capture.start(Redaction())
    print("first")
    capture.stop()
    capture.start(Redaction())
    capture.stop()
    assert capture.kept() is None
    assert capture.lines(last=True) == []


def test_lines_come_while_it_runs_and_the_unfinished_one_at_the_end(capture: Capture) -> None:
    capture.start(SECRET)
    print("one\nhunter2\nhal", end="")
    sys.stdout.flush()
    assert capture.lines() == ["one", HIDDEN]
    print("f")
    capture.stop()
    assert capture.lines(last=True) == ["half"]
    assert capture.kept() == f"one\n{HIDDEN}\nhalf\n".encode()


def test_closing_or_replacing_stdout_is_survived(capture: Capture) -> None:
    before = sys.stdout
    capture.start(Redaction())
    print("kept")
    sys.stdout.close()
    capture.stop()
    assert sys.stdout is before
    capture.start(Redaction())
    print("again")
    capture.stop()
    assert capture.kept() == b"again\n"


def test_a_flood_is_bounded_in_memory_on_disk_and_live(capture: Capture) -> None:
    block = b"x" * 99 + b"\n"
    capture.start(Redaction())
    os.write(1, b"the first line\n")
    shown: list[str] = []
    for _ in range(40):
        os.write(1, block * 10_000)
        shown += capture.lines()
    os.write(1, b"the last line\n")
    blocks = os.fstat(1).st_blocks * 512
    capture.stop()
    kept = capture.kept()
    assert kept is not None
    assert len(kept) < HEAD + TAIL + 200
    assert kept.startswith(b"the first line\n")
    assert kept.endswith(b"the last line\n")
    assert b"MB cut" in kept
    assert sum(map(len, shown)) < 40 * (64 << 10)
    assert any("not shown live" in line for line in shown)
    if sys.platform == "linux":
        assert blocks < 20 << 20


def test_nothing_printed_costs_next_to_nothing(capture: Capture) -> None:
    best = min(_start_and_stop(capture) for _ in range(200))
    assert best < 50e-6


def _start_and_stop(capture: Capture) -> float:
    begun = time.perf_counter()
    capture.start(Redaction())
    capture.stop()
    capture.kept()
    return time.perf_counter() - begun


def test_the_keepers_cut_leaves_no_half_of_a_secret() -> None:
    keeper = Keeper(SECRET)
    keeper.add(b"a" * (HEAD - 3) + b"hunter2" + b"b" * 100_000)
    keeper.add(b"c" * TAIL)
    kept = keeper.text()
    assert kept is not None
    assert b"hun" not in kept


def test_a_line_without_end_is_shown_short_and_whole_secrets_hidden() -> None:
    live = LiveLines(SECRET)
    live.add(b"y" * 100_000 + b"hunter2" * 10)
    live.add(b" more\nnext\n")
    lines = live.take(last=False)
    assert "hunter" not in "".join(lines)
    assert lines[0] == "(a very long line)"
    live.add(b"z" * (LONGEST + 10) + b"\n")
    assert [len(line) for line in live.take(last=False)] == [LONGEST + 1]

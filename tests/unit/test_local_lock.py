"""The lock of a home: one holder, free as soon as it ends, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.contracts.errors import Unreachable
from orchestrator.local.lock import Lock, is_held

_HOLD = """
import sys
from pathlib import Path
from orchestrator.local.lock import Lock
with Lock(Path(sys.argv[1]), patience=5, busy="busy"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_taker_waits_and_then_says_who_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        assert is_held(path)
        with pytest.raises(Unreachable, match="somebody is at work"), Lock(path, 0.05, "somebody is at work"):
            pass
        process.kill()


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        process.kill()
    assert path.exists()
    assert not is_held(path)
    with Lock(path, 0, "busy"):
        assert is_held(path)


def test_a_freed_lock_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path, 0, "busy"):
        assert path.exists()
    assert not path.exists()
    assert not is_held(path)


def test_who_waited_on_a_removed_file_takes_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = holder(path)
    second = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    first.communicate("")
    assert second.stdout is not None
    assert second.stdout.readline() == "held\n"
    assert is_held(path)
    second.communicate("")
    assert not path.exists()

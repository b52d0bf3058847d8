"""A few of the same inputs for real processes: the command with its real streams, a guest with its real channel."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("cyclery"))


@pytest.mark.parametrize(
    "words",
    [
        [b"status", b"\xff\xfe"], [b"status", b""], [b"check", b"x" * 5000], [b"check", b"no\nfile \x1b[31m"],
        [b"model", "𝔘@\u2028".encode()], [b"\x1b[2J"], [b"runs", b"--limit", b"\xd9\xa3x"],
    ],
)  # fmt: skip
def test_the_command_answers_any_words_with_one_line(words: list[bytes], tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CYCLERY_")}
    for more in ([], [b"--json"]):
        said = [COMMAND, *words, *more]
        done = subprocess.run(said, cwd=tmp_path, env=kept, capture_output=True, timeout=120, check=False)
        lines = done.stderr.decode().splitlines()
        assert (done.returncode, len(lines)) == (2, 1), done.stderr
        assert "Traceback" not in lines[0]
        assert "defect" not in lines[0]
        assert not any(ord(sign) < 32 for sign in lines[0])
        assert not more or json.loads(done.stdout)["exit_code"] == 2


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x02{}", b"\0\0\0\x05hello", b"\xff" * 40])
def test_a_guest_that_is_told_garbage_ends_without_a_word(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            guest = subprocess.Popen(
                [sys.executable, "-P", "-m", "workers.runtime.guest", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        assert guest.communicate(timeout=120) == (b"", b"")
        assert guest.returncode == 0

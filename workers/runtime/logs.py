"""Everything that a stage prints or logs, caught per attempt: shown while it runs, kept when it ended.

Output goes to an unlinked file instead of a pipe: a full pipe would stall a C library that prints while it holds the
interpreter's lock. What was read is punched out of the file, so that endless output fills neither disk nor Redis.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import logging
import os
import sys
import tempfile
import threading
from typing import TextIO

from workers.runtime.keeper import Keeper
from workers.runtime.live import LiveLines
from workers.runtime.secret_values import Redaction
from workers.runtime.streams import FORMAT, flush_all, text_stream

_CHUNK = 1 << 20
_PUNCH_EVERY = 8 << 20
_FALLOC_FL_KEEP_SIZE, _FALLOC_FL_PUNCH_HOLE = 1, 2


class Capture:
    """The output of one process, one stage after another. Made once per process, after the fork."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (lives as long as the process)
        self._fd = self._file.fileno()
        fcntl.fcntl(self._fd, fcntl.F_SETFL, fcntl.fcntl(self._fd, fcntl.F_GETFL) | os.O_APPEND)
        self._real = (os.dup(1), os.dup(2))
        self._libc = ctypes.CDLL(None)
        self._text = text_stream(self._fd)
        self._lock = threading.Lock()
        self._outer: tuple[TextIO, TextIO, list[logging.Handler], int] | None = None
        self._begin(Redaction())

    def start(self, redaction: Redaction) -> None:
        """From now on output belongs to a stage, and secrets are taken out of it."""
        flush_all()
        if self._text.closed:  # a stage closed sys.stdout
            self._text = text_stream(self._fd)
        with self._lock:
            self._begin(redaction)
        root = logging.getLogger()
        self._outer = (sys.stdout, sys.stderr, root.handlers, root.level)
        handler = logging.StreamHandler(self._text)
        handler.setFormatter(logging.Formatter(FORMAT))
        root.handlers = [handler]
        if root.level != logging.INFO:  # setting it clears every logger's cache
            root.setLevel(logging.INFO)
        os.dup2(self._fd, 1)
        os.dup2(self._fd, 2)
        sys.stdout = sys.stderr = self._text

    def stop(self) -> None:
        """Output is the process's own again; what the stage left is still here to be read."""
        if self._outer is None:
            return
        flush_all()
        with contextlib.suppress(ValueError):  # closed by the stage
            self._text.flush()
        os.dup2(self._real[0], 1)
        os.dup2(self._real[1], 2)
        root = logging.getLogger()
        sys.stdout, sys.stderr, root.handlers, level = self._outer
        if root.level != level:
            root.setLevel(level)
        self._outer = None

    def write(self, text: str) -> None:
        """Add text of the runtime's own: a traceback, a note on a limit."""
        os.write(self._fd, text.encode(errors="backslashreplace"))

    def lines(self, last: bool = False) -> list[str]:
        """New whole lines, a bounded number; `last`: the unfinished one as well."""
        with self._lock:
            self._consume()
            return self._live.take(last)

    def kept(self) -> bytes | None:
        """The stage's whole log, cut in the middle where it is too long; None when nothing was written."""
        with self._lock:
            self._consume()
            return self._keeper.text()

    def close(self) -> None:
        """Give back the file and the descriptors."""
        self.stop()
        self._text.close()
        self._file.close()
        for descriptor in self._real:
            os.close(descriptor)

    def _begin(self, redaction: Redaction) -> None:
        if os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, 0)
        self._read = self._punched = 0
        self._keeper = Keeper(redaction)
        self._live = LiveLines(redaction)

    def _consume(self) -> None:
        while data := os.pread(self._fd, _CHUNK, self._read):
            self._read += len(data)
            self._keeper.add(data)
            self._live.add(data)
            if self._read - self._punched >= _PUNCH_EVERY:
                self._punch()

    def _punch(self) -> None:
        """Give the disk back what was read; where a file system cannot, the file is whole until the stage ends."""
        self._punched = self._read
        with contextlib.suppress(AttributeError):  # not Linux
            mode = _FALLOC_FL_KEEP_SIZE | _FALLOC_FL_PUNCH_HOLE
            self._libc.fallocate(self._fd, mode, ctypes.c_int64(0), ctypes.c_int64(self._read))

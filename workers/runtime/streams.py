"""Standard output and error as text, line by line, whatever a stage does to them."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import sys

FORMAT = "%(levelname)s %(name)s: %(message)s"


def text_stream(descriptor: int) -> io.TextIOWrapper:
    """Text that goes to a descriptor with each end of a line; closing it leaves the descriptor open."""
    raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115  (lives as long as the process)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def flush_all() -> None:
    """Write out what Python and C code hold back."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(ValueError, OSError):  # closed by somebody
                stream.flush()
    _libc().fflush(None)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)

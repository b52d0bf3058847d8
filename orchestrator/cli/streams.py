"""The command's standard streams, whatever a shell made of them: closed, full, a pipe that ended, plain ASCII."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TextIO

UNWRITABLE = 1
_OF_STREAMS = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EDQUOT)


def prepare() -> None:
    """Have streams that take every word: a closed one takes it nowhere, one of few letters shows ? for the others."""
    sys.stdout = _sound(sys.stdout)
    sys.stderr = _sound(sys.stderr)


def finish(code: int) -> int:
    """Write out what is held back; the exit code, which is another where somebody cannot have read it all."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            return give_up(error) or code
    return code


def give_up(error: OSError) -> int:
    """Say nothing more, but that the result has not been written; a pipe that ended is no fault. The exit code."""
    code = 0 if error.errno == errno.EPIPE else UNWRITABLE
    try:
        if code:
            sys.stderr.write(f"what it says cannot be written ({error.strerror}): see where its output goes\n")
            sys.stderr.flush()
    except OSError:  # nobody is there to be told
        code = UNWRITABLE
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):  # the interpreter must not stumble when it ends over what it cannot write
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return code


def is_of_streams(error: OSError) -> bool:
    """Whether a stream could not take what was said, and not some file."""
    return error.filename is None and error.errno in _OF_STREAMS


def _sound(stream: TextIO | None) -> TextIO:
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None and (stream.encoding or "").lower().replace("-", "") != "utf8":
        reconfigure(errors="replace")
    return stream

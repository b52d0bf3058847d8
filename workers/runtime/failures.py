"""An exception → the family, the one line and the frames that a person is shown."""

from __future__ import annotations

import socket
import traceback
from pathlib import Path

import redis as redis_py

from orchestrator.contracts.errors import (
    CycleryError,
    InvalidInput,
    LimitExceeded,
    RequirementMissing,
    StageFailed,
    TransientError,
    Unreachable,
    UserCodeError,
)
from orchestrator.contracts.records import Family, StageError
from orchestrator.contracts.text import shown
from orchestrator.store.cache import DISK_ERRORS
from workers.runtime.interruption import StageTimeout

LONGEST = 100_000  # characters of a message that are looked at

# The first that fits. InvalidInput holds DataError: data that does not fit, and values that nothing can take.
_FAMILIES: tuple[tuple[type[BaseException], Family], ...] = (
    (TransientError, "transient"),
    (RequirementMissing, "requires"),
    (StageTimeout, "timeout"),
    (LimitExceeded, "memory"),
    (UserCodeError, "user"),
    (StageFailed, "user"),
    (InvalidInput, "data"),
    (MemoryError, "memory"),
    (redis_py.ConnectionError, "transient"),
    (redis_py.TimeoutError, "transient"),
)


def describe(error: BaseException, snapshot: Path | None = None) -> StageError:
    """Why a stage failed; `snapshot` is the folder of the team's code where any ran."""
    frames = _own_frames(error, snapshot)
    family = next((family for kind, family in _FAMILIES if isinstance(error, kind)), None)
    if isinstance(error, CycleryError) and family is not None:
        return StageError(family=family, message=_line(error), frames=getattr(error, "frames", ()) or _shown(frames))
    if frames:
        family = "memory" if isinstance(error, MemoryError) else "user"
        return StageError(family=family, message=_of_own_code(error, frames), frames=_shown(frames))
    if isinstance(error, SyntaxError) and snapshot is not None and _below(error.filename or "", snapshot):
        where = f"{_relative(error.filename or '', snapshot)}:{error.lineno}"
        return StageError(family="user", message=f"SyntaxError: {error.msg} ({where})", frames=())
    if isinstance(error, MemoryError) or _disk_failed(error):
        return _of_this_host(error)
    if family is not None or isinstance(error, CycleryError):
        return StageError(family=family or "internal", message=_line(error))
    kind = type(error).__name__
    message = f"{kind}: {_line(error)}; this is a fault of Cyclery's own, its traceback is in the stage's log"
    return StageError(family="internal", message=message)


def _of_this_host(error: BaseException) -> StageError:
    if isinstance(error, MemoryError):
        return StageError(family="memory", message="the stage ran out of memory: give it less data, or its pool more")
    message = f"a disk of {socket.gethostname()} cannot be used ({_line(error)}): free some space there"
    return StageError(family="transient", message=message)


def is_outage(error: BaseException, snapshot: Path | None = None) -> bool:
    """Whether not the stage failed but what surrounds it: Redis, the store, the disk of this host."""
    return isinstance(error, (Unreachable, redis_py.ConnectionError, redis_py.TimeoutError)) or (
        _disk_failed(error) and not _own_frames(error, snapshot)
    )


def _disk_failed(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in DISK_ERRORS


def trace(error: BaseException, snapshot: Path | None = None) -> str:
    """The traceback for the stage's log: of a team's own code its own frames, also of what it came from; ours whole."""
    if isinstance(error, CycleryError) and not _own_frames(error, snapshot):
        return f"{type(error).__name__}: {error}\n"
    summary = traceback.TracebackException.from_exception(error)
    if snapshot is not None and _own_frames(error, snapshot):
        _keep_own(summary, snapshot)
    return "".join(summary.format())


def _keep_own(summary: traceback.TracebackException, snapshot: Path) -> None:
    pending = [summary]
    while pending:
        one = pending.pop()
        own = [frame for frame in one.stack if _below(frame.filename, snapshot)]
        for frame in own:
            frame.filename = _relative(frame.filename, snapshot)
        one.stack = traceback.StackSummary.from_list(own)
        pending += [other for other in (one.__cause__, one.__context__, *(one.exceptions or ())) if other is not None]


def _own_frames(error: BaseException, snapshot: Path | None) -> list[traceback.FrameSummary]:
    if snapshot is None:
        return []
    found = [frame for frame in traceback.extract_tb(error.__traceback__) if _below(frame.filename, snapshot)]
    for frame in found:
        frame.filename = _relative(frame.filename, snapshot)
    return found


def _shown(frames: list[traceback.FrameSummary]) -> tuple[str, ...]:
    return tuple(
        f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line or ''}".rstrip(": ") for frame in frames
    )


def _of_own_code(error: BaseException, frames: list[traceback.FrameSummary]) -> str:
    last = frames[-1]
    where = f"({last.filename}:{last.lineno})"
    if isinstance(error, MemoryError):
        return f"the stage ran out of memory: give it less data, or its pool more {where}"
    if isinstance(error, SystemExit):
        return f"the code called sys.exit({error.code!r}): return from the function instead {where}"
    return f"{type(error).__name__}: {_line(error)} {where}"


def _line(error: BaseException) -> str:
    """The message as one line, not too long."""
    try:
        said = str(error)
    except Exception:  # of the team's own __str__
        said = "(its message cannot be shown)"
    text = shown(" ".join(said[:LONGEST].split())) or type(error).__name__
    return text if len(text) <= 600 else f"{text[:599]}…"


def _below(filename: str, folder: Path) -> bool:
    return filename.startswith(f"{folder}/")


def _relative(filename: str, folder: Path) -> str:
    return filename.removeprefix(f"{folder}/")

"""The contract that every target holds its input to, and the table of targets.

A target is a plain function of arbitrary bytes. It returns, or raises an error of orchestrator/contracts/errors.py
whose message is one line (a SpecError's: one for each problem); anything else, or too much time or memory, is a defect.
"""

from __future__ import annotations

import functools
import resource
import time
from collections.abc import Callable

from orchestrator.contracts.errors import CycleryError, SpecError

SECONDS = 30.0  # a bound for a machine under load: what it stops has no end, or grows with the square of its input
MEGABYTES = 1024  # that one input may add to the most that this process has ever held

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {}


class Broken(AssertionError):
    """An input was answered otherwise than the contract says."""


def target(function: Target) -> Target:
    """Note a target in the table under its own name, and hold it to the contract."""

    @functools.wraps(function)
    def held(data: bytes) -> None:
        began, most = time.monotonic(), _most_memory()
        try:
            function(data)
        except CycleryError as error:
            check_told(error, len(data))
        if time.monotonic() - began > SECONDS:
            raise Broken(f"{len(data)} bytes took {time.monotonic() - began:.0f} s")
        if (grown := _most_memory() - most) > MEGABYTES:
            raise Broken(f"{len(data)} bytes took {grown} MB")

    TARGETS[function.__name__] = held
    return held


def check_told(error: CycleryError, given: int = 0) -> None:
    """The error is what a person can read: lines without control characters, one for each problem, and not too long."""
    lines = error.problems if isinstance(error, SpecError) else (str(error),)
    if not lines:
        raise Broken(f"{error!r} says nothing") from error
    for line in lines:
        if not line.strip():
            raise Broken(f"{error!r} has an empty line") from error
        if not readable(line):
            raise Broken(f"{error!r} is no line that a terminal can show") from error
        if len(line) > 4000 + given:  # what a person typed may be said again
            raise Broken(f"a message of {len(line)} characters: {line[:200]!r}") from error


def readable(line: str) -> bool:
    """Whether a terminal shows it as one line of text, as it was meant, and UTF-8 can hold it."""
    return not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 or 0xD800 <= ord(sign) < 0xE000 for sign in line)


def pieces(data: bytes, count: int) -> list[bytes]:
    """The input as so many parts, which lines of `%%%` divide; those that are not there are empty."""
    found = data.split(b"\n%%%\n", count - 1)
    return found + [b""] * (count - len(found))


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

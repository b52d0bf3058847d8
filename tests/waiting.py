"""Waiting for a condition, so that no test sleeps for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def wait_until(condition: Callable[[], Answer], timeout: float = 10.0, every: float = 0.01) -> Answer:
    """The first truthy answer of `condition`; a failure of the test when there is none in time (seconds)."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            named = getattr(condition, "__name__", repr(condition))
            raise AssertionError(f"still false after {timeout} s: {named} answered {answer!r}")
        time.sleep(every)
    return answer

"""Celery's connection to Redis, as a worker waits for it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from kombu.connection import Connection

PAUSES = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 3.0}  # seconds
SOON_S = 10.0  # a connection that is needed again so soon was of no use


@dataclass
class Pace:
    """How often connections are made in this process; each that was of no use makes the next one wait."""

    useless: int = 0
    last: float = 0.0

    def wait(self) -> None:
        """Before one is made."""
        self.useless = self.useless + 1 if time.monotonic() - self.last < SOON_S else 0
        time.sleep(min(max(self.useless - 2, 0) * PAUSES["interval_step"], PAUSES["interval_max"]))

    def note(self) -> None:
        """One was made."""
        self.last = time.monotonic()


class PromptConnection(Connection):
    """Looks for a lost Redis every few seconds: kombu's own pause grows to half a minute, in which nothing runs.

    A Redis that answers and takes nothing, because it is full or a read-only replica, is asked as rarely.
    """

    pace = Pace()

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """Wait until the broker answers."""
        self.pace.wait()
        made = super().ensure_connection(*args, **PAUSES | options)  # type: ignore[no-untyped-call]
        self.pace.note()
        return made


class OnceAMinute(logging.Filter):
    """Lets a line that comes again and again through once a minute, without a traceback: it tells of Redis's state."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this one is written."""
        if record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.msg} ({' '.join(str(record.exc_info[1]).split())})"
            record.exc_info = None
        now = time.monotonic()
        if now - self._told.get(record.msg, -60.0) < 60.0:
            return False
        self._told[record.msg] = now
        return True

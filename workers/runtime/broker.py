"""Celery's connection to Redis, as a worker waits for it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from queue import Empty
from typing import Any

from kombu.connection import Connection
from kombu.transport import redis as redis_transport
from kombu.utils.url import maybe_sanitize_url

from workers.runtime.incoming import NoDoorbell, check_doorbell, check_question

doorbells = logging.getLogger("cyclery.doorbells")
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

    def info(self) -> dict[str, Any]:
        """What a worker tells whoever asks how it is: Celery would tell the password of a socket, and TLS's."""
        told = dict(super().info())  # type: ignore[no-untyped-call]
        told["hostname"] = maybe_sanitize_url(str(told.get("hostname")))
        told["ssl"] = bool(told.get("ssl"))
        told["password"] = None  # as_uri asks for it by name
        return told

    def get_transport_cls(self) -> type[CarefulTransport]:
        """Redis, whatever the scheme of the URL: nothing else keeps the ledger."""
        return CarefulTransport

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """Wait until the broker answers."""
        self.pace.wait()
        made = super().ensure_connection(*args, **PAUSES | options)  # type: ignore[no-untyped-call]
        self.pace.note()
        return made


class CarefulChannel(redis_transport.Channel):
    """Takes what is no JSON for nothing, where kombu would end the worker."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (ValueError, RecursionError) as error:
            doorbells.warning("a message was dropped: it is no JSON (%s)", type(error).__name__)
            raise Empty from None

    def _receive_one(self, subscriber: Any) -> Any:
        try:
            return super()._receive_one(subscriber)  # type: ignore[no-untyped-call]
        except (ValueError, RecursionError) as error:
            doorbells.warning("a question to workers was dropped: it is no JSON (%s)", type(error).__name__)
            raise Empty from None


class CarefulTransport(redis_transport.Transport):
    """Hands on what the ledger rings and what Flower asks; any other message is dropped, and the log says so."""

    Channel = CarefulChannel

    def _deliver(self, message: Any, queue: str) -> None:
        asked = queue.endswith(".pidbox")
        try:
            (check_question if asked else check_doorbell)(message)
        except NoDoorbell as problem:
            doorbells.warning("a message in %s was dropped: %s", queue, problem)
            return
        super()._deliver(message, queue)  # type: ignore[no-untyped-call]


class OnceAMinute(logging.Filter):
    """Lets a line that comes again and again through once a minute, without a traceback: it tells of Redis's state."""

    def __init__(self, *, by_text: bool = False) -> None:
        super().__init__()
        self._by_text = by_text  # lines of one kind are told apart: there must be few
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this one is written."""
        if record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.msg} ({' '.join(str(record.exc_info[1]).split())})"
            record.exc_info = None
        now, line = time.monotonic(), record.getMessage() if self._by_text else record.msg
        if now - self._told.get(line, -60.0) < 60.0:
            return False
        self._told[line] = now
        return True

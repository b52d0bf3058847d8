"""The one thread of a child that keeps the lease of the stage under way, and holds the stage to its limits.

It starts with the first stage, so after the fork, and outlives outages of Redis: a lease that nobody stole is renewed
when Redis is back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis as redis_py

from orchestrator.contracts.errors import Outdated, TransientError
from orchestrator.engine.ledger import Ledger
from workers.runtime.running import Running

TICK_S = 0.25
PARK_AFTER_S = 5.0  # without a stage, until the thread sleeps for good
LIVE_EVERY_S = 0.5

log = logging.getLogger(__name__)


@dataclass
class Heartbeat:
    """Renews leases every `every_s` seconds; `ledger` is its own, without patience, and `live` shows new log lines."""

    connect: Callable[[], Ledger]
    every_s: float
    live: Callable[[Ledger, Running], None]
    _current: Running | None = None
    _thread: threading.Thread | None = None
    _wake: threading.Event = field(default_factory=threading.Event)
    _parked: bool = False
    _beaten: float = 0.0
    _shown: float = 0.0
    _ledger: Ledger | None = None
    _closed: bool = False
    _silent: bool = False  # Redis did not answer the last time

    def watch(self, running: Running) -> None:
        """Keep this stage's lease from now on."""
        self._beaten = self._shown = time.monotonic()
        self._current = running
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="heartbeat", daemon=True)
            self._thread.start()
        elif self._parked:
            self._wake.set()

    def leave(self) -> None:
        """The stage is recorded, or given up."""
        self._current = None

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        if self._ledger is not None:
            self._ledger.redis.close()

    def _loop(self) -> None:
        idle = time.monotonic()
        while not self._closed:
            running = self._current
            if running is not None:
                idle = time.monotonic()
                self._guarded_tick(running)
            elif time.monotonic() - idle > PARK_AFTER_S:
                self._park()
                idle = time.monotonic()
            self._wake.wait(TICK_S)

    def _park(self) -> None:
        """Sleep until a stage comes; a busy child is not woken for each."""
        self._wake.clear()
        self._parked = True
        if self._current is None and not self._closed:
            self._wake.wait()
        self._parked = False
        self._wake.clear()

    def _guarded_tick(self, running: Running) -> None:
        try:
            self._tick(running)
        except Exception:
            # A fault here must not end the thread: without it the lease would run out under a living stage.
            log.exception("heartbeat of %s failed", running.lease)

    def _tick(self, running: Running) -> None:
        running.enforce()
        now = time.monotonic()
        try:
            if now - self._beaten >= self.every_s:
                self._beaten = now
                self._beat(running)
                self._silent = False
            if now - self._shown >= LIVE_EVERY_S:
                self._shown = now
                self.live(self._open(), running)
        except Outdated as error:  # nobody of this release may record it any more
            log.error("%s: %s", running.lease, error)
            if self._current is running:
                running.end("lost")
        except (TransientError, redis_py.RedisError) as error:
            if not self._silent:
                log.warning("%s: the lease is renewed when Redis is back (%s)", running.lease, error)
            self._silent = True

    def _beat(self, running: Running) -> None:
        state = self._open().heartbeat({running.lease: running.share})[running.lease]
        if state != "held" and self._current is running:
            running.end(state)

    def _open(self) -> Ledger:
        if self._ledger is None:
            self._ledger = self.connect()
        return self._ledger

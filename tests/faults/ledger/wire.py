"""Connections on which calls are lost: never sent, answered to nobody, or cut off in the middle, wherever a seed says.

They also keep account of what Redis has promised to survive a power loss: the bytes of its append-only file that a
WAITAOF covered, which by its definition are those of commands sent before it *on the same connection*.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, UnixDomainSocketConnection
from redis.retry import Retry

from tests.faults.ledger.hub import Actor, Hub, Killed
from tests.servers import RedisServer

RESENT = 12  # times, until a client gives up: no storm is so dense


@dataclass
class Wire:
    """Everything that connects to one Redis in one storm."""

    server: RedisServer
    hub: Hub
    chance: random.Random
    lose: float = 0.0  # of a call: it is not sent, or its answer not heard; the client sends it again
    die: float = 0.0  # of a call: the process ends before or after it
    may_die: Callable[[], bool] = lambda: True
    vacuous: set[Actor] = field(default_factory=set)  # whose last wait for the file covered nothing
    precious: frozenset[str] = frozenset()  # digests of steps that go on with what another step began
    durable: int = 0  # bytes of the append-only file that were promised
    lost: int = 0
    commands: int = 0

    def client(self) -> redis.Redis:
        """A client of one process, with connections of its own."""
        pool = ConnectionPool(
            connection_class=_Connection, wire=self, path=str(self.server.socket), password=self.server.password,
            decode_responses=True, protocol=2, socket_timeout=30, retry=Retry(NoBackoff(), RESENT),
        )  # fmt: skip
        return redis.Redis(connection_pool=pool)

    def size(self) -> int:
        """Bytes of the append-only file as written."""
        return os.stat(self.file).st_size  # noqa: PTH116  (twice for each call)

    def unsafe(self) -> bytes:
        """What a power loss may take back."""
        with self.file.open("rb") as file:
            file.seek(self.durable)
            return file.read()

    @cached_property
    def file(self) -> Path:
        """The part of the append-only file that is written to; it is never rewritten in a storm."""
        return next((self.server.folder / "appendonlydir").glob("*.incr.aof"))

    def fate(self, batch: list[Any]) -> str:
        """What becomes of the next call: worse where it matters."""
        self.commands += len(batch)
        durable = tuple(batch[-1][:2]) == ("WAITAOF", 1)
        pieces = len(batch) > 6 or (len(batch[0]) > 1 and batch[0][1] in self.precious)
        lose, die = self.lose * (3 if durable else 1), self.die * (6 if pieces else 1)
        kinds = ("unsent", "unheard", "cut") if len(batch) > 1 else ("unsent", "unheard")
        drawn = self.chance.random()
        if drawn < lose:
            self.lost += 1
            return self.chance.choice(kinds)
        actor = self.hub.current
        if drawn < lose + die and actor is not None and actor.mortal and self.may_die():
            return "dead " + self.chance.choice(kinds)
        return "well"


class _Connection(UnixDomainSocketConnection):
    """One connection; faults strike between its handshake and its end."""

    def __init__(self, *, wire: Wire, **options: Any) -> None:
        super().__init__(**options)
        self.wire = wire
        self._greeting = False
        self._batch: list[Any] | None = None
        self._left = 0  # answers of the call under way that are still to come
        self._fate = "well"
        self._waits = False  # the call's last command is WAITAOF
        self._before = 0
        self._covered = 0  # bytes of the file when a command of this connection last wrote

    def on_connect_check_health(self, check_health: bool = True) -> None:
        self._greeting = True
        try:
            super().on_connect_check_health(check_health)
        finally:
            self._greeting = False
        self._covered = 0

    def pack_commands(self, commands: Any) -> Any:
        self._batch = list(commands)
        return super().pack_commands(self._batch)

    def pack_command(self, *args: Any) -> Any:
        if not self._greeting:
            self._batch = [args]
        return super().pack_command(*args)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._greeting:
            return super().send_packed_command(command, check_health)
        batch, self._batch = self._batch or [()], None
        self.wire.hub.pause()
        self._fate = self.wire.fate(batch)
        if self._fate.endswith("unsent"):
            self._fail()
        if self._fate.endswith("cut"):
            batch = batch[: self.wire.chance.randrange(1, len(batch))]
            command = super().pack_commands(batch)
        if self._sock is None:
            self.connect()
        self._before = self.wire.size()
        self._left = len(batch)
        self._waits = bool(batch[-1]) and tuple(batch[-1][:2]) == ("WAITAOF", 1)
        super().send_packed_command(command, check_health)
        if self._fate != "well":
            self._swallow()
            self._fail()
        return None

    def read_response(self, *args: Any, **options: Any) -> Any:
        if self._greeting:
            return super().read_response(*args, **options)
        try:
            reply = super().read_response(*args, **options)
        except redis.ResponseError:
            self._heard(None)
            raise
        self._heard(reply)
        return reply

    def _swallow(self) -> None:
        """The server did it; the answers reach nobody."""
        while self._left:
            try:
                reply = super().read_response()
            except redis.ResponseError:
                reply = None
            self._heard(reply, paused=False)

    def _heard(self, reply: Any, *, paused: bool = True) -> None:
        self._left -= 1
        if self._left:
            return
        size = self.wire.size()
        if size > self._before:
            self._covered = size
        if self._waits and isinstance(reply, list) and reply[0] == 1:
            self.wire.durable = max(self.wire.durable, self._covered)
            actor = self.wire.hub.current
            if actor is not None:
                (self.wire.vacuous.discard if self._covered else self.wire.vacuous.add)(actor)
        if paused:
            self.wire.hub.pause()

    def _fail(self) -> None:
        self.disconnect()
        if self._fate.startswith("dead"):
            raise Killed
        raise redis.ConnectionError("lost in the storm")

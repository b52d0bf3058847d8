"""Lua steps, sent whole again after Redis forgot them; and waiting until Redis has written down what was done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from orchestrator.contracts.errors import Unreachable
from orchestrator.store.connection import answering
from orchestrator.store.format import NEWER, guard, too_new
from orchestrator.store.keys import Keys

if TYPE_CHECKING:
    import redis

DURABLE_MS = 2000  # of one wait for the append-only file: less than the patience with one answer
DURABLE_TRIES = 3


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a step and the digest that Redis knows it by."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> Script:
        """A step with this text."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

    def run(self, client: redis.Redis, prefix: str, *arguments: str | int | float) -> Any:
        """Run it on a namespace's prefix; each step bears being sent again, so redis-py's own retries are welcome.

        Raises redis.exceptions.RedisError, and Outdated where the namespace is of a later format.
        """
        from redis.exceptions import NoScriptError, ResponseError

        try:
            try:
                return client.evalsha(self.digest, 1, prefix, *arguments)
            except NoScriptError:
                return client.eval(self.text, 1, prefix, *arguments)
        except ResponseError as error:
            raise _told(error, prefix) from None

    def run_durably(self, client: redis.Redis, prefix: str, *arguments: str | int | float) -> Any:
        """Run it and answer once the append-only file has it. Raises `Unreachable` when the file does not get it.

        Step and wait are one piece, sent again as one: WAITAOF covers what its own connection wrote. After a
        reconnection between the two, or a restart of Redis, it would answer at once, about nothing. Therefore a step
        that finds its work done writes all the same.
        """
        from redis.exceptions import NoScriptError

        for _ in range(DURABLE_TRIES):
            answer, synced = self._piece(client, ("EVALSHA", self.digest), prefix, arguments)
            if isinstance(answer, NoScriptError):
                answer, synced = self._piece(client, ("EVAL", self.text), prefix, arguments)
            if isinstance(answer, Exception):
                raise _told(answer, prefix)
            if _written(synced):
                return answer
        seconds = DURABLE_MS * DURABLE_TRIES / 1000
        raise Unreachable(
            f"Redis did not write its append-only file within {seconds:g} s: see whether its disk is full"
        )

    def _piece(self, client: redis.Redis, head: tuple[str, str], prefix: str, arguments: tuple[Any, ...]) -> list[Any]:
        with client.pipeline(transaction=False) as pipe:
            pipe.execute_command(*head, 1, prefix, *arguments)  # type: ignore[no-untyped-call]
            pipe.execute_command("WAITAOF", 1, 0, DURABLE_MS)  # type: ignore[no-untyped-call]
            return pipe.execute(raise_on_error=False)


def _told(error: Exception, prefix: str) -> Exception:
    """What a step's error means."""
    return too_new(prefix, str(error).split()[1]) if str(error).startswith(NEWER) else error


def _written(synced: Any) -> bool:
    """Whether the file has it; one without a file, or before WAITAOF and flushing always, has nothing to wait for."""
    if isinstance(synced, Exception):
        if "appendonly" in str(synced) or "unknown command" in str(synced):
            return True
        raise synced
    return int(synced[0]) > 0


def guarded(text: str, library: str = "") -> Script:
    """A step behind what they share: one that meets a ledger of a later format answers so and changes nothing."""
    flags, body = text.split("\n", 1) if text.startswith("#!") else ("", text)
    return Script.of("\n".join(part for part in (flags, guard(), library, body) if part))


def step(client: redis.Redis, name: str, keys: Keys, *arguments: str | int) -> Any:
    """Run one of the store's own steps."""
    with answering(client):
        return _scripts()[name].run(client, keys.prefix, *arguments)


def durable_step(client: redis.Redis, name: str, keys: Keys, *arguments: str | int) -> Any:
    """Run one of the store's own steps, and answer once it is in the append-only file."""
    with answering(client):
        return _scripts()[name].run_durably(client, keys.prefix, *arguments)


def process_of(client: redis.Redis) -> str:
    """The process of Redis that answers: after a restart or a failover it is another one."""
    with answering(client):
        return str(client.info("server")["run_id"])


def settle(client: redis.Redis, keys: Keys, since: str) -> None:
    """Return once the append-only file has all that was read since `process_of`: it writes after that, and waits.

    Raises `Unreachable` where another process answers by now: what was read before may be lost, and read again it may
    be something else.
    """
    durable_step(client, "settle", keys)
    if process_of(client) != since:
        raise Unreachable("Redis was restarted meanwhile and may have lost what was read from it or written: try again")


@cache
def _scripts() -> dict[str, Script]:
    """All steps, read at once: a release that is installed over this one while it runs must not mix with it."""
    folder = files("orchestrator.store") / "lua"
    return {file.name.removesuffix(".lua"): guarded(file.read_text()) for file in folder.iterdir()}

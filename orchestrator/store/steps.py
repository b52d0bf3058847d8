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

DURABLE_MS = 5000


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
            if not str(error).startswith(NEWER):
                raise
            raise too_new(prefix, str(error).split()[1]) from None


def guarded(text: str, library: str = "") -> Script:
    """A step behind what they share: one that meets a ledger of a later format answers so and changes nothing."""
    flags, body = text.split("\n", 1) if text.startswith("#!") else ("", text)
    return Script.of("\n".join(part for part in (flags, guard(), library, body) if part))


def step(client: redis.Redis, name: str, keys: Keys, *arguments: str | int) -> Any:
    """Run one of the store's own steps."""
    with answering(client):
        return _scripts()[name].run(client, keys.prefix, *arguments)


def wait_durable(client: redis.Redis) -> None:
    """Return once the append-only file has all that this client wrote.

    A Redis without such a file, or older than WAITAOF and flushing always, has nothing to wait for.
    """
    import redis

    with answering(client):
        try:
            synced: list[int] = client.execute_command("WAITAOF", 1, 0, DURABLE_MS)  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            if "appendonly" in str(error) or "unknown command" in str(error):
                return
            raise
    if synced[0] < 1:
        raise Unreachable(
            f"Redis did not write its append-only file within {DURABLE_MS / 1000:g} s: see whether its disk is full"
        )


def settle(client: redis.Redis, keys: Keys) -> None:
    """Return once all that anybody has written so far is in the append-only file.

    Waiting counts from what this connection wrote itself: it writes once for it.
    """
    with answering(client), client.client() as one:  # type: ignore[no-untyped-call]
        step(one, "settle", keys)
        wait_durable(one)


@cache
def _scripts() -> dict[str, Script]:
    """All steps, read at once: a release that is installed over this one while it runs must not mix with it."""
    folder = files("orchestrator.store") / "lua"
    return {file.name.removesuffix(".lua"): guarded(file.read_text()) for file in folder.iterdir()}

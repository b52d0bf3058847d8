"""The store's Lua steps, and waiting until Redis has written them down."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from orchestrator.contracts.errors import Unreachable
from orchestrator.store.connection import answering

if TYPE_CHECKING:
    import redis

DURABLE_MS = 5000


def step(client: redis.Redis, name: str, namespace: str, *arguments: str | int) -> Any:
    """Run one Lua step on a namespace; each bears being sent again."""
    with answering(client):
        return client.register_script(_source(name))(keys=[prefix(namespace)], args=list(arguments))


def prefix(namespace: str) -> str:
    """What every key of a namespace begins with: one hash tag, so that one step may touch several keys."""
    return f"{{{namespace}}}:"


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


@cache
def _source(name: str) -> str:
    return (files("orchestrator.store") / "lua" / f"{name}.lua").read_text()

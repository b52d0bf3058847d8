"""The format of a namespace's keys: who finds one that is later than its own leaves the namespace alone.

It stands at `{namespace}:format`; 0.1.0 wrote none, which is format 1. docs/operations.md says what raises it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from orchestrator.contracts.errors import Outdated
from orchestrator.store.connection import answering
from orchestrator.store.keys import Keys

if TYPE_CHECKING:
    import redis

FORMAT = 1  # what this release writes
NEWER = "NEWERFORMAT"  # the code of a step's answer where the namespace is of a later one


def guard() -> str:
    """The first lines of every Lua step."""
    return (
        f"local FORMAT = {FORMAT}\n"
        "local found = redis.call('GET', KEYS[1] .. 'format')\n"
        f"if found and tonumber(found) > FORMAT then return redis.error_reply('{NEWER} ' .. found) end"
    )


def require_format(client: redis.Redis, keys: Keys) -> None:
    """Raise Outdated where a newer release has made the namespace its own; one look, when a process begins."""
    with answering(client):
        found = cast("str | None", client.get(keys("format")))
    if found is not None and int(found) > FORMAT:
        raise too_new(keys.prefix, found)


def too_new(prefix: str, found: str) -> Outdated:
    """What is said of it."""
    return Outdated(
        f"the namespace {prefix.strip('{}:')} is of format {found}, which a newer release of Cyclery wrote and this "
        f"one (format {FORMAT}) cannot read: use that release, or another CYCLERY_NAMESPACE"
    )

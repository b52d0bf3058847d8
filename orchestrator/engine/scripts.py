"""The ledger's steps: Lua scripts, each with the library that they share in front of it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import redis

from orchestrator.store.steps import Script


@cache
def _script(name: str) -> Script:
    folder = files("orchestrator.engine") / "lua"
    body = (folder / f"{name}.lua").read_text()
    library = (folder / "_library.lua").read_text()
    flags, rest = body.split("\n", 1) if body.startswith("#!") else ("#!lua", body)
    return Script.of(f"{flags}\n{library}\n{rest}")


def run_script(client: redis.Redis, name: str, prefix: str, *arguments: str | int | float) -> list[Any]:
    """Run one of the ledger's steps. Raises redis.exceptions.RedisError."""
    reply = _script(name).run(client, prefix, *arguments)
    return reply if isinstance(reply, list) else [reply]

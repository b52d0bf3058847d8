"""The ledger's steps: Lua scripts, each with the library that they share in front of it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import redis

from orchestrator.store.steps import Script, guarded


@cache
def _scripts() -> dict[str, Script]:
    """All steps, read at once: a release that is installed over this one while it runs must not mix with it."""
    folder = files("orchestrator.engine") / "lua"
    texts = {file.name.removesuffix(".lua"): file.read_text() for file in folder.iterdir()}
    library = texts.pop("_library")
    flagged = {name: text if text.startswith("#!") else f"#!lua\n{text}" for name, text in texts.items()}
    return {name: guarded(text, library) for name, text in flagged.items()}


def run_durably(client: redis.Redis, name: str, prefix: str, *arguments: str | int | float) -> list[Any]:
    """Run one of the ledger's steps, and answer once it is in the append-only file."""
    reply = _scripts()[name].run_durably(client, prefix, *arguments)
    return reply if isinstance(reply, list) else [reply]


def run_script(client: redis.Redis, name: str, prefix: str, *arguments: str | int | float) -> list[Any]:
    """Run one of the ledger's steps. Raises redis.exceptions.RedisError."""
    reply = _scripts()[name].run(client, prefix, *arguments)
    return reply if isinstance(reply, list) else [reply]

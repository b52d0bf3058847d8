"""The ledger's steps as Lua scripts: read once, sent by digest, sent whole again after Redis forgot them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import redis
from redis.exceptions import NoScriptError


@cache
def _source(name: str) -> tuple[str, str]:
    folder = files("orchestrator.engine") / "lua"
    body = (folder / f"{name}.lua").read_text()
    library = (folder / "_library.lua").read_text()
    flags, rest = body.split("\n", 1) if body.startswith("#!") else ("#!lua", body)
    text = f"{flags}\n{library}\n{rest}"
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def run_script(client: redis.Redis, name: str, prefix: str, *arguments: str | int | float) -> list[Any]:
    """Run one step; each may be sent again safely, so redis-py's own retries are welcome.

    Raises redis.exceptions.RedisError.
    """
    text, digest = _source(name)
    try:
        reply = client.evalsha(digest, 1, prefix, *arguments)
    except NoScriptError:
        reply = client.eval(text, 1, prefix, *arguments)
    return reply if isinstance(reply, list) else [reply]

"""Where targets work: one folder of this process, and a Redis that starts when a target first asks for it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import redis as redis_py

from orchestrator.settings import Settings
from tests.servers import RedisServer

_left = ExitStack()


def close() -> None:
    """Stop and remove all that this process has made here."""
    _left.close()


atexit.register(close)


@cache
def folder() -> Path:
    """A folder that goes with this process; in memory where the system has one there, since every input writes."""
    memory = Path("/dev/shm")  # noqa: S108  (below it a private folder is made)
    found = Path(tempfile.mkdtemp(prefix="cy-fuzz-", dir=memory if memory.is_dir() else None))
    _left.callback(shutil.rmtree, found, ignore_errors=True)
    return found


def file(name: str, data: bytes) -> Path:
    """A file of the folder with these bytes."""
    path = folder() / name
    path.write_bytes(data)
    return path


@cache
def server() -> RedisServer:
    """This process's Redis."""
    found = RedisServer(options=("--appendonly", "no"))
    _left.callback(found.close)
    return found.start()


@cache
def client() -> redis_py.Redis:
    """A client of that Redis."""
    return server().client()


@cache
def settings() -> Settings:
    """Settings with that Redis and stores in the folder."""
    return Settings(
        redis_url=server().url,
        namespace="fuzz",
        home=folder() / "home",
        store=str(folder() / "store"),
        cache=folder() / "cache",
        author="tester",
    )

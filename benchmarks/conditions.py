"""The conditions that both sides share: one Redis configuration, one pool size, the same events and acknowledgement."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from orchestrator.local.redis_server import binary
from orchestrator.settings import Settings

PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis of this benchmark on a private socket."""

    url: str  # as redis-py spells it
    celery_url: str

    def client(self) -> redis.Redis:
        """A connection."""
        return redis.Redis.from_url(self.url, decode_responses=True)


def stack_of(server: Server, namespace: str, folder: Path) -> tuple[Settings, dict[str, str]]:
    """A client's settings on this Redis, with all files in one folder; and the same as a process is told them."""
    settings = Settings(redis_url=server.url, namespace=namespace, home=folder, store=str(folder / "store"))
    return settings, {
        "CYCLERY_REDIS_URL": server.url,
        "CYCLERY_NAMESPACE": namespace,
        "CYCLERY_HOME": str(folder),
        "CYCLERY_STORE": str(folder / "store"),
    }


def until(condition: Callable[[], object], seconds: float = 60.0, every: float = 0.005) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still false after {seconds:g} s")
        time.sleep(every)


@contextmanager
def redis_server(*, append_only: bool = True) -> Iterator[Server]:
    """A Redis as the embedded stack configures it; without its append-only file for canvas at its fastest."""
    password = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="cyb-") as folder:
        socket = Path(folder) / "s"
        options = ["--port", "0", "--unixsocket", str(socket), "--requirepass", password, "--dir", folder, "--save", ""]
        options += ["--appendonly", "yes" if append_only else "no", "--appendfsync", "always"]
        process = subprocess.Popen([str(binary()), *options], stdout=subprocess.DEVNULL)
        try:
            until(socket.exists)
            yield Server(f"unix://:{password}@{socket}", f"redis+socket://:{password}@{socket}?virtual_host=0")
        finally:
            process.terminate()
            process.wait()


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[int]:
    """A process for as long as the block lasts; its id."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=os.environ | environment, stdout=sink, stderr=sink
        )
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait()

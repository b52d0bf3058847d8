"""A worker node tells that it is there, and buries the stages of children that died under them."""

from __future__ import annotations

import logging
import os
import socket
import threading
from queue import SimpleQueue
from typing import Any, NamedTuple

import redis as redis_py
from kombu.exceptions import OperationalError

from orchestrator.contracts.calls import PLAN_VERSION
from orchestrator.contracts.environment import environment, environment_digest
from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.tasks import TASKS, names_of, spoken
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Pool
from orchestrator.settings import Settings
from orchestrator.store.connection import connect
from workers.runtime.process_tree import alive

LOOK_EVERY_S = 0.5
TELL_EVERY_S = 5.0

log = logging.getLogger(__name__)


class _Unknown(NamedTuple):
    """A message of a newer release."""

    run: str
    stages: list[str]
    task: str
    stamp: str


class Presence:
    """A thread of the worker's main process; it has a connection of its own."""

    def __init__(self, settings: Settings, queue: str, processes: int) -> None:
        self.settings = settings
        self.host = socket.gethostname()
        self.pool = Pool(
            node=f"{queue}@{self.host}",
            queue=queue,
            host=self.host,
            processes=processes,
            environment=environment_digest(),
            version=environment()["cyclery"],
            plan_version=PLAN_VERSION,
            details={"pid": os.getpid(), "packages": environment(), "tasks": _names()},
        )
        self._unknown: SimpleQueue[_Unknown] = SimpleQueue()
        self._told_of: set[str] = set()
        self._worker: Any = None
        self._known: frozenset[int] = frozenset()
        self._stopping = threading.Event()
        self._client: redis_py.Redis | None = None
        self._silent = False

    @property
    def node(self) -> str:
        """`train@host`."""
        return self.pool.node

    def watch(self, worker: Any) -> None:
        """The Celery worker whose children are watched."""
        self._worker = worker

    def begin(self, **_: Any) -> None:
        """The worker listens to its queue: tell so, and look after what died before it."""
        threading.Thread(target=self._loop, name="presence", daemon=True).start()

    def end(self, **_: Any) -> None:
        """The worker takes no more stages. Called from a signal handler: only sets a flag."""
        self._stopping.set()

    def refuse(self, run: str, stages: list[str], task: str, stamp: str) -> None:
        """The worker was handed what its release does not know. Called from its main loop: only takes a note."""
        self._unknown.put(_Unknown(run, stages, task, stamp))

    def _loop(self) -> None:
        self._look()  # whom to miss from now on
        self._guarded(self._bury_dead)  # of children that a killed main process left
        told = TELL_EVERY_S
        while not self._stopping.is_set():
            if told >= TELL_EVERY_S:
                told = 0.0
                self._guarded(self._tell)
            self._guarded(self._give_back)
            self._guarded(self._look)
            self._stopping.wait(LOOK_EVERY_S)
            told += LOOK_EVERY_S
        self._guarded(self._give_back)
        self._guarded(self._leave)
        while True:  # stages still end: a child that is killed now is noticed too
            self._guarded(self._look)
            threading.Event().wait(LOOK_EVERY_S)

    def _guarded(self, step: Any) -> None:
        try:
            step()
        except (CycleryError, redis_py.RedisError, OperationalError) as error:
            if not self._silent:
                log.warning("%s cannot tell that it is there (%s); it goes on trying", self.node, error)
            self._silent = True
        except Exception:
            # A fault here must not end the thread: without it the pool would vanish from all lists.
            log.exception("%s cannot look after its children", self.node)

    def _tell(self) -> None:
        History(self._redis(), self.settings.namespace).register(self.pool)
        self._silent = False

    def _leave(self) -> None:
        History(self._redis(), self.settings.namespace).leave(self.node)

    def _give_back(self) -> None:
        """Tell the ledger what a newer worker must do; what is not told here is rung again as unheard."""
        while not self._unknown.empty():
            one = self._unknown.get()
            if one.task not in self._told_of:
                self._told_of.add(one.task)
                log.warning(
                    "%s does not know %s, which a newer release sends: it is left to newer workers; upgrade this one",
                    self.node, spoken(one.task),
                )  # fmt: skip
            for stage in one.stages:
                Ledger(self._redis(), self.settings).refuse(one.run, stage, one.task, one.stamp)

    def _look(self) -> None:
        """Notice children that are gone since the last look."""
        now = frozenset(process.pid for process in self._processes())
        gone = self._known - now
        self._known = now
        if gone:
            try:
                self._bury_dead()
            except Exception:
                self._known |= gone  # looked at again once Redis is back
                raise

    def _bury_dead(self) -> None:
        ledger = Ledger(self._redis(), self.settings)
        for lease, pid in ledger.leases_of(self.host).items():
            if not alive(pid):
                log.warning("process %d died under stage %s of %s", pid, lease.stage, lease.run)
                ledger.bury(lease)

    def _processes(self) -> list[Any]:
        pool = getattr(self._worker, "pool", None)  # Celery's; its `_pool` is billiard's, whose `_pool` is the list
        return list(getattr(getattr(pool, "_pool", None), "_pool", None) or ())

    def _redis(self) -> redis_py.Redis:
        if self._client is None:
            self._client = connect(self.settings, 0.5)
        return self._client


def _names() -> list[str]:
    """Of all messages that this release does."""
    return sorted(name for task in TASKS.values() for name in names_of(task))

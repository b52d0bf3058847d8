"""Composition root of the workers: the Celery app with every task of the table behind one thin body."""

from __future__ import annotations

import logging
import os
import random
import sys
import warnings
from dataclasses import dataclass, field
from typing import Any

import psutil
from celery import Celery, Task, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning

from orchestrator.contracts.errors import Unreachable
from orchestrator.contracts.tasks import TASKS, names_of
from orchestrator.engine.app import make_app
from orchestrator.settings import Settings
from orchestrator.store.connection import connect
from orchestrator.store.format import require_format
from orchestrator.store.keys import Keys
from workers.runtime.broker import OnceAMinute, PromptConnection
from workers.runtime.child import Child
from workers.runtime.doorbell import heard
from workers.runtime.nursery import Nursery
from workers.runtime.perform import perform
from workers.runtime.presence import Presence
from workers.runtime.threads import pin_threads

STAGES_PER_CHILD = 10_000  # then a fresh one takes its place: nothing that leaks lives for ever

log = logging.getLogger(__name__)


@dataclass
class Worker:
    """One worker node: a queue, its processes, and the state of whichever process this is."""

    settings: Settings
    queue: str
    processes: int
    nursery: Nursery | None = None
    app: Celery = field(init=False)
    _child: Child | None = None
    _child_pid: int = 0

    def __post_init__(self) -> None:
        self.app = make_app(self.settings)
        self.app.amqp.Connection = PromptConnection
        self.app.conf.update(
            worker_consumer="workers.runtime.consumer:Consumer",
            worker_max_tasks_per_child=STAGES_PER_CHILD,
            # Half of the host for all children of a pool together; a larger one is replaced when its stage has ended.
            worker_max_memory_per_child=psutil.virtual_memory().total // (2 * self.processes) // 1024,
        )
        register_tasks(self.app, self)

    @property
    def child(self) -> Child:
        """What this very process holds; another one after a fork."""
        if self._child is None or self._child_pid != os.getpid():
            self._child, self._child_pid = self._new_child(), os.getpid()
        return self._child

    def _new_child(self) -> Child:
        return Child(self.settings, self.queue, self.processes, self.nursery)

    def run(self) -> int:
        """Serve the queue until told to stop; answers the exit code. The process must be a fresh fork.

        Raises Outdated where a newer release has made the namespace its own.
        """
        self._require_format()
        warnings.simplefilter("ignore", SecurityWarning)  # root is no danger where nothing is unpickled
        signals.celeryd_after_setup.connect(_no_advice, weak=False)
        logging.getLogger("kombu.transport.redis").addFilter(OnceAMinute())
        logging.getLogger("cyclery.doorbells").addFilter(OnceAMinute(by_text=True))
        presence = Presence(self.settings, self.queue, self.processes)
        self.app.refuse = presence.refuse
        signals.worker_process_init.connect(self._begin_child, weak=False)
        signals.worker_process_shutdown.connect(self._end_child, weak=False)
        signals.worker_ready.connect(presence.begin, weak=False)
        signals.worker_shutting_down.connect(presence.end, weak=False)
        worker = self.app.Worker(
            hostname=presence.node,
            queues=[self.queue],
            concurrency=self.processes,
            pool="prefork",
            optimization="fair",
            loglevel="WARNING",
            quiet=True,
            without_mingle=True,  # nothing that workers tell one another at their start matters here
            without_gossip=True,
        )
        presence.watch(worker)
        worker.start()
        return int(worker.exitcode or 0)

    def _require_format(self) -> None:
        """By a connection of its own; a Redis that is not there yet is no reason not to begin."""
        try:
            with connect(self.settings) as client:
                require_format(client, Keys(self.settings.namespace))
        except Unreachable as error:
            log.warning("%s; it goes on trying", error)

    def _begin_child(self, **_: Any) -> None:
        """After the fork: nothing random or half open is shared with the siblings."""
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        pin_threads(self.processes)
        self._child = None

    def _end_child(self, **_: Any) -> None:
        if self._child is not None and self._child_pid == os.getpid():
            self._child.close()


def _no_advice(**_: Any) -> None:
    """Celery switches on its advice on settings, which are set on purpose, with its logging."""
    warnings.simplefilter("ignore", CPendingDeprecationWarning)


def register_tasks(app: Celery, worker: Worker) -> None:
    """Every task of the table, under each name that its messages may have, behind the same body."""
    for task in TASKS.values():
        for name in names_of(task):
            app.task(_body(worker), name=name, bind=True, shared=False)


def _body(worker: Worker) -> Any:
    def run_stages(task: Task, *_: object, **arguments: object) -> None:
        """Do what a doorbell asks for."""
        bell = heard(arguments, task.request.get("stamp"))
        if bell is None:
            log.warning("a message in the queue of %s is no doorbell: it is dropped", task.name)
            return
        perform(worker.child, bell.run, bell.stages, bell.stamp, task.name)

    return run_stages

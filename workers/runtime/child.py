"""One process that runs stages: what it holds from its start, after the fork, to its end."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import FrameType
from typing import Any

import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.contracts.calls import Purity
from orchestrator.contracts.tasks import expands, purity_of
from orchestrator.engine.ledger import Ledger
from orchestrator.settings import Settings
from orchestrator.store.connection import connect
from workers.catalogue import function_of
from workers.runtime.codecs import Desk
from workers.runtime.context import StageContext
from workers.runtime.execute import execute
from workers.runtime.guests import GuestProcess, Guests, start_process
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.job import Job, Outcome
from workers.runtime.logs import Capture
from workers.runtime.nursery import Nursery
from workers.runtime.patience import PatientStore, open_patient_store
from workers.runtime.running import Running
from workers.runtime.scratch import new_scratch

log = logging.getLogger(__name__)

PATIENCE_S = 30.0  # of a claim or a lookup, with a Redis that went away


@dataclass
class Child:
    """Connections, capture, heartbeat and guests of one process; each is made when it is first used."""

    settings: Settings
    pool: str
    processes: int = 1  # of the pool on this host
    nursery: Nursery | None = None
    host: str = field(default_factory=socket.gethostname)
    running: Running | None = None
    _before: Any = None  # what SIGTERM did
    _busy: bool = False  # a message is worked on
    leaving: bool = False  # SIGTERM came: the stage is given back, then the process ends

    @property
    def node(self) -> str:
        """`train@host`."""
        return f"{self.pool}@{self.host}"

    @cached_property
    def redis(self) -> redis_py.Redis:
        """The connection of the main thread."""
        return connect(self.settings, PATIENCE_S)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of the main thread."""
        return Ledger(self.redis, self.settings)

    @cached_property
    def store(self) -> PatientStore:
        """The artifact store; opened after the fork, as it must be."""
        store = open_patient_store(self.settings)
        store.stopping = lambda: self.running is not None and self.running.cancelled
        return store

    @cached_property
    def capture(self) -> Capture:
        """The stages' output."""
        return Capture()

    @cached_property
    def guests(self) -> Guests:
        """Processes that run teams' own code."""
        return Guests(self.settings, self.store, self.node, self._start_guest)

    @cached_property
    def heartbeat(self) -> Heartbeat:
        """The thread that keeps leases."""
        return Heartbeat(self._impatient_ledger, self.settings.heartbeat_s, self.show)

    @contextmanager
    def message(self) -> Iterator[None]:
        """While a message is worked on, SIGTERM gives the stage under way back before it ends the process."""
        if self._before is None:  # not earlier: billiard installs its own handler after it has started a child
            self._before = signal.signal(signal.SIGTERM, self._leave)
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
            if self.leaving:
                os.kill(os.getpid(), signal.SIGTERM)

    def begin(self, running: Running) -> None:
        """A stage was claimed: keep its lease."""
        self.running = running
        self.heartbeat.watch(running)
        if self.leaving:
            running.end("returned")

    def end(self) -> None:
        """The stage is recorded."""
        self.heartbeat.leave()
        self.running = None

    def run_here(self, job: Job, running: Running) -> Outcome:
        """Run a stage of Cyclery's own in this process."""
        effect = purity_of(job.call) is Purity.EFFECT
        context = StageContext(
            run=job.run,
            stage=job.call.id,
            attempt=job.attempt,
            key=job.key,
            recipe=job.call.key or "",
            scratch=new_scratch(self.settings.cache_path),
            watcher=running,
            host_files=self.store.cache,
            seed=job.seed,
            author=job.author,
            refusal=job.refusal,
            resources=(self.redis, self.settings) if effect else None,
            accounts=partial(self.ledger.spent, job.run) if expands(job.call) else None,
        )
        desk = Desk(self.store, lambda: context.workdir)
        try:
            outputs = execute(job, function_of(job.call.task), context, desk, os.environ)
        finally:
            context.close()
        return Outcome(
            outputs=outputs, measured=context.measured, grown=context.grown, joins=context.joins, kept=context.kept
        )

    def show(self, ledger: Ledger, running: Running, last: bool = False) -> None:
        """Send new lines of the stage's output to those who watch."""
        lines = self.capture.lines(last)
        if lines:
            ledger.log(running.lease.run, running.lease.stage, running.attempt, lines)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        self.leaving = True
        signal.signal(signal.SIGTERM, self._before)  # the second one ends it at once
        if not self._busy:
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.running is not None and not self.running.over:
            self.running.end("returned")

    def _start_guest(self, channel: socket.socket, environment: dict[str, str]) -> GuestProcess:
        """By the nursery in milliseconds, else as a new interpreter."""
        if self.nursery is not None:
            try:
                return self.nursery.start(channel, environment, self.processes)
            except OSError as error:
                log.warning("%s: the nursery is gone (%s); guests start slower from now on", self.node, error)
                self.nursery = None
        return start_process(channel, environment)

    def close(self) -> None:
        """End what this process started, as far as it was ever used."""
        for part in ("heartbeat", "guests", "capture", "redis"):
            if part in self.__dict__:
                self.__dict__.pop(part).close()

    def _impatient_ledger(self) -> Ledger:
        """A ledger of the heartbeat's own: an outage must not keep it from holding stages to their limits."""
        client = connect(self.settings, 0.0)
        client.set_retry(Retry(NoBackoff(), 0))
        return Ledger(client, self.settings)

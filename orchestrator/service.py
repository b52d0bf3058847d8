"""The orchestrator service: repairs, keeps records in the store, forgets what has expired, collects garbage.

`python -m orchestrator.service`; any number may run. It holds nothing that is not also in Redis or the store.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestrator.contracts.errors import CycleryError, InvalidInput, Outdated, RecordConflict, RecordDamaged
from orchestrator.contracts.records import RunRecord
from orchestrator.contracts.status import RunStatus
from orchestrator.engine.garbage import Collector
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.reconciler import Reconciler
from orchestrator.engine.submitted import keep_submissions
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore, open_store
from orchestrator.store.audit import drain
from orchestrator.store.connection import answering, connect
from orchestrator.store.format import require_format
from orchestrator.store.manifests import write_checkpoint, write_manifest
from orchestrator.store.server import concerns, inspect_server
from orchestrator.store.steps import process_of, settle

log = logging.getLogger("cyclery.service")

COLLECT_S = 3600.0
CLEAN_S = 86_400.0
AGAIN_S = 60.0  # after a failure, at most
PATIENCE_S = 60.0  # with a Redis that is not up yet, or went away
PAGE = 50  # runs of which the store is told at once
STOP_S = 3.0  # to end the chore at hand once told to stop


@dataclass
class Chore:
    """One thing that is done again and again; a failure is logged, and soon tried again."""

    name: str
    every_s: float
    work: Callable[[], object]
    due: float = field(default=0.0)
    told: str = ""  # why it failed the last time: an outage is told once, not with every round

    def run_if_due(self, now: float) -> None:
        """Do it when its time has come."""
        if now < self.due:
            return
        self.due = now + min(self.every_s, AGAIN_S)
        try:
            self.work()
            if self.told:
                log.info("%s: done again", self.name)
            self.told, self.due = "", now + self.every_s
        except Outdated:
            raise
        except (CycleryError, OSError) as error:
            if str(error) != self.told:
                log.warning("%s: %s", self.name, error)
            self.told = str(error)
        except Exception:
            log.exception("%s failed", self.name)  # a defect of ours: the other chores must go on


class Service:
    """The chores of one namespace.

    Those that need the store have a thread, and in a running service a connection (`keeping`), of their own: leases
    expire and timers fire while the store is away or slow.
    """

    def __init__(self, ledger: Ledger, store: ArtifactStore, keeping: Ledger | None = None) -> None:
        self.ledger, self.store = keeping or ledger, store
        self.history = History(self.ledger.redis, ledger.settings.namespace)
        self.reconciler = Reconciler(ledger)
        self.collector = Collector(self.ledger, store)
        self.outdated: Outdated | None = None
        period = ledger.settings.reconcile_s
        self.repairs = (
            Chore("repair", period, self.repair),
            Chore("expiry", 60.0, ledger.expire),
        )
        self.keeping = (
            Chore("records", period, self.keep_records),
            Chore("clean", CLEAN_S, store.clean, due=time.monotonic() + COLLECT_S),
            Chore("garbage", COLLECT_S, self.collector.collect, due=time.monotonic() + COLLECT_S),
        )

    @property
    def chores(self) -> tuple[Chore, ...]:
        """All of them."""
        return (*self.repairs, *self.keeping)

    def repair(self) -> None:
        """Expire leases, fire timers, ring again what was not heard."""
        repairs = self.reconciler.tick()
        if repairs.actions:
            log.info("repaired %d, rang %d", repairs.actions, len(repairs.bells))

    def keep_records(self) -> None:
        """Keep in the store what was asked, what was decided, and each run that ended or is held.

        Only then may it leave Redis. In this order: a manifest in the store means that what its run was asked,
        registered and decided is there too, and that Redis cannot take its end back.
        """
        holds = self.ledger.holds()
        runs = list(dict.fromkeys([*self.ledger.ended(), *holds]))
        unkept: list[CycleryError] = []
        for start in range(0, max(1, len(runs)), PAGE):
            records: dict[str, RunRecord | None] = {}
            process = process_of(self.ledger.redis)
            for run in runs[start : start + PAGE]:
                with _others_go_on(unkept), answering(self.ledger.redis):
                    records[run] = self.history.snapshot(run)
            if records:
                settle(self.ledger.redis, self.ledger.keys, process)
            with _others_go_on(unkept):
                keep_submissions(self.ledger.redis, self.ledger.keys, self.store)
            with _others_go_on(unkept):
                drain(self.ledger.redis, self.ledger.settings, self.store)
            for run, record in records.items():
                with _others_go_on(unkept):
                    self._keep(run, record, holds.get(run))
        if unkept:
            raise unkept[0]

    def _keep(self, run: str, record: RunRecord | None, held: int | None) -> None:
        with answering(self.ledger.redis):
            if record is not None and record.status.ended:
                self._keep_manifest(record)
                self.ledger.archive(run, record.generation)
            elif record is not None and record.status is RunStatus.HELD:  # may take a person a week: results are kept
                write_checkpoint(self.store, record)
            if held is not None:
                self.ledger.checkpointed(run, held)

    def _keep_manifest(self, record: RunRecord) -> None:
        try:
            write_manifest(self.store, record)
        except RecordConflict as error:  # Redis lost its end and came to another: what the store has told stays true
            log.warning("manifests: %s", error)

    def serve(self, stop: threading.Event) -> None:
        """Work until told to stop. Raises Outdated where a newer release takes over."""
        keeper = threading.Thread(target=self._rounds, args=(self.keeping, stop), name="keeper", daemon=True)
        keeper.start()
        self._rounds(self.repairs, stop)
        keeper.join()
        if self.outdated is not None:
            raise self.outdated

    def _rounds(self, chores: tuple[Chore, ...], stop: threading.Event) -> None:
        beat = min(chore.every_s for chore in chores)
        while not stop.wait(beat):
            now = time.monotonic()
            for chore in chores:
                try:
                    if not stop.is_set():
                        chore.run_if_due(now)
                except Outdated as error:
                    self.outdated = error
                    stop.set()


@contextmanager
def _others_go_on(unkept: list[CycleryError]) -> Iterator[None]:
    """What cannot be kept of one run is told in the end: the others do not wait for it."""
    try:
        yield
    except (RecordDamaged, InvalidInput) as error:
        unkept.append(error)


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT set the event; a chore that waits for Redis or the store is left where it is soon after.

    That is sound because a chore may be killed anywhere. Without it the patience with a Redis that went away would
    outlast what a container is given to stop.
    """

    def leave(*_: object) -> None:
        logging.shutdown()
        os._exit(0)  # whatever the other thread waits for

    def begin(*_: object) -> None:
        stop.set()
        signal.setitimer(signal.ITIMER_REAL, STOP_S)

    signal.signal(signal.SIGALRM, leave)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, begin)


def main() -> int:
    """Wire the service from the environment and serve until SIGTERM or SIGINT, or until a newer release takes over."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = Settings()
    stop = threading.Event()
    stop_on_signals(stop)
    ledger = Ledger(connect(settings, PATIENCE_S), settings)
    try:
        require_format(ledger.redis, ledger.keys)
        log.info("serving namespace %s", settings.namespace)
        for concern in concerns(inspect_server(ledger.redis)):
            log.warning("%s", concern)
        Service(ledger, open_store(settings), Ledger(connect(settings, PATIENCE_S), settings)).serve(stop)
    except Outdated as error:
        log.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Who looks after a storm: the service, and what watches over the processes of a host."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from orchestrator.contracts.errors import CycleryError, TransientError
from orchestrator.engine.ledger import Ledger
from orchestrator.service import Service

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm


class Keeper:
    """The service: repairs, manifests, audit, expiry, garbage. Any number may run."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm

    def __call__(self) -> None:
        storm = self.storm
        client = storm.wire.client()
        service = Service(Ledger(client, storm.settings), storm.store)
        service.collector.young_s, service.collector.grace_s = -1.0, 4.0
        often = {"repair": 8, "clean": 0}
        chores = [chore.work for chore in service.chores for _ in range(often.get(chore.name, 2 - (chore.every_s > 9)))]
        chore = service.keep_records
        try:
            while True:
                if chore == service.repair and storm.chance.random() < 0.3:
                    chore = service.keep_records  # at once: what was repaired is on nobody's disk yet
                else:
                    storm.idle(4)
                    chore = storm.chance.choice(chores)
                if chore == service.collector.collect and storm.plot.halts and storm.rate:
                    continue  # the storm itself collects, at the worst of moments
                try:
                    chore()
                except (CycleryError, OSError) as error:  # as the service does: the next round tries again
                    storm.note("chore", error)
        finally:
            client.connection_pool.disconnect()


class Presence:
    """Looks after the dead processes of its host."""

    def __init__(self, storm: Storm, host: str) -> None:
        self.storm, self.host = storm, host

    def __call__(self) -> None:
        client = self.storm.wire.client()
        ledger = Ledger(client, self.storm.settings)
        try:
            while True:
                self.storm.idle(20)
                try:
                    self._bury(ledger)
                except TransientError as error:
                    self.storm.note("presence", error)
        finally:
            client.connection_pool.disconnect()

    def _bury(self, ledger: Ledger) -> None:
        for lease, pid in ledger.leases_of(self.host).items():
            if (self.host, pid) in self.storm.dead and self.storm.chance.random() < 0.5:
                self.storm.onlooker.reported(lease, partial(ledger.bury, lease), "running")

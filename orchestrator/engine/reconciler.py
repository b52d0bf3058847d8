"""What repairs: leases run out, timers fire, unheard bells ring again. It polls only for this; any number may run."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Bell
from orchestrator.store.connection import answering

LIMIT = 200  # of each kind in one step, since a step stops all of Redis
GRACE_MS = 2000  # until a bell that ought to have been heard is missed
PROCESSES = 8  # of the widest pool, until one has told of itself


@dataclass(frozen=True, slots=True)
class Repairs:
    """What one round did."""

    actions: int
    bells: tuple[Bell, ...]


class Reconciler:
    """Rounds of repair over one namespace."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.history = History(ledger.redis, ledger.settings.namespace)

    def tick(self) -> Repairs:
        """One round, repeated while a step reaches its limit."""
        actions, bells = 0, list[Bell]()
        while True:
            count, rung = self.ledger.repair(LIMIT, GRACE_MS)
            actions += count
            bells += rung
            if count < LIMIT:
                break
        for run in self.ledger.unfinished():
            actions += 1
            bells += self.ledger.sweep(run)
        self._widen()  # last: a full Redis refuses it, and repairs what it is asked to
        return Repairs(actions, tuple(bells))

    def _widen(self) -> None:
        """A run's window follows the pools: it must neither leave processes idle nor make others wait long."""
        with answering(self.ledger.redis):
            widest = self.ledger.settings.window * max(self.history.count_slots().values(), default=PROCESSES)
            if self.ledger.redis.get(self.ledger.keys("window")) != str(widest):
                self.ledger.redis.set(self.ledger.keys("window"), widest)

"""What befalls a storm's actors: deaths of Redis, power and memory lost, leaps of time, halts at the worst moments."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, cast

from orchestrator.contracts.errors import LedgerBehind
from orchestrator.engine.garbage import Collector
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Lease
from tests.faults.ledger.plot import CACHE_S, LEASE_S
from tests.faults.ledger.promises import broken_promises
from tests.faults.ledger.strangers import intruders

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm


class Strikes:
    """Faults between two turns, and those that wait for an actor at a place of its own."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.full_for = 0  # turns
        self.promising = ""  # what kind of thing was promised this very moment
        self.losses: Counter[str] = Counter()  # of power, by what was promised before
        self.leaving: set[int] = set()  # processes that were asked to end

    def strike(self) -> None:
        """Now and then something goes wrong between two turns; more often where it would hurt."""
        storm = self.storm
        drawn = storm.chance.random()
        plot = storm.plot
        if self.full_for:
            self.full_for -= 1
            if not self.full_for:
                storm.admin.config_set("maxmemory", 0)
        scale = 1.2 / plot.count
        if self.promising and self.losses[self.promising] < plot.power * (3 if self.promising == "claimed" else 1):
            self.losses[self.promising] += 1
            storm.counts["power losses"] += 1
            self.restart(storm.chance.choice([0.0, 0.0, storm.chance.random()]))
        elif drawn < 0.022 and not storm.may_die():
            pass  # time that passes, or somebody halted, may be a death as well
        elif drawn < 0.010:
            storm.clock.leap(storm.chance.choice([500, 3_000, 5_000]))
            storm.counts["leaps"] += 1
        elif drawn < 0.012:
            # no collector is left with what it holds no more
            alone = not storm.admin.exists(storm.keys("collecting"))
            storm.clock.leap(storm.chance.choice([25_000, 7_200_000 if alone else 900_000]))
            storm.counts["long leaps"] += 1
        elif drawn < 0.014:
            self._outage()
        elif drawn < 0.022:
            storm.chance.choice(storm.hub.actors).stopped = storm.chance.choice([5, 40, 300])
            storm.counts["stopped"] += 1
        elif drawn < 0.024:
            storm.admin.script_flush()
            storm.counts["scripts dropped"] += 1
        elif drawn < 0.026:
            self.leaving |= set(storm.pids.values())
        elif drawn < 0.026 + scale and storm.counts["kills"] < plot.kills:
            storm.counts["kills"] += 1
            self.restart()
        elif drawn < 0.026 + 2 * scale and storm.counts["full"] < plot.full and not self.full_for:
            storm.counts["full"] += 1
            self.full_for = 150
            storm.admin.config_set("maxmemory", 1)
            storm.violations += intruders(storm)

    def _outage(self) -> None:
        """Redis was away for longer than a lease: at the first look after it nobody loses its stage."""
        storm = self.storm
        storm.counts["outages"] += 1
        running = self._leased()
        records = {one: storm.record(*one.split("/", 1)) for one in running}
        storm.clock.leap(int(LEASE_S * 2000), unseen=True)
        Ledger(storm.admin, storm.settings).repair(200, 2000)
        kept = self._leased()
        lost = [one for one, record in records.items() if one not in kept and not record.get("spared")]
        storm.violations += [f"outage: {one} was taken from its worker" for one in lost]

    def _leased(self) -> list[str]:
        """Stages whose lease runs."""
        storm = self.storm
        return cast("list[str]", storm.admin.zrangebyscore(storm.keys("leases"), storm.clock.now_ms(), "inf"))

    def restart(self, cut: float | None = None) -> None:
        """Redis is killed and comes back; `cut` says how much of what was not promised is lost with the power."""
        storm = self.storm
        storm.admin.close()
        storm.redis.kill()
        if cut is not None:
            size, kept = storm.wire.size(), storm.wire.durable
            with storm.wire.file.open("r+b") as file:
                file.truncate(kept + int((size - kept) * cut))
        storm.redis.start()
        storm.wire.durable = min(storm.wire.size(), storm.wire.durable)
        if self.full_for:
            storm.admin.config_set("maxmemory", 1)
        if cut is not None:
            storm.violations += broken_promises(storm)

    def calm(self) -> None:
        """What lasts is over."""
        storm = self.storm
        self.full_for = 0
        storm.admin.config_set("maxmemory", 0)
        for actor in storm.hub.actors:
            actor.stopped = 0

    def tempt(self, kind: str, chance: float, *, told: bool = False) -> None:
        """A good moment for the power to go; who was told that something will stay must have waited for something."""
        storm = self.storm
        if storm.rate > 0 and storm.chance.random() < chance:
            self.promising = kind
        if told and storm.hub.current in storm.wire.vacuous:
            storm.violations.append(f"vacuous: {kind} was promised after a wait that covered nothing")

    def halt(self, leap_s: float = 2 * CACHE_S) -> None:
        """Whoever looked at the store stands still; meanwhile what is forgotten expires, and garbage is collected."""
        storm = self.storm
        able = storm.rate and not self.full_for
        if not able or storm.chance.random() >= storm.plot.halts or not storm.may_die():
            return
        storm.counts["halts"] += 1
        storm.clock.leap(int(leap_s * 1000))
        collector = Collector(Ledger(storm.admin, storm.settings), storm.plain, young_s=-1.0, grace_s=0.0)
        with contextlib.suppress(LedgerBehind):
            fate = storm.chance.random()
            if fate < 0.3:  # one that is killed after its last look
                collector._last_look(collector.live())
            elif fate < 0.6:  # one that is killed when it has deleted
                storm.counts["collected"] += _deleted(collector)
            else:
                storm.counts["collected"] += collector.collect() + collector.collect()
        storm.wire.durable = storm.wire.size()
        if leap_s > CACHE_S:
            for person in storm.people:
                for workflow in person.work:
                    storm.remember(workflow)

    def oversleep(self, lease: Lease, worker: str) -> None:
        """Now and then a worker stands still for longer than its lease, and wakes up when another one has its stage."""
        storm = self.storm
        record = storm.record(lease.run, lease.stage)
        if record.get("fence") == lease.fence and record.get("progress") is not None:
            storm.violations.append(f"torn: {lease} has just begun, and has come to {record['progress']}")
        if storm.chance.random() >= 3 * storm.rate or not storm.may_die():
            return
        storm.counts["overslept"] += 1
        self.tempt("claimed", 0.5)
        storm.clock.leap(int(LEASE_S * 1200))
        for _ in range(120):
            storm.hub.pause()
            record = storm.record(lease.run, lease.stage)
            if record.get("worker") != worker and record.get("state") == "running":
                storm.counts["overtaken"] += 1
                return

    def linger(self, run: str) -> None:
        """Now and then a stage does its last step when its run is being cancelled, and has not heard of it."""
        storm = self.storm
        book = next((one for one in storm.accepted if one.id == run and one.workflow.cancel), None)
        if book is None or book.cancelled or book.generation > 1 or storm.chance.random() > 4 * storm.rate:
            return
        book.lingering = True
        for _ in range(200):
            storm.hub.pause()
            if book.cancelled:
                storm.counts["lingered"] += 1
                break
        book.lingering = False


def _deleted(collector: Collector) -> int:
    """A round as far as its deletions, and no further."""
    ended = f"deleted {id(collector)}"

    def dies(_live: set[str]) -> None:
        raise InterruptedError(ended)

    collector._condemn = dies  # type: ignore[method-assign]
    before = sum(1 for _ in collector.store.digests())
    with contextlib.suppress(InterruptedError):
        collector.collect()
    return before - sum(1 for _ in collector.store.digests())

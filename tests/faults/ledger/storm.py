"""A storm: clients, workers, reconcilers and people over one real Redis, and every fault at every call, by a seed.

`python -m tests.faults.ledger.storm --seed 7` prints what it did and what the checker found.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import redis

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.environment import environment_digest
from orchestrator.contracts.keys import content_key
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import CacheRecord
from orchestrator.engine.scripts import _scripts
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.keys import Keys
from tests.faults.ledger.clock import Clock
from tests.faults.ledger.expected import digest, expect
from tests.faults.ledger.hub import Hub, Killed
from tests.faults.ledger.invariants import torn
from tests.faults.ledger.keepers import Keeper, Presence
from tests.faults.ledger.onlooker import Onlooker
from tests.faults.ledger.people import Person
from tests.faults.ledger.plot import CACHE_S, LEASE_S, MAX_DEATHS, Book, Plot
from tests.faults.ledger.rest import restless, ringing, standing_of
from tests.faults.ledger.shapes import Workflow, workflows
from tests.faults.ledger.strangers import intruders
from tests.faults.ledger.strikes import Strikes
from tests.faults.ledger.wire import Wire
from tests.faults.ledger.witness import witnessed
from tests.faults.ledger.workers import Store, Worker
from tests.servers import RedisServer

ROUNDS = 90  # of leaps in time, until what has not come to rest never will
STUCK = 14  # of them, after which nothing has changed
CRASHES = 30  # of the product's own code: no need to go on


@dataclass
class Storm:
    """One storm from its first call to its rest."""

    seed: int
    plot: Plot = field(default_factory=Plot)
    server: RedisServer | None = None
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cy-storm-", dir=_memory())))

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.hub = Hub(random.Random(self.seed + 1))
        options = ("--auto-aof-rewrite-percentage", "0")
        self.redis = self.server or RedisServer(appendfsync="always", options=options, folder=self.folder / "redis")
        self.settings = Settings(
            redis_url=self.redis.url, namespace=f"storm{self.seed}", home=self.folder / "home", lease_s=LEASE_S,
            store=str(self.folder / "store"), cache=self.folder / "cache", author="storm", window=self.plot.window,
            max_deaths=MAX_DEATHS, expire_s=40 * 86400.0, cache_expire_s=CACHE_S if self.plot.halts else 30 * 86400.0,
        )  # fmt: skip
        self.keys = Keys(self.settings.namespace)
        self.wire = Wire(self.redis, self.hub, random.Random(self.seed + 2), may_die=self.may_die)
        self.store = Store(self.settings.store_url, self.settings.cache_path, 2**30)
        self.store.storm = self
        self.plain = ArtifactStore(self.settings.store_url, self.settings.cache_path, 2**30)  # for the storm itself
        self.rate = 0.0
        self.accepted: list[Book] = []
        self.promised: list[tuple[str, ...]] = []
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.dead: set[tuple[str, int]] = set()
        self.pids: dict[str, int] = {}  # of the latest process of each host
        self.crashes: list[str] = []
        self.strikes, self.onlooker = Strikes(self), Onlooker(self)
        self.tags: dict[str, str] = {}  # messages by what Celery tells them apart by
        self.archived: set[str] = set()  # runs that left the ledger's care, and whose manifest was seen
        self.deleted = ""  # from the store, this very moment

    # — the run of it

    def run(self) -> Storm:
        """Begin, blow, come to rest."""
        logging.getLogger("workers.runtime.perform").setLevel(logging.CRITICAL)
        if self.server is None:
            self.redis.folder.mkdir(parents=True)
            self.redis.start()
        self.admin = self.redis.client()
        self.clock = Clock(self.admin, self.keys)
        self.wire.precious = frozenset({_scripts()["sweep"].digest})
        try:
            self._cast()
            self._blow()
            self._rest()
        finally:
            self.hub.finish()
        return self

    def close(self) -> None:
        """Nothing is left of it."""
        self.admin.close()
        if self.server is None:
            self.redis.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _cast(self) -> None:
        work = workflows(self.plot.count, self.chance, wide_ones=self.plot.wide, only=self.plot.only)
        self.people = [Person(self, work[i::3]) for i in range(3)]
        for workflow in work:  # old garbage is what stages are about to make again
            for data in [*expect(workflow).left, *([workflow.source] if workflow.source else [])]:
                if self.plot.collect and not self.plot.halts and self.chance.random() < 0.6:
                    self.store.put_bytes(data, Kind.JSON)
            if self.plot.halts:
                self.remember(workflow)
        for i, person in enumerate(self.people):
            self.hub.add(f"person{i}", self._guarded(person))
        for i in range(self.plot.workers):
            self.hub.add(f"worker{i}", self._guarded(Worker(self, f"host{i % 2}")))
        for i in range(2):
            self.hub.add(f"keeper{i}", self._guarded(Keeper(self)))
            self.hub.add(f"presence{i}", self._guarded(Presence(self, f"host{i}")))

    def remember(self, workflow: Workflow) -> None:
        """Some results are known from runs that were forgotten; of some, the store has lost the bytes."""
        end = expect(workflow)
        data = {digest(one): one for one in end.left}
        for call in workflow.plan.stages:
            left = end.outputs.get(call.id)
            if left is None or call.task != "ops.probe" or call.params["act"] not in ("ok", "flaky"):
                continue
            content = None if call.inputs else content_key(call, {}, environment_digest())
            ref = ArtifactRef(kind=Kind.JSON, digest=left, size=len(data[left]))
            for key in (call.key, content):
                if key and self.chance.random() < 0.4:
                    text = CacheRecord(outputs={"echo": ref}).encode()
                    self.admin.set(self.keys("cache", key), text, px=int(CACHE_S * 1000))
                    if self.chance.random() < 0.3:  # by a look that was older than the result
                        self.admin.zadd(self.keys("condemned"), {left: 0})
                    if self.chance.random() < 0.6:
                        self.plain.put_bytes(data[left], Kind.JSON)

    def _guarded(self, life: Any) -> Any:
        """A life that a fault of the product's own ends is told, and begins again."""

        def guarded() -> None:
            while True:
                try:
                    life()
                except Exception as error:
                    where = traceback.extract_tb(error.__traceback__)
                    ours = [
                        f"{Path(one.filename).stem}:{one.lineno}"
                        for one in where
                        if "site-packages" not in one.filename
                    ]
                    self.crashes.append(f"{type(error).__name__}: {error} ({' '.join(ours[-4:])})"[:400])
                    if len(self.crashes) > 200:
                        raise
                    self.point()

        return guarded

    def _blow(self) -> None:
        self.rate = self.plot.rate
        self.wire.lose, self.wire.die = self.rate, self.rate / 2
        self.violations += witnessed(self)
        while any(person.work for person in self.people) or not self._over():
            if (
                self.hub.turns > (1600 if self.plot.halts else 400) * self.plot.count
                or len(self.crashes) > CRASHES
                or self.violations
            ):
                break
            self.hub.turn()
            self.strikes.strike()
            self.strikes.promising = self.deleted = ""
            self._look()
        self.rate = self.wire.lose = self.wire.die = 0.0
        self.strikes.calm()

    def _over(self) -> bool:
        """Whether it has blown for long enough; where somebody stands still, until all is done."""
        if self.chance.random() > 0.0003 * (20 if self.plot.halts else 1):
            return False
        return not self.plot.halts or not self.admin.exists(self.keys("active"))

    def _rest(self) -> None:
        if self.violations:
            return
        before, same = "", 0
        for number in range(ROUNDS):
            for turns in range(30):
                for _ in range(40 * len(self.hub.actors)):
                    self.hub.turn()
                    self._look(resting=1)
                self._look(resting=turns)
                if self.violations:
                    return
                if not ringing(self) and (turns > 8 or not self.admin.exists(self.keys("collecting"))):
                    break  # a leap would take its turn from a collector that lives
            if number > 2 and self.quiet():
                return
            now = str(restless(self))
            same = same + 1 if now == before else 0
            before = now
            if same > STUCK or len(self.crashes) > CRASHES:
                break
            self.clock.leap(3_000 if number % 3 else 4_000_000 if number % 7 == 6 else 30_000)
        self.violations.append(f"never at rest: {restless(self)}")
        for run in cast("set[str]", self.admin.smembers(self.keys("active"))):
            self.violations += standing_of(self, run)

    def _look(self, resting: int | None = None) -> None:
        """Between two steps, now and then."""
        turns = self.hub.turns
        if turns % (1600 if self.plot.wide else 80) == 0 or resting == 0:
            self.violations += torn(self)
        if turns % 600 == 0 and not self.violations and resting is None:
            self.violations += intruders(self)

    # — faults between two turns

    def record(self, run: str, stage: str) -> dict[str, Any]:
        """A stage as Redis has it."""
        text = cast("str | None", self.admin.hget(self.keys.run(run, "stages"), stage))
        return cast("dict[str, Any]", json.loads(text or "{}"))

    # — what actors ask

    def point(self) -> None:
        """A place between two calls: somebody else goes on, and this one may die here."""
        self.hub.pause()
        actor = self.hub.current
        if actor is not None and self.chance.random() < self.rate / 4 and self.may_die():
            raise Killed

    def idle(self, turns: int) -> None:
        """Nothing to do for so many turns."""
        for _ in range(turns):
            self.point()

    def may_die(self) -> bool:
        """Whether one more death makes no stage poison that is not meant to be."""
        members = cast("list[str]", self.admin.zrange(self.keys("leases"), 0, -1))
        for run, stage in (member.split("/", 1) for member in members):
            text = self.admin.hget(self.keys.run(run, "stages"), stage)
            if text and json.loads(cast("str", text)).get("deaths", 0) >= MAX_DEATHS - 4 and stage != "bad":
                return False
        return True

    def new_process(self, host: str) -> int:
        """The number of a process that begins."""
        self.pids[host] = max(self.pids.values(), default=0) + 1
        return self.pids[host]

    def promise(self, *what: str, chance: float = 0.5) -> None:
        """Somebody was told that this will stay, or acts as if it would: its kind, and whose it is."""
        self.promised.append(what)
        self.strikes.tempt(what[0], chance, told=True)

    def shutting(self, pid: int) -> bool:
        """Whether this process was asked to end."""
        return pid in self.strikes.leaving

    def aged(self, stamp: str) -> str:
        """A message's stamp on the clock that leapt meanwhile."""
        return self.clock.aged(stamp)

    def history(self, ledger: Ledger) -> History:
        """What a reader knows."""
        return History(ledger.redis, self.settings.namespace)

    def accept(self, run: str, workflow: Workflow, person: Person) -> None:
        """Somebody was told that this run is accepted."""
        if not any(book.id == run for book in self.accepted):
            self.accepted.append(Book(run, workflow, person))
        self.strikes.tempt("accepted", 0.2, told=True)

    def settled(self, run: Book) -> bool:
        """Whether a run has just ended."""
        return self.admin.hget(self.keys.run(run.id), "status") not in (None, "running", "held")

    def ran(self, run: str, job: Any) -> None:
        """A stage's work was done, recorded or not."""
        self.counts["worked"] += 1

    def note(self, who: str, error: Exception) -> None:
        """A failure that somebody tries again after."""
        self.counts[f"{who} tries again"] += 1

    # — rest

    def quiet(self) -> bool:
        """Whether nothing is left to be done by anybody."""
        return not restless(self)


def _memory() -> str | None:
    """A folder in memory, where there is one: a storm writes down every step."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def blow(seed: int, plot: Plot | None = None) -> Storm:
    """One storm, checked."""
    from tests.faults.ledger.checker import check

    storm = Storm(seed, plot or Plot())
    try:
        storm.run()
        storm.violations += check(storm)
    finally:
        with contextlib.suppress(redis.RedisError):
            storm.close()
    return storm


def main() -> None:
    """Storms from the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--storms", type=int, default=1)
    options.add_argument("--count", type=int, default=48)
    options.add_argument("--wide", type=int, default=1)
    options.add_argument("--rate", type=float, default=0.04)
    options.add_argument("--halts", type=float, default=0.0)
    options.add_argument("--shapes", default="")
    given = options.parse_args()
    for seed in range(given.seed, given.seed + given.storms):
        began = time.monotonic()
        plot = Plot(count=given.count, wide=given.wide, rate=given.rate, halts=given.halts, only=given.shapes)
        storm = blow(seed, plot)
        facts = dict(storm.counts) | {
            "runs": len(storm.accepted), "commands": storm.wire.commands, "lost": storm.wire.lost,
            "deaths": storm.hub.deaths, "turns": storm.hub.turns, "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip
        print(seed, facts)
        for line in [*storm.violations[:20], *dict.fromkeys(storm.crashes)]:
            print("   ", line)


if __name__ == "__main__":
    main()

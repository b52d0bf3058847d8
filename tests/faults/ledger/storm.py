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
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import redis

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.environment import environment_digest
from orchestrator.contracts.errors import LedgerBehind
from orchestrator.contracts.keys import content_key
from orchestrator.engine.garbage import Collector
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import CacheRecord, Completion, Lease, Settled
from orchestrator.engine.scripts import _scripts
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.audit import FOLDER
from orchestrator.store.continuity import standing
from orchestrator.store.keys import Keys
from orchestrator.store.manifests import MANIFESTS, parse_manifest
from tests.faults.ledger.actors import Keeper, Person, Presence, Store, Worker
from tests.faults.ledger.clock import Clock
from tests.faults.ledger.expected import digest, expect
from tests.faults.ledger.hub import Hub, Killed
from tests.faults.ledger.invariants import torn
from tests.faults.ledger.promises import broken_promises
from tests.faults.ledger.shapes import Workflow, workflows
from tests.faults.ledger.strangers import intruders
from tests.faults.ledger.wire import Wire
from tests.faults.ledger.witness import witnessed
from tests.servers import RedisServer

MAX_DEATHS = 8
ROUNDS = 90  # of leaps in time, until what has not come to rest never will
STUCK = 14  # of them, after which nothing has changed
CRASHES = 30  # of the product's own code: no need to go on
LEASE_S = 20.0
CACHE_S = 3600.0  # for which a result is remembered, where those who look at the store stand still


@dataclass
class Book:
    """What is known of one accepted run by those who were answered."""

    id: str
    workflow: Workflow
    person: Person
    generation: int = 1
    cancelled: bool = False  # answered; `cancel_tried`: perhaps done
    cancel_tried: bool = False
    retry_tried: Workflow | None = None
    decided: set[tuple[int, str]] = field(default_factory=set)
    deciding: set[tuple[int, str]] = field(default_factory=set)  # said, and not answered
    promoted: bool = False
    heard: tuple[int, str] | None = None  # that it has ended, by whoever tried to cancel it
    lingering: bool = False  # a stage of it is about to tell of its end, and waits for the cancel

    def advance(self) -> None:
        """The retry was accepted."""
        self.generation, self.cancelled, self.cancel_tried = 2, False, False


@dataclass(frozen=True)
class Plot:
    """How hard a storm is, and what it may do."""

    count: int = 48
    wide: int = 1
    rate: float = 0.04  # of lost calls; deaths and lost messages are shares of it
    kills: int = 1  # of Redis
    power: int = 2  # losses right after each kind of thing that somebody was promised
    full: int = 1  # times without memory
    collect: bool = True
    workers: int = 5
    window: int = 6
    halts: float = 0.0  # of looks at the store: who looked stands still, while all that nobody refers to is deleted
    only: str = ""  # names of shapes; none: all


@dataclass
class Storm:
    """One storm from its first call to its rest."""

    seed: int
    plot: Plot = Plot()
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
        self.leaving: set[int] = set()
        self.crashes: list[str] = []
        self.full_for = 0
        self.promising = ""  # what kind of thing was promised this very moment
        self.losses: Counter[str] = Counter()  # of power, by what was promised before
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
                self._remember(workflow)
        for i, person in enumerate(self.people):
            self.hub.add(f"person{i}", self._guarded(person))
        for i in range(self.plot.workers):
            self.hub.add(f"worker{i}", self._guarded(Worker(self, f"host{i % 2}")))
        for i in range(2):
            self.hub.add(f"keeper{i}", self._guarded(Keeper(self)))
            self.hub.add(f"presence{i}", self._guarded(Presence(self, f"host{i}")))

    def _remember(self, workflow: Workflow) -> None:
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
            self._strike()
            self.promising = self.deleted = ""
            self._look()
        self.rate = self.wire.lose = self.wire.die = 0.0
        self.calm()

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
                if not self._ringing() and (turns > 8 or not self.admin.exists(self.keys("collecting"))):
                    break  # a leap would take its turn from a collector that lives
            if number > 2 and self.quiet():
                return
            now = str(self.restless())
            same = same + 1 if now == before else 0
            before = now
            if same > STUCK or len(self.crashes) > CRASHES:
                break
            self.clock.leap(3_000 if number % 3 else 4_000_000 if number % 7 == 6 else 30_000)
        self.violations.append(f"never at rest: {self.restless()}")
        for run in cast("set[str]", self.admin.smembers(self.keys("active"))):
            self.violations += self._standing(run)

    def _look(self, resting: int | None = None) -> None:
        """Between two steps, now and then."""
        turns = self.hub.turns
        if turns % (1600 if self.plot.wide else 80) == 0 or resting == 0:
            self.violations += torn(self)
        if turns % 600 == 0 and not self.violations and resting is None:
            self.violations += intruders(self)

    # — faults between two turns

    def _strike(self) -> None:
        drawn = self.chance.random()
        plot = self.plot
        if self.full_for:
            self.full_for -= 1
            if not self.full_for:
                self.admin.config_set("maxmemory", 0)
        scale = 1.2 / plot.count
        if self.promising and self.losses[self.promising] < plot.power * (3 if self.promising == "claimed" else 1):
            self.losses[self.promising] += 1
            self.counts["power losses"] += 1
            self._restart(self.chance.choice([0.0, 0.0, self.chance.random()]))
        elif drawn < 0.022 and not self.may_die():
            pass  # time that passes, or somebody halted, may be a death as well
        elif drawn < 0.010:
            self.clock.leap(self.chance.choice([500, 3_000, 5_000]))
            self.counts["leaps"] += 1
        elif drawn < 0.012:
            alone = not self.admin.exists(self.keys("collecting"))  # no collector is left with what it holds no more
            self.clock.leap(self.chance.choice([25_000, 7_200_000 if alone else 900_000]))
            self.counts["long leaps"] += 1
        elif drawn < 0.014:
            self._outage()
        elif drawn < 0.022:
            self.chance.choice(self.hub.actors).stopped = self.chance.choice([5, 40, 300])
            self.counts["stopped"] += 1
        elif drawn < 0.024:
            self.admin.script_flush()
            self.counts["scripts dropped"] += 1
        elif drawn < 0.026:
            self.leaving |= set(self.pids.values())
        elif drawn < 0.026 + scale and self.counts["kills"] < plot.kills:
            self.counts["kills"] += 1
            self._restart()
        elif drawn < 0.026 + 2 * scale and self.counts["full"] < plot.full and not self.full_for:
            self.counts["full"] += 1
            self.full_for = 150
            self.admin.config_set("maxmemory", 1)
            self.violations += intruders(self)

    def _outage(self) -> None:
        """Redis was away for longer than a lease: at the first look after it nobody loses its stage."""
        self.counts["outages"] += 1
        running = cast("list[str]", self.admin.zrangebyscore(self.keys("leases"), self.clock.now_ms(), "inf"))
        records = {one: self._record(*one.split("/", 1)) for one in running}
        self.clock.leap(int(LEASE_S * 2000), unseen=True)
        Ledger(self.admin, self.settings).repair(200, 2000)
        kept = cast("list[str]", self.admin.zrangebyscore(self.keys("leases"), self.clock.now_ms(), "inf"))
        lost = [one for one, record in records.items() if one not in kept and not record.get("spared")]
        self.violations += [f"outage: {one} was taken from its worker" for one in lost]

    def _record(self, run: str, stage: str) -> dict[str, Any]:
        """A stage as Redis has it."""
        text = cast("str | None", self.admin.hget(self.keys.run(run, "stages"), stage))
        return cast("dict[str, Any]", json.loads(text or "{}"))

    def _restart(self, cut: float | None = None) -> None:
        """Redis is killed and comes back; `cut` says how much of what was not promised is lost with the power."""
        self.admin.close()
        self.redis.kill()
        if cut is not None:
            size, kept = self.wire.size(), self.wire.durable
            with self.wire.file.open("r+b") as file:
                file.truncate(kept + int((size - kept) * cut))
        self.redis.start()
        self.wire.durable = min(self.wire.size(), self.wire.durable)
        if self.full_for:
            self.admin.config_set("maxmemory", 1)
        if cut is not None:
            self.violations += broken_promises(self)

    def calm(self) -> None:
        """What lasts is over."""
        self.full_for = 0
        self.admin.config_set("maxmemory", 0)
        for actor in self.hub.actors:
            actor.stopped = 0

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

    def tempt(self, kind: str, chance: float, *, told: bool = False) -> None:
        """A good moment for the power to go; who was told that something will stay must have waited for something."""
        if self.rate > 0 and self.chance.random() < chance:
            self.promising = kind
        if told and self.hub.current in self.wire.vacuous:
            self.violations.append(f"vacuous: {kind} was promised after a wait that covered nothing")

    def promise(self, *what: str, chance: float = 0.5) -> None:
        """Somebody was told that this will stay, or acts as if it would: its kind, and whose it is."""
        self.promised.append(what)
        self.tempt(what[0], chance, told=True)

    def halt(self, leap_s: float = 2 * CACHE_S) -> None:
        """Whoever looked at the store stands still; meanwhile what is forgotten expires, and garbage is collected."""
        if not self.rate or self.full_for or self.chance.random() >= self.plot.halts or not self.may_die():
            return
        self.counts["halts"] += 1
        self.clock.leap(int(leap_s * 1000))
        collector = Collector(Ledger(self.admin, self.settings), self.plain, young_s=-1.0, grace_s=0.0)
        with contextlib.suppress(LedgerBehind):
            fate = self.chance.random()
            if fate < 0.3:  # one that is killed after its last look
                collector._last_look(collector.live())
            elif fate < 0.6:  # one that is killed when it has deleted
                self.counts["collected"] += _deleted(collector)
            else:
                self.counts["collected"] += collector.collect() + collector.collect()
        self.wire.durable = self.wire.size()
        if leap_s > CACHE_S:
            for person in self.people:
                for workflow in person.work:
                    self._remember(workflow)

    def oversleep(self, lease: Lease, worker: str) -> None:
        """Now and then a worker stands still for longer than its lease, and wakes up when another one has its stage."""
        record = self._record(lease.run, lease.stage)
        if record.get("fence") == lease.fence and record.get("progress") is not None:
            self.violations.append(f"torn: {lease} has just begun, and has come to {record['progress']}")
        if self.chance.random() >= 3 * self.rate or not self.may_die():
            return
        self.counts["overslept"] += 1
        self.tempt("claimed", 0.5)
        self.clock.leap(int(LEASE_S * 1200))
        for _ in range(120):
            self.hub.pause()
            record = self._record(lease.run, lease.stage)
            if record.get("worker") != worker and record.get("state") == "running":
                self.counts["overtaken"] += 1
                return

    def linger(self, run: str) -> None:
        """Now and then a stage does its last step when its run is being cancelled, and has not heard of it."""
        book = next((one for one in self.accepted if one.id == run and one.workflow.cancel), None)
        if book is None or book.cancelled or book.generation > 1 or self.chance.random() > 4 * self.rate:
            return
        book.lingering = True
        for _ in range(200):
            self.hub.pause()
            if book.cancelled:
                self.counts["lingered"] += 1
                break
        book.lingering = False

    def returned(self, lease: Lease, report: Callable[[], Settled]) -> Settled:
        """A worker that shuts down gives its stage back: nobody has died."""
        before = self._record(lease.run, lease.stage).get("deaths", 0)
        settled = report()
        record = self._record(lease.run, lease.stage)
        if settled.answer == "returned" and record.get("fence") == lease.fence and record.get("deaths", 0) != before:
            self.violations.append(f"told: {lease} was given back, which counts as a death")
        return settled

    def refused_to_decide(self, run: str, stage: str, note: str) -> None:
        """Somebody heard that it is too late to decide: not by a decision of the same person."""
        record = self._record(run, stage)
        if f'"{note}"' in record.get("decision", ""):
            self.violations.append(f"told: the decision on {stage} of {run} was refused, and it stands")

    def shutting(self, pid: int) -> bool:
        """Whether this process was asked to end."""
        return pid in self.leaving

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
        self.tempt("accepted", 0.2, told=True)

    def kept(self, lease: Lease, completion: Completion) -> None:
        """What was recorded this moment is there."""
        run = self.admin.hget(self.keys.run(lease.run), "status")
        gone = [ref.digest for ref in completion.outputs.values() if not self.plain._size(ref.digest)]
        if gone and run == "running" and self._record(lease.run, lease.stage).get("fence") == lease.fence:
            self.violations.append(f"bytes: {lease} was recorded with {gone[0]}, which was deleted")

    def deleting(self, digest: str) -> None:
        """Bytes are deleted: that they would be is nothing that Redis may forget."""
        self.deleted = digest
        key = self.keys("deleting")
        told = f"SADD\r\n${len(key)}\r\n{key}\r\n${len(digest)}\r\n{digest}\r\n"
        if told.encode() in self.wire.unsafe():
            self.violations.append(f"lost: that {digest} is deleted may be gone with the power")

    def recorded(self, name: str, data: bytes) -> None:
        """The store tells of an end or a decision: Redis has it, and cannot take it back."""
        if name.startswith(MANIFESTS):
            record = parse_manifest(data)
            base = self.keys.run(record.run)
            known, status = self.admin.hmget(base, "generation", "status")
            if int(known or 0) < record.generation or (int(known) == record.generation and status != record.status):
                self.violations.append(f"invented: a manifest of {record.run}@{record.generation}, {status} of {known}")
            ended = str(round((record.finished or 0) * 1000))
            cause = f"\r\n{base}\r\n$8\r\nfinished\r\n${len(ended)}\r\n{ended}\r\n".encode()
        elif name.startswith(FOLDER):
            problem = standing(self.admin, self.keys, self.plain).problem
            self.violations += [f"invented: {name}: {problem}"] if problem else []
            cause = data
        else:
            return
        if cause in self.wire.unsafe():
            self.violations.append(f"lost: what {name} tells may be gone with the power")

    def settled(self, run: Book) -> bool:
        """Whether a run has just ended."""
        return self.admin.hget(self.keys.run(run.id), "status") not in (None, "running", "held")

    def reported(self, lease: Lease, report: Callable[[], Settled], *states: str) -> Settled:
        """Whoever holds a lease is never told that it is lost."""
        losses = self.counts["power losses"]
        settled = report()
        record = self._record(lease.run, lease.stage)
        holds = record.get("fence") == lease.fence and record.get("state") in states
        if settled.lost and holds and losses == self.counts["power losses"]:
            self.violations.append(f"told: {lease} was lost for its owner, it is {record['state']}")
        return settled

    def ran(self, run: str, job: Any) -> None:
        """A stage's work was done, recorded or not."""
        self.counts["worked"] += 1

    def note(self, who: str, error: Exception) -> None:
        """A failure that somebody tries again after."""
        self.counts[f"{who} tries again"] += 1

    # — rest

    def _ringing(self) -> bool:
        return any(self._messages().values()) or any(person.work for person in self.people)

    def _messages(self) -> dict[str, int]:
        """How many nobody has popped, by queue."""
        return {queue: cast("int", self.admin.llen(self.keys.broker(queue))) for queue in ("ops", "train")}

    def _standing(self, run: str) -> list[str]:
        """How a run stands that does not end."""
        base = self.keys.run(run)
        fields = self.admin.hgetall(base)
        records = cast("dict[str, str]", self.admin.hgetall(f"{base}:stages"))
        work = self.admin.lrange(f"{base}:work", 0, -1)
        counters = {name: value for name, value in fields.items() if name not in ("spec", "notes", "identity")}
        going = [f"{run}: {one} {text}" for one, text in records.items() if '"finished"' not in text]
        return [f"{run}: {counters}, work {work}, parked {self.admin.lrange(f'{base}:parked', 0, 3)}", *going[:4]]

    def quiet(self) -> bool:
        """Whether nothing is left to be done by anybody."""
        return not self.restless()

    def restless(self) -> list[str]:
        """What is still to be done."""
        found = [f"{len(person.work)} unsubmitted" for person in self.people if person.work]
        found += [f"{length} messages for {queue}" for queue, length in self._messages().items() if length]
        for name in ("active", "ended", "audit:outbox", "work", "leases", "timers", "deleting"):
            if self.admin.exists(self.keys(name)):
                kind = self.admin.type(self.keys(name))
                size = {"set": self.admin.scard, "zset": self.admin.zcard, "list": self.admin.llen}[kind](
                    self.keys(name)
                )
                members = {"set": partial(self.admin.srandmember, number=3),
                           "list": lambda k: self.admin.lrange(k, 0, 2),
                           "zset": lambda k: self.admin.zrange(k, 0, 2)}[kind](self.keys(name))  # fmt: skip
                found.append(f"{size} {name} {members}")
        for book in self.accepted:
            status = self.admin.hget(self.keys.run(book.id), "status")
            waiting = book.workflow.retry and book.generation == 1 and book.retry_tried is None
            if waiting and status is not None:
                found.append(f"{book.id} to be retried")
        return found


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

"""A few runs done by hand in the midst of a storm, in one go, by somebody who looks at all that each step wrote.

Others see whether what must come of a run does; a witness sees how: pauses, limits, who had it, what is remembered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from orchestrator.contracts.calls import ArtifactRef, Hold, Kind, Plan
from orchestrator.contracts.environment import environment_digest
from orchestrator.contracts.errors import CycleryError, InvalidInput, TransientError
from orchestrator.contracts.keys import content_key
from orchestrator.contracts.records import Decision, ModelVersion, StageError
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Bell, CacheRecord, Claim, Completion, Expansion, encode_error
from orchestrator.engine.scripts import run_script
from orchestrator.engine.submission import PARTS, Submission
from orchestrator.store.format import FORMAT
from orchestrator.store.models import UNNUMBERED, Registry
from orchestrator.store.steps import process_of, settle, step
from tests.faults.ledger.actors import StormAttempt, StormChild
from tests.faults.ledger.expected import leave
from tests.faults.ledger.shapes import stage

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm

GRACE_MS = 2000
GONE = object()
ERROR = encode_error(StageError(family="data", message="as asked"))
LOG = ArtifactRef(kind=Kind.FILE, digest=f"sha256:{'0' * 64}", size=1)


def witnessed(storm: Storm) -> list[str]:
    """Whatever a step wrote that it should not have, or has not written."""
    found: list[str] = []
    for scene in (
        _submissions,
        _claims,
        _failures,
        _outages,
        _refusals,
        _rings,
        _batches,
        _leases,
        _holds,
        _results,
        _stopping,
        _deletions,
        _tries,
        _known,
        _drains,
        _processes,
        _models,
    ):
        hand = Hand(storm, scene.__name__.strip("_"))
        try:
            found.extend(f"witness: {line}" for line in scene(hand))
        except (AssertionError, LookupError, TypeError, ValueError, CycleryError) as error:
            # where a step did other than it must, the next one cannot follow
            found.append(f"witness: {hand.name} came no further: {error!r}")
    storm.wire.durable = storm.wire.size()  # no power loss brings it back
    return found


class Hand:
    """One run, and what is written of it."""

    def __init__(self, storm: Storm, name: str) -> None:
        self.storm, self.admin, self.keys = storm, storm.admin, storm.keys
        self._ledger = Ledger(storm.admin, storm.settings)
        self.begun = self.since = storm.clock.now_ms()
        self.name = f"witness-{name}"
        self.run = ""

    @property
    def ledger(self) -> Ledger:
        """For the next step, whose moment is taken."""
        self.since = self.storm.clock.now_ms()
        return self._ledger

    def submit(self, on_failure: Any = "continue", **policy: Any) -> Bell | None:
        """A run of one stage, `a`."""
        call = stage("a", salt=self.name, key=False, **policy)
        if "hold" in policy:
            call = call.model_copy(update={"task": "release.approve"})
        self.name += "x"
        accepted = self.ledger.submit(
            Submission(Plan(workflow=self.name, stages=(call,), on_failure=on_failure), new=True)
        )
        self.run = accepted.run
        return accepted.bells[0] if accepted.bells else None

    def claim(self) -> Claim:
        """Take the stage."""
        claim = self.ledger.claim(self.run, "a", worker="ops@here", host="here", pid=7, task=self.record()["task"])
        assert claim is not None, f"{self.name} cannot be claimed: {self.record()}"
        return claim

    def step(self, name: str, *arguments: Any) -> Any:
        """A step with arguments of one's own."""
        self.since = self.storm.clock.now_ms()
        return run_script(self.admin, name, self.keys.prefix, *arguments)

    def tick(self, limit: int = 200) -> None:
        """One look of whoever repairs."""
        self.ledger.repair(limit, GRACE_MS)

    def record(self) -> dict[str, Any]:
        """The stage as it is written."""
        return cast("dict[str, Any]", json.loads(cast("str", self.admin.hget(self.keys.run(self.run, "stages"), "a"))))

    def write(self, **fields: Any) -> None:
        """Another past for the stage."""
        text = json.dumps({**self.record(), **fields})
        self.admin.hset(self.keys.run(self.run, "stages"), "a", text)

    def score(self, name: str, prefix: str = "") -> float | None:
        """When something of the stage is due."""
        return cast("float | None", self.admin.zscore(self.keys(name), f"{prefix}{self.run}/a"))

    def due(self, name: str, prefix: str = "") -> None:
        """Its time has come; and somebody looks."""
        self.admin.zadd(self.keys(name), {f"{prefix}{self.run}/a": 0})
        self.tick()

    def events(self) -> list[tuple[str, str]]:
        """What watchers heard."""
        told = cast("Any", self.admin.xrange(f"{self.keys.run(self.run)}:events"))
        return [(event["kind"], event["state"]) for _, event in told]

    def field(self, name: str) -> str | None:
        """One of the run's own."""
        return cast("str | None", self.admin.hget(self.keys.run(self.run), name))

    def is_(self, what: str, **wanted: Any) -> Iterator[str]:
        """The stage's record has these fields so; GONE: not at all."""
        record = self.record()
        for name, value in wanted.items():
            if record.get(name, GONE) != value:
                yield f"{what}: {name} is {record.get(name)}, not {'gone' if value is GONE else value}"

    def near(self, what: str, at: float | None, ms: float) -> Iterator[str]:
        """A moment so many milliseconds from the last step."""
        now = self.storm.clock.now_ms()
        if at is None or not self.since - 1 <= at - ms <= now + 1:
            yield f"{what}: {None if at is None else at - now} ms from now, not {ms}"

    def end(self) -> None:
        """Nothing is left under way."""
        for _ in range(2):  # as one whose answer was lost
            self.ledger.cancel(self.run, "witness")
        if self.record()["state"] == "running":
            record = self.record()
            self.step("fail", self.run, "a", record["fence"], "{}", "cancelled", "", 0, 1, "")


def same(what: str, got: object, wanted: object) -> Iterator[str]:
    """What is not as it should be."""
    if got != wanted:
        yield f"{what}: {got}, not {wanted}"


def _submissions(hand: Hand) -> Iterator[str]:
    call = stage("a", salt=hand.name, key=False, attempts=1).model_copy(update={"inputs": {"file": LOG}})
    plan = Plan(workflow=hand.name, stages=(call,))
    hand.admin.zadd(hand.keys("condemned"), {LOG.digest: 0})
    hand.run = f"{hand.name}-000001"
    first = Submission(plan, new=True, run=hand.run, author="ann", seed=7)
    hand.admin.delete(hand.keys("format"))
    hand.ledger.submit(first)
    yield from same("condemned", hand.admin.zscore(hand.keys("condemned"), LOG.digest), None)
    yield from _submitted(hand, first)
    hand.ledger.submit(first)  # as one whose answer was lost
    hand.ledger._unstage(first)
    yield from _submitted(hand, first)
    yield from same("attached", hand.ledger.submit(Submission(plan, seed=7)).run, hand.run)
    yield from _under_way(hand, plan)
    created, base = hand.field("created"), hand.keys.run(hand.run)
    _fail_it(hand)
    hand.ledger.archive(hand.run, 1)
    expires = hand.storm.settings.expire_s * 1000
    yield from hand.near("expires", hand.admin.zscore(hand.keys("expiring"), hand.run), expires)
    hand.admin.zadd(hand.keys("ended"), {hand.run: 1})
    for left in ("parked", "work"):
        hand.admin.rpush(f"{base}:{left}", "left")
    hand.admin.hset(f"{base}:outputs", "a", "{}")
    hand.admin.sadd(f"{base}:extra", f"{base}:grown:a")
    hand.admin.rpush(f"{base}:grown:a", "left")
    second = Submission(plan, run=hand.run, generation=2, attempts={"a": 1}, author="bob", seed=8)
    hand.ledger.submit(second)
    yield from _submitted(hand, second)
    yield from same("created", hand.field("created"), created)
    rest = [one for one in ("parked", "work", "outputs", "extra", "grown:a") if hand.admin.exists(f"{base}:{one}")]
    yield from same("left of the first time", (hand.field("failed"), hand.field("finished"), rest), (None, None, []))
    _fail_it(hand)


def _under_way(hand: Hand, plan: Plan) -> Iterator[str]:
    """Nobody begins a run again that has not ended; another one of the same plan may run beside it."""
    try:
        hand.ledger.submit(Submission(plan, run=hand.run, generation=2))
        yield "retried while it is under way"
    except InvalidInput:
        pass
    run = hand.run
    hand.run = hand.ledger.submit(Submission(plan, new=True, seed=7)).run
    yield from same("beside", hand.run != run, True)
    hand.end()
    hand.run = run


def _fail_it(hand: Hand) -> None:
    hand.step("fail", hand.run, "a", hand.claim().lease.fence, ERROR, "data", "", 0.5, 1, "")


def _submitted(hand: Hand, request: Submission) -> Iterator[str]:
    """All that is written of a run that was just accepted."""
    run, generation = hand.run, request.generation
    wanted = {
        "status": "running", "generation": str(generation), "left": "1", "total": "1", "done": "0", "stopping": None,
        "author": request.author, "seed": str(request.seed), "workflow": hand.name, "identity": request.identity(),
        "nonce": request.nonce, "on_failure": request.plan.on_failure,
    }  # fmt: skip
    yield from same("submitted", {name: hand.field(name) for name in wanted}, wanted)
    created = hand.admin.zscore(hand.keys("runs"), run)
    hand.since = hand.begun
    yield from hand.near("created", created, 0)
    yield from same("created", hand.field("created"), f"{created or 0:.0f}")
    yield from hand.near("submitted", hand.admin.zscore(hand.keys("submitted"), f"{run}@{generation}"), 0)
    found = {
        "active": hand.admin.sismember(hand.keys("active"), run),
        "by name": hand.admin.hget(hand.keys("workflows"), hand.name),
        "by what it does": hand.admin.get(hand.keys("identity", request.identity())),
        "ended": hand.admin.zscore(hand.keys("ended"), run),
        "expiring": hand.admin.zscore(hand.keys("expiring"), run),
        "format": hand.admin.get(hand.keys("format")),
        "staged": list(hand.admin.scan_iter(f"*staging:{request.nonce}:*", count=1000)),
        "dated": [name for name in PARTS if cast("int", hand.admin.pttl(hand.keys.run(run, name))) >= 0],
    }
    yield from same("submitted", found, {"active": 1, "by name": run, "by what it does": run, "ended": None,
                    "expiring": None, "format": str(FORMAT), "staged": [], "dated": []})  # fmt: skip
    told = [json.loads(one) for one in cast("list[str]", hand.admin.lrange(hand.keys("audit:outbox"), 0, -1))]
    entries = [(one["by"], one["generation"]) for one in told if one["event"] == "submitted" and one["run"] == run]
    yield from same("audit", entries[-1:], [(request.author, generation)])
    yield from same("audit", len(entries), generation)
    yield from same("told", hand.events().count(("run", "running")), generation)


def _claims(hand: Hand) -> Iterator[str]:
    bell = hand.submit(timeout_s=5.0)
    assert bell is not None
    lease_ms = hand.storm.settings.lease_s * 1000
    yield from hand.is_("submitted", state="ready", flying=1000, attempt=0)
    hand.write(finished=1, progress=0.5)
    claim = hand.ledger.claim(
        hand.run, "a", worker="ops@here", host="here", pid=7, stamp=bell.stamp, task=bell.task, nonce="n"
    )
    assert claim is not None
    heard = hand.admin.zscore(hand.keys("heard"), "ops")
    yield from hand.is_("claimed", state="running", attempt=1, worker="ops@here", host="here", pid="7", nonce="n",
                        finished=GONE, progress=GONE)  # fmt: skip
    yield from hand.near("claimed", hand.record()["started"], 0)
    yield from hand.near("leased", hand.score("leases"), lease_ms)
    yield from same("rings on", hand.score("bells:ops"), None)
    yield from same("heard", int(heard or 0) >= int(bell.stamp), True)
    beat = hand.ledger.heartbeat
    for progress, told in ((0.25, 1), (0.25, 1), (None, 1), (0.5, 2)):
        yield from same("beat", beat({claim.lease: progress}), {claim.lease: "held"})
        yield from same("progress told", [kind for kind, _ in hand.events()].count("progress"), told)
    yield from hand.is_("beaten", progress=0.5)
    hand.write(spared=claim.lease.fence, started=hand.record()["started"] - 10_000)
    beat({claim.lease: None})
    yield from hand.is_("beaten", spared=GONE)
    yield from same("leased", hand.score("leases"), hand.record()["started"] + 5000 + lease_ms)
    hand.end()
    yield from same("told", [state for kind, state in hand.events() if kind != "progress"],
                    ["running", "running", "cancelling", "cancelled", "cancelled"])  # fmt: skip
    yield from same("cancelled by", hand.field("cancelled_by"), "witness")


def _fails(hand: Hand, answer: str, family: str = "transient", outage: str = "", log: str = "") -> Iterator[str]:
    lease = hand.claim().lease
    said = hand.step("fail", hand.run, "a", lease.fence, ERROR, family, log, 0.5, 1, outage)
    yield from same(f"failed of {family}", said[0], answer)
    yield from hand.is_(f"failed of {family}", seconds=0.5, error=ERROR)
    yield from same("leased", hand.score("leases"), None)


def _failures(hand: Hand) -> Iterator[str]:
    hand.submit(timeout_s=50.0, attempts=40, backoff_s=2.0)
    yield from _fails(hand, "retry", log=LOG.model_dump_json(exclude_none=True))
    yield from hand.is_(
        "failed", state="ready", tries=1, outages=GONE, flying=GONE, log=LOG.model_dump_json(exclude_none=True)
    )
    yield from same("told", hand.events()[-1], ("stage", "ready"))
    yield from same("in flight, busy", (hand.field("flight"), hand.field("busy")), ("0", "1"))
    yield from hand.near("tried again", hand.score("timers", "retry/"), 2000)
    hand.admin.delete(hand.keys.broker("ops"))
    hand.due("bells:ops")
    yield from same("a bell of what backs off", hand.score("bells:ops"), None)
    hand.due("timers", "retry/")
    yield from hand.is_("rung again", flying=1000)
    for tries, pause in ((1, 4000), (30, 60_000)):
        hand.write(tries=tries)
        yield from _fails(hand, "retry")
        yield from hand.is_(
            "failed", tries=tries + 1, log=LOG.model_dump_json(exclude_none=True)
        )  # an end without a log says nothing of it
        yield from hand.near("tried again", hand.score("timers", "retry/"), pause)
        hand.due("timers", "retry/")
    hand.write(tries=39)
    yield from _fails(hand, "failed")
    yield from same("ended", (hand.field("status"), hand.field("failed")), ("failed", "a"))
    hand.submit(attempts=40)
    yield from _fails(hand, "failed", "data")
    yield from hand.is_("failed", state="failed", log=GONE)
    yield from hand.near("finished", hand.record()["finished"], 0)
    for family, state in (("transient", "cancelled"), ("data", "failed")):
        hand.submit("stop", attempts=40)
        lease = hand.claim().lease
        hand.ledger.cancel(hand.run, "witness")
        hand.step("fail", hand.run, "a", lease.fence, ERROR, family, "", 0.5, 1, "")
        yield from hand.is_("failed in a run that is being stopped", state=state)
        yield from same("ended", hand.field("status"), "cancelled")


def _outages(hand: Hand) -> Iterator[str]:
    hand.submit(attempts=2, backoff_s=0.05)
    for outages, pause in ((1, 1000), (2, 2000), (3, 4000)):
        yield from _fails(hand, "retry", outage="outage")
        yield from hand.is_("an outage", outages=outages, tries=GONE, deaths=GONE)
        yield from hand.near("tried again", hand.score("timers", "retry/"), pause)
        hand.due("timers", "retry/")
    hand.step("fail", hand.run, "a", hand.claim().lease.fence, "{}", "cancelled", "", 0.5, 1, "")
    yield from hand.is_("stopped though nobody asked", state="ready", flying=1000, deaths=GONE)
    hand.ledger.give_back(hand.claim().lease)
    yield from hand.is_("given back", state="ready", flying=1000, deaths=GONE)
    hand.ledger.bury(hand.claim().lease)
    yield from hand.is_("buried", state="ready", flying=1000, deaths=1)
    hand.end()


def _refusals(hand: Hand) -> Iterator[str]:
    bell = hand.submit(timeout_s=50.0)
    assert bell is not None
    for refused, pause in ((0, 1000), (1, 2000), (3, 8000), (12, 16_000)):
        hand.write(refused=refused, rings=3)
        hand.admin.zrem(hand.keys("heard"), "ops")
        hand.ledger.refuse(hand.run, "a", bell.task, bell.stamp)
        yield from hand.is_("refused", state="ready", flying=1000, refused=refused + 1, rings=GONE)
        yield from hand.near("rung again", (hand.score("bells:ops") or 0) / 1000, pause)
        yield from same("heard", hand.admin.zscore(hand.keys("heard"), "ops"), float(bell.stamp))
    hand.write(refused=1)
    for often, says in ((1, True), (9, True), (10, False)):
        hand.write(refused=often)
        lease = hand.claim().lease
        yield from same("refused", hand.ledger._refuse(hand.run, "a", fence=lease.fence), says)
        yield from hand.is_("refused", state="ready" if says else "running", flying=1000)
        yield from same("leased", hand.score("leases") is None, says)
        if says:
            yield from same("told", hand.events()[-1], ("stage", "ready"))
            yield from hand.near("rung again", (hand.score("bells:ops") or 0) / 1000, min(1000 * 2**often, 16_000))
    hand.end()
    hand.submit()
    lease = hand.claim().lease
    hand.ledger.cancel(hand.run, "witness")
    hand.ledger._refuse(hand.run, "a", fence=lease.fence)
    yield from hand.is_("refused in a run that is being stopped", state="cancelled")


def _rings(hand: Hand) -> Iterator[str]:
    bell = hand.submit(timeout_s=50.0)
    assert bell is not None
    queue = hand.keys.broker("ops")
    for rings, pause in ((GONE, 1), (1, 3), (7, 255), (30, 255)):
        if rings is not GONE:
            hand.write(rings=rings)
        before, stamp = hand.admin.llen(queue), int(cast("str", hand.admin.get(hand.keys("stamp"))))
        hand.admin.zadd(hand.keys("heard"), {"ops": stamp}, gt=True)
        hand.due("bells:ops")
        yield from hand.is_("rung again", rings=(0 if rings is GONE else cast("int", rings)) + 1)
        yield from same("messages", cast("int", hand.admin.llen(queue)) > cast("int", before), True)
        yield from hand.near("missed", (hand.score("bells:ops") or 0) / 1000, GRACE_MS * pause)
    hand.admin.zrem(hand.keys("heard"), "ops")
    hand.due("bells:ops")
    yield from same("rung again in a backlog", hand.score("bells:ops"), 0)
    hand.admin.delete(queue)
    hand.due("bells:ops")
    yield from same("rung again where nothing waits", hand.score("bells:ops") == 0, False)
    hand.claim()
    hand.admin.delete(queue)
    hand.due("bells:ops")
    yield from same("a bell of what runs", hand.score("bells:ops"), None)
    hand.end()


def _batches(hand: Hand) -> Iterator[str]:
    names = ("a", "b", "c", "d", "e", "f")
    plan = Plan(workflow=hand.name, stages=tuple(stage(one, salt=one, key=False, batch=6) for one in names))
    accepted = hand.ledger.submit(Submission(plan, new=True))
    hand.run = accepted.run
    yield from same("rung", sorted(one for bell in accepted.bells for one in bell.stages), list(names))
    yield from same("rung together", max(len(bell.stages) for bell in accepted.bells) > 1, True)
    hand.end()
    # where a stop takes several steps (of a set that is too large to be scanned at once), nothing begins between them
    calls = tuple(stage(f"s{i}", salt=str(i), key=False) for i in range(200))
    plan = Plan(workflow=f"{hand.name}-wide", stages=calls, max_parallel=150)
    hand.run = hand.ledger.submit(Submission(plan, new=True)).run
    before = _ringing(hand)
    hand.step("cancel", hand.run, "witness")
    yield from same("begun while it is being stopped", _ringing(hand) - before, set())
    hand.ledger.cancel(hand.run, "witness")
    yield from same("ended", hand.field("status"), "cancelled")


def _ringing(hand: Hand) -> set[str]:
    bells = cast("list[str]", hand.admin.zrange(hand.keys("bells:ops"), 0, -1))
    return {one for one in bells if one.startswith(f"{hand.run}/")}


def _leases(hand: Hand) -> Iterator[str]:
    lease_ms = hand.storm.settings.lease_s * 1000
    ticked, now = hand.keys("ticked"), hand.storm.clock.now_ms()
    hand.tick()
    yield from hand.near("looked", float(hand.admin.hget(ticked, "at") or 0), 0)
    hand.admin.hdel(ticked, "sparing")
    hand.submit(timeout_s=50.0)
    hand.claim()
    hand.due("leases")
    yield from hand.is_("lost", state="ready", flying=1000, deaths=1)
    fence = hand.claim().lease.fence
    hand.admin.hset(ticked, "at", str(int(now - lease_ms)))
    hand.due("leases")
    yield from hand.is_("spared", state="running", spared=fence)
    yield from hand.near("spared", hand.score("leases"), lease_ms)
    yield from hand.near("sparing", float(hand.admin.hget(ticked, "sparing") or 0), lease_ms / 2)
    hand.due("leases")
    yield from hand.is_("lost", state="ready", deaths=2)
    hand.admin.hdel(ticked, "sparing")
    hand.claim()
    hand.write(started=hand.record()["started"] - 60_000)
    hand.due("leases")
    yield from hand.is_("out of time", state="failed", deaths=2, flying=GONE)
    yield from same("leased", hand.score("leases"), None)
    yield from same("out of time", '"timeout"' in hand.record()["error"], True)
    nothing = {"leases": "nobody-000000/a", "bells:ops": "nobody-000000/a", "timers": "retry/nobody-000000/a"}
    for name, member in nothing.items():
        hand.admin.zadd(hand.keys(name), {member: 0})
    hand.admin.delete(hand.keys.broker("ops"))
    hand.due("leases")
    yield from same("a lease of what has ended", hand.score("leases"), None)
    left = [name for name, member in nothing.items() if hand.admin.zscore(hand.keys(name), member) is not None]
    yield from same("what belongs to nothing", left, [])


def _holds(hand: Hand) -> Iterator[str]:
    for otherwise, state in (("approve", "done"), ("reject", "rejected")):
        hand.submit(hold=Hold(deadline_s=30.0, otherwise=otherwise))
        yield from hand.is_("held", state="held")
        yield from hand.near("held", hand.record()["started"], 0)
        yield from hand.near("deadline", hand.score("timers", "deadline/"), 30_000)
        yield from same("marked", hand.admin.zscore(hand.keys("holds"), hand.run) is None, False)
        hand.due("timers", "deadline/")
        yield from hand.is_("nobody decided", state=state)
        decision = json.loads(hand.record()["decision"])
        yield from same("decided", (decision["by"], decision["note"]), ("deadline", "nobody decided in time"))
        yield from hand.near("decided", decision["at"] * 1000, 0)
        entry = json.loads(cast("list[str]", hand.admin.lrange(hand.keys("audit:outbox"), -1, -1))[0])
        yield from same("audit", (entry["event"], entry["run"], entry["stage"], entry["by"]),
                        (decision["verdict"], hand.run, "a", "deadline"))  # fmt: skip
        yield from same("refusal", hand.field("refusal"), None if state == "done" else "nobody approved it in time")
    yield from _first_refusals(hand)
    hand.submit(hold=Hold(deadline_s=30.0))
    try:
        plan = Plan(workflow=hand.name, stages=(stage("a"),))
        hand.ledger.submit(Submission(plan, run=hand.run, generation=2))
        yield "retried while it is held"
    except InvalidInput:
        pass
    mark = hand.ledger.holds()[hand.run]
    for at, left in ((mark - 1, mark), (mark, None)):
        hand.ledger.checkpointed(hand.run, at)
        yield from same("marked", hand.ledger.holds().get(hand.run), left)
    for answer in ("decided", "again"):
        said = hand.ledger.decide(hand.run, "a", Decision(verdict="approved", by="ann", at=1.0, note=hand.run))
        yield from same("decided", said.answer, answer)
    yield from same("deadline", hand.score("timers", "deadline/"), None)
    yield from same("ended", hand.field("status"), "succeeded")
    hand.submit(hold=Hold(deadline_s=30.0))
    yield from same("cancelled while held", hand.ledger.cancel(hand.run, "witness").answer, "cancelling")
    yield from hand.is_("cancelled while held", state="cancelled")
    yield from same("deadline", hand.score("timers", "deadline/"), None)
    yield from same("cancelled too late", hand.ledger.cancel(hand.run, "witness").answer, "cancelled")


def _first_refusals(hand: Hand) -> Iterator[str]:
    """Whoever refuses first is told of."""
    base = hand.keys.run
    for earlier in (None, "earlier"):
        for by in ("deadline", "ann", "gates"):
            hand.submit(**({} if by == "gates" else {"hold": Hold(deadline_s=30.0, otherwise="reject")}))
            if earlier:
                hand.admin.hset(base(hand.run), "refusal", earlier)
            if by == "deadline":
                hand.due("timers", "deadline/")
            elif by == "ann":
                hand.ledger.decide(hand.run, "a", Decision(verdict="rejected", by="ann", at=1.0))
            else:
                hand.ledger.complete(hand.claim().lease, Completion({}, 0.25, refusal="gates say so"))
            why = {"deadline": "nobody approved it in time", "ann": "rejected by ann", "gates": "gates say so"}
            yield from same("refusal", (hand.field("refusal"), hand.field("status")), (earlier or why[by], "refused"))


def _results(hand: Hand) -> Iterator[str]:
    hand.submit(timeout_s=50.0, backoff_s=0.05)
    yield from _fails(hand, "retry")
    hand.due("timers", "retry/")
    claim = hand.claim()
    hand.ledger.heartbeat({claim.lease: 0.5})
    key, expires = f"sha256:{'1' * 64}", hand.storm.settings.cache_expire_s * 1000
    done = Completion({}, 0.25, {"by": "ops@here"}, LOG, cached=True, keys=(key,))
    hand.admin.sadd(hand.keys("deleting"), LOG.digest)
    yield from same("under deletion", hand.ledger.complete(claim.lease, done).answer, "deleting")
    hand.admin.srem(hand.keys("deleting"), LOG.digest)
    started = hand.record()["started"]
    hand.admin.zadd(hand.keys("deleted"), {LOG.digest: started})
    yield from same("deleted since it began", hand.ledger.complete(claim.lease, done).answer, "deleting")
    hand.admin.zadd(hand.keys("deleted"), {LOG.digest: started - 1})
    hand.admin.zadd(hand.keys("condemned"), {LOG.digest: 0})
    hand.admin.sadd(hand.keys("deleting"), "sha256:another")
    since = hand.storm.clock.now_ms()
    for answer in ("done", "again"):
        yield from same("done", hand.ledger.complete(claim.lease, done).answer, answer)
    yield from hand.is_("done", state="done", seconds=0.25, cached=True, progress=GONE, error=GONE, flying=GONE,
                        measured='{"by": "ops@here"}', log=LOG.model_dump_json(exclude_none=True))  # fmt: skip
    hand.admin.srem(hand.keys("deleting"), "sha256:another")
    hand.since = since
    yield from same("told", hand.events().count(("run", "succeeded")), 1)
    yield from hand.near("done", hand.record()["finished"], 0)
    hand.admin.zrem(hand.keys("deleted"), LOG.digest)
    yield from same("condemned", hand.admin.zscore(hand.keys("condemned"), LOG.digest), None)
    left = cast("int", hand.admin.pttl(hand.keys("cache", key)))
    yield from hand.near("remembered", hand.storm.clock.now_ms() + left, expires)
    hand.admin.delete(hand.keys("cache", key))
    yield from same(
        "counted", [hand.field(one) for one in ("left", "done", "busy", "held", "flight")], ["0", "1", "0", None, "0"]
    )


def _stopping(hand: Hand) -> Iterator[str]:
    """What a stage tells that did not hear of the cancel: it is recorded, and changes nothing of the run's end."""
    grown = Expansion((stage("a.1", key=False), stage("a.2", key=False)), ())
    for ending in (Completion({}, 0.25, refusal="no", ends=True), Completion({}, 0.25, expansion=grown)):
        hand.submit()
        lease = hand.claim().lease
        nonce = hand.ledger._stage_growth(grown)
        lost = hand.step("complete", hand.run, "a", lease.fence, "{}", "", 1000, "{}", 0, 0, nonce, 3)
        yield from same("what has expired in part", lost[0], "staging lost")
        hand.admin.delete(*hand.admin.scan_iter(f"*staging:{nonce}:*", count=1000))
        hand.ledger.cancel(hand.run, "witness")
        yield from same("done", hand.ledger.complete(lease, ending).answer, "done")
        yield from hand.is_("done", state="done")
        yield from same("ended", [hand.field(one) for one in ("status", "stopping", "total", "left")],
                        ["cancelled", "cancelled", "1", "0"])  # fmt: skip


def _deletions(hand: Hand) -> Iterator[str]:
    condemned, deleting, deleted = (hand.keys(one) for one in ("condemned", "deleting", "deleted"))
    hand.admin.zadd(condemned, {LOG.digest: 0})
    hand.admin.zadd(deleted, {"sha256:long ago": 0})
    epoch = hand.admin.get(hand.keys("epoch"))
    yield from same("going", hand.step("condemn", 0, LOG.digest, "sha256:another"), [LOG.digest])
    yield from same("condemned", hand.admin.zscore(condemned, LOG.digest), None)
    yield from same("under deletion", hand.admin.smembers(deleting), {LOG.digest})
    yield from same("a new epoch", hand.admin.get(hand.keys("epoch")) != epoch, True)
    hand.step("deleted", LOG.digest, 60_000)
    yield from same("under deletion", hand.admin.smembers(deleting), set())
    yield from hand.near("deleted", hand.admin.zscore(deleted, LOG.digest), 0)
    yield from same("forgotten", hand.admin.zscore(deleted, "sha256:long ago"), None)
    hand.admin.zrem(deleted, LOG.digest)


def _tries(hand: Hand) -> Iterator[str]:
    """A submission whose hits go while it is being made begins again, with nothing of its first try."""
    key, asked = f"sha256:{'2' * 64}", list[str]()
    first = stage("a", salt=hand.name).model_copy(update={"key": key})
    plan = Plan(workflow=hand.name, stages=(first, stage("b", "a", salt=hand.name, key=False)))
    hand.admin.set(hand.keys("cache", key), CacheRecord(outputs={"echo": LOG}).encode(), px=60_000)

    def has(digest: str) -> bool:
        asked.append(digest)
        hand.admin.set(hand.keys("epoch"), f"collected {len(asked)}" if len(asked) == 1 else "collected 1")
        return len(asked) == 1

    hand.run = hand.ledger.submit(Submission(plan, new=True), has).run
    hand.admin.delete(hand.keys("cache", key))
    texts = cast("dict[str, str]", hand.admin.hgetall(hand.keys.run(hand.run, "stages")))
    states = {name: json.loads(text)["state"] for name, text in texts.items()}
    yield from same("tried again", (len(asked), states), (2, {"a": "ready", "b": "waiting"}))
    yield from same("known before", hand.admin.hgetall(hand.keys.run(hand.run, "outputs")), {})
    hand.end()


def _known(hand: Hand) -> Iterator[str]:
    """What was computed before is not computed again, unless the store has lost it."""
    for bytes_there in (False, True):
        call = stage("a", salt=f"{hand.name} {bytes_there}").model_copy(update={"key": f"sha256:{'3' * 64}"})
        left = leave(call.params, ["elsewhere"])
        ref = hand.storm.plain.put_bytes(left, Kind.JSON)
        if not bytes_there:
            hand.storm.plain.delete(ref.digest)
        content = hand.keys("cache", content_key(call, {}, environment_digest()))
        hand.admin.set(content, CacheRecord(outputs={"echo": ref}).encode(), px=60_000)
        hand.run = hand.ledger.submit(Submission(Plan(workflow=hand.name, stages=(call,)), new=True)).run
        StormAttempt(cast("Any", StormChild.witnessing(hand.storm)), hand.claim()).run()
        yield from hand.is_("known before", state="done", cached=True if bytes_there else GONE)
        echo = json.loads(cast("str", hand.admin.hget(hand.keys.run(hand.run, "outputs"), "a")))["echo"]["digest"]
        yield from same("left", echo == ref.digest, bytes_there)
        hand.admin.delete(content, hand.keys("cache", cast("str", call.key)))


def _drains(hand: Hand) -> Iterator[str]:
    """A Redis that has lost what the store has goes on after it, and knows what it does not know."""
    counter, missed = hand.keys("audit:drained"), hand.keys("audit:missed")
    known = cast("str", hand.admin.get(counter) or "0")
    yield from same("drained by another", step(hand.admin, "drained", hand.keys, int(known) + 1, 1), 0)
    before = known
    for number in (7, 9):
        yield from same("set", step(hand.admin, "drained", hand.keys, before, -number), 1)
        yield from same("counted", hand.admin.get(counter), str(number))
        yield from same("missed", hand.admin.hgetall(missed), {"after": known, "up_to": str(number)})
        before = str(number)
    hand.admin.delete(missed, counter)
    if known != "0":
        hand.admin.set(counter, known)


def _processes(hand: Hand) -> Iterator[str]:
    settle(hand.admin, hand.keys, process_of(hand.admin))
    try:
        settle(hand.admin, hand.keys, "of another process")
        yield "what a Redis told that is no more was taken for settled"
    except TransientError:
        pass


def _models(hand: Hand) -> Iterator[str]:
    registry = Registry(hand.admin, hand.storm.settings)
    base, entry = f"{hand.keys.prefix}model:{hand.name}", "registered"
    for key, number, kind in (
        ("k1", 1, "candidate"),
        ("k1", 1, "candidate"),
        ("k2", 2, "refused"),
        ("k3", 3, "candidate"),
    ):
        draft = ModelVersion(
            model=hand.name, version=UNNUMBERED, stage=kind, run=f"{hand.name}-{key}", created=1.0, digest=LOG.digest,
            bundle=LOG, rows=LOG, signature=LOG, evaluation=LOG, ranking=LOG, candidate="c",
        )  # fmt: skip
        version = registry.register(draft, key)
        yield from same(
            "registered", (version.name, version.stage, version.run), (f"{hand.name}@{number}", kind, draft.run)
        )
    live: int | None = None
    for reference, to, answer, now in (
        (1, "production", "", 1), (1, "production", "", 1), (2, "production", "refused", 1), (3, "production", "", 3),
        (3, "staging", "live", 3), (1, "staging", "", 3), (9, "staging", "no version", 3), (None, "", "", 1),
        (None, "", "nothing", 1),
    ):  # fmt: skip
        told, settled = _told(hand), int(cast("str", hand.admin.get(hand.keys("settled")) or 0))
        try:
            if reference is None:
                registry.rollback(hand.name, by="witness")
            else:
                registry.promote(f"{hand.name}@{reference}", to=to, by="witness", note=to)
            yield from same(f"{reference} to {to}", answer, "")
        except CycleryError:
            yield from same(f"{reference} to {to}", answer == "", False)
        new = _told(hand)[len(told) :]
        if answer or (reference == now == live):
            yield from same("an entry", new, [])
        else:
            yield from same("entries", [one["live_before"] for one in new], [live])
        if not answer and not new:  # durable: it has written something
            yield from same("settled", int(cast("str", hand.admin.get(hand.keys("settled")) or 0)) > settled, True)
        live = now
        yield from same("live", hand.admin.hget(base, "production"), str(now))
    stages = hand.admin.hgetall(f"{base}:stages")
    yield from same("stages", stages, {"1": "production", "2": "refused", "3": "archived"})
    yield from same("earlier ones", hand.admin.lrange(f"{base}:history", 0, -1), [])
    rollbacks = [one for one in cast("list[str]", hand.admin.hkeys(f"{base}:keys")) if one.startswith("rollback/")]
    yield from same("rolled back, and known by its nonce", len(rollbacks), 1)
    again = cast("str", hand.admin.hget(f"{base}:versions", "1"))
    told_again = json.dumps({"event": entry, "model": hand.name, "stage": "candidate", "key": "k1"})
    for name, arguments in (("register", ("k1", "candidate", again, told_again)), ("rollback", ("n", "{}"))):
        before = hand.admin.get(hand.keys("settled"))
        hand.admin.hset(f"{base}:keys", "rollback/n", "1")
        yield from same(
            f"{name} again", step(hand.admin, name, hand.keys, hand.name, *arguments) in ("none", "restoring"), False
        )
        yield from same(f"{name} again", hand.admin.get(hand.keys("settled")) != before, True)
    yield from same(entry, [one["version"] for one in _told(hand) if one["event"] == entry], [1, 2, 3])


def _told(hand: Hand) -> list[dict[str, Any]]:
    """Entries of the witness's model that wait for the store."""
    told = [json.loads(one) for one in cast("list[str]", hand.admin.lrange(hand.keys("audit:outbox"), 0, -1))]
    return [one for one in told if one.get("model") == hand.name]

"""What a bell, a claim and a lease write: pauses, limits, who has it, what becomes of whom nobody hears."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from orchestrator.contracts.calls import Plan
from orchestrator.engine.submission import Submission
from tests.faults.ledger.shapes import stage
from tests.faults.ledger.witness.hand import GONE, GRACE_MS, Hand, same


def claims(hand: Hand) -> Iterator[str]:
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


def refusals(hand: Hand) -> Iterator[str]:
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


def rings(hand: Hand) -> Iterator[str]:
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


def batches(hand: Hand) -> Iterator[str]:
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


def leases(hand: Hand) -> Iterator[str]:
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

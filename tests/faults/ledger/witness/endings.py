"""What the end of a stage writes: failures, outages, results, ends in a run that stops, results known before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from orchestrator.contracts.calls import Kind, Plan
from orchestrator.contracts.environment import environment_digest
from orchestrator.contracts.keys import content_key
from orchestrator.engine.messages import CacheRecord, Completion, Expansion
from orchestrator.engine.submission import Submission
from tests.faults.ledger.expected import leave
from tests.faults.ledger.shapes import stage
from tests.faults.ledger.witness.hand import ERROR, GONE, LOG, Hand, same
from tests.faults.ledger.workers import StormAttempt, StormChild


def _fails(hand: Hand, answer: str, family: str = "transient", outage: str = "", log: str = "") -> Iterator[str]:
    lease = hand.claim().lease
    said = hand.step("fail", hand.run, "a", lease.fence, ERROR, family, log, 0.5, 1, outage)
    yield from same(f"failed of {family}", said[0], answer)
    yield from hand.is_(f"failed of {family}", seconds=0.5, error=ERROR)
    yield from same("leased", hand.score("leases"), None)


def failures(hand: Hand) -> Iterator[str]:
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


def outages(hand: Hand) -> Iterator[str]:
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


def results(hand: Hand) -> Iterator[str]:
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


def stopping(hand: Hand) -> Iterator[str]:
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


def known(hand: Hand) -> Iterator[str]:
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

"""What a submission writes: anew, again, a second time, and when its hits go meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from orchestrator.contracts.calls import Plan
from orchestrator.contracts.errors import InvalidInput
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Bell, CacheRecord
from orchestrator.engine.reconciler import Reconciler
from orchestrator.engine.submission import PARTS, Submission
from orchestrator.store.format import FORMAT
from tests.faults.ledger.shapes import stage
from tests.faults.ledger.witness.hand import ERROR, LOG, Hand, same


def submissions(hand: Hand) -> Iterator[str]:
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


def tries(hand: Hand) -> Iterator[str]:
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


class Dying(Ledger):
    """One that dies after the first step of whatever takes several."""

    def _conclude(self, run: str, reply: list[Any]) -> tuple[Bell, ...]:
        return ()


def unfinished(hand: Hand) -> Iterator[str]:
    """Whoever repairs goes on with a submission whose maker died between two steps."""
    names = [f"root{number}" for number in range(5)]  # more than one step does, in storms of small steps
    plan = Plan(workflow=hand.name, stages=tuple(stage(one, key=False) for one in names))
    hand.run = Dying(hand.admin, hand.storm.settings).submit(Submission(plan, new=True)).run
    Reconciler(hand.ledger).tick()
    texts = cast("dict[str, str]", hand.admin.hgetall(hand.keys.run(hand.run, "stages")))
    states = {name: json.loads(text)["state"] for name, text in texts.items()}
    yield from same("gone on with", states, dict.fromkeys(names, "ready"))
    hand.ledger.cancel(hand.run, "witness")

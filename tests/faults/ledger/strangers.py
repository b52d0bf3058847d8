"""What nobody may do: steps for what is not there, or with a fence that nobody holds, are refused and change nothing.

They are tried in the middle of a storm, and while Redis is full as well, which those that free memory must bear.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import redis

from orchestrator.contracts.errors import CycleryError
from orchestrator.engine.garbage import REMEMBERED_MS
from orchestrator.engine.scripts import run_script
from orchestrator.store.steps import step

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm

NOBODY = "nobody-000000"
OWN = ("drained", "settle", "promote", "register", "rollback", "look")  # of the store's steps
GROWS = ("submit", "decide", "promote", "register", "rollback", "look")  # need memory: refused while there is none

_RESTORED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("submit", ("n", NOBODY, "none", 0, 1, "0", '{"total": 1}', "")),
    ("promote", ("none", "1", "production", "{}")),
    ("register", ("none", "key", "candidate", "{}", "{}")),
    ("rollback", ("none", "n", "{}")),
    ("look", ("none", "key", 0, "{}", "{}")),
)  # while an empty Redis is being filled again


def intruders(storm: Storm) -> list[str]:
    """Whatever was not refused, or raised, or changed something."""
    runs = cast("list[str]", storm.admin.zrange(storm.keys("runs"), 0, -1))
    active = sorted(cast("set[str]", storm.admin.smembers(storm.keys("active"))))
    run = storm.chance.choice(active if active and storm.chance.random() < 0.7 else runs or [NOBODY])
    before = _state(storm, run)
    found = [line for name, args, wanted in _steps(storm, run) if (line := _tried(storm, name, args, wanted))]
    if not storm.strikes.full_for:
        storm.admin.set(storm.keys("restoring"), "1")
        found += [line for name, args in _RESTORED if (line := _tried(storm, name, args, "restoring"))]
        storm.admin.delete(storm.keys("restoring"))
        storm.admin.zadd(storm.keys("condemned"), {"sha256:young": storm.clock.now_ms()})
        found += [line for line in [_tried(storm, "condemn", (60_000, "sha256:young"), [])] if line]
        storm.admin.zrem(storm.keys("condemned"), "sha256:young")
        storm.admin.sadd(storm.keys("deleting"), "sha256:young")
        names = ("n", NOBODY, "none", 0, 1, storm.admin.get(storm.keys("epoch")) or "0", "{}", "", "sha256:young")
        found += [line for line in [_tried(storm, "submit", names, "deleting")] if line]
        storm.admin.srem(storm.keys("deleting"), "sha256:young")
        found += _collecting(storm)
        storm.admin.sadd(storm.keys("work"), NOBODY)
        found += [line for line in [_tried(storm, "sweep", (NOBODY,), "gone")] if line]
        if storm.admin.srem(storm.keys("work"), NOBODY):
            found.append("stranger: the work of a run that is gone stays")
        storm.wire.durable = storm.wire.size()  # no power loss brings it back
    storm.admin.zrem(storm.keys("deleted"), "sha256:none")
    if _state(storm, run) != before:
        found.append(f"stranger: {run} was changed")
    return found


def _collecting(storm: Storm) -> Iterator[str]:
    """Whoever collects goes on to be alone with it for as long as it says so."""
    key = storm.keys("collecting")
    if storm.admin.set(key, "mine", nx=True, px=1000):
        yield from [line for line in [_tried(storm, "deleting", ("mine", 60_000), 1)] if line]
        if cast("int", storm.admin.pttl(key)) < 30_000:
            yield "stranger: whoever collects is not alone for long"
        storm.admin.delete(key)


def _tried(storm: Storm, name: str, args: tuple[Any, ...], wanted: object) -> str | None:
    if storm.strikes.full_for and name in GROWS:
        return None
    try:
        if name in OWN:
            answer = step(storm.admin, name, storm.keys, *args)
        else:
            answer = run_script(storm.admin, name, storm.keys.prefix, *args)
    except (redis.ResponseError, CycleryError) as error:
        return f"stranger: {name}{args} was answered by {error}"
    said = answer[0] if isinstance(answer, list) and answer else answer
    return f"stranger: {name}{args} was answered {said}, not {wanted}" if wanted not in (None, said) else None


def _state(storm: Storm, run: str) -> Any:
    base = storm.keys.run(run)
    with storm.admin.pipeline(transaction=False) as pipe:
        for name in (base, f"{base}:stages", f"{base}:outputs"):
            pipe.hgetall(name)
        for name in ("leases", "bells:ops", "bells:train", "timers"):
            pipe.zrange(storm.keys(name), 0, -1)
        return pipe.execute()


def _steps(storm: Storm, run: str) -> Iterator[tuple[str, tuple[Any, ...], object]]:
    epoch = storm.admin.get(storm.keys("epoch")) or "0"
    yield from _owned(NOBODY, "s", "nobody:0")
    yield "archive", (NOBODY, 1, 1), 0
    yield "cancel", (NOBODY, "x"), "gone"
    yield "decide", (NOBODY, "s", "approved", "{}", "", "{}"), "gone"
    yield "claim", (NOBODY, "s", "n", "w", "h", 1, "0", 1000, ""), "gone"
    yield "sweep", (NOBODY,), "gone"
    yield "checkpointed", (NOBODY, 1), 1
    yield "submit", ("n", NOBODY, "none", 0, 2, epoch, "{}", ""), "gone"
    yield "submit", ("n", NOBODY, "none", 0, 1, "another", '{"total": 1}', ""), "collected"
    yield "submit", ("n", NOBODY, "none", 0, 1, epoch, '{"total": 1}', ""), "staging lost"
    yield "expire", (0,), 0
    yield "condemn", (0, "sha256:none"), []
    yield "deleting", ("none", 1000), 0
    yield "deleted", ("sha256:none", REMEMBERED_MS), 1
    yield "tick", (0, 8, 2000, 20_000), 0
    yield "drained", (-1, 0), 0
    yield "settle", (), None
    yield "promote", ("none", "1", "production", "{}"), "missing"
    yield "rollback", ("none", "n", "{}"), "none"
    yield "look", ("none", "key", 1, "{}", "{}"), "changed"
    if run != NOBODY:
        yield from _real(storm, run, epoch)


def _owned(run: str, stage: str, fence: str) -> Iterator[tuple[str, tuple[Any, ...], object]]:
    """What only the owner of a lease may do."""
    yield "complete", (run, stage, fence, "{}", "", 1, "{}", 0, 0, "", 0), "lost"
    yield "fail", (run, stage, fence, "{}", "data", "", 0, 1, ""), "lost"
    yield "give_back", (run, stage, fence, 1, 8), "lost"
    yield "refuse", (run, stage, "", fence, "0", 1000, 16_000, 10), "lost"
    yield "renew", (1000, run, stage, fence, ""), "lost"


def _real(storm: Storm, run: str, epoch: str) -> Iterator[tuple[str, tuple[Any, ...], object]]:
    """A run that is there, of whatever state."""
    status, generation = storm.admin.hmget(storm.keys.run(run), "status", "generation")
    texts = cast("dict[str, str]", storm.admin.hgetall(storm.keys.run(run, "stages")))
    records = {one: json.loads(texts[one]) for one in storm.chance.sample(sorted(texts), len(texts))}
    open_ = status in ("running", "held")
    later = int(generation) + 1
    yield from _owned(run, "none", "nobody:0")
    yield "archive", (run, later, 1), 0
    yield "claim", (run, "none", "n", "w", "h", 1, "0", 1000, ""), "gone"
    yield "decide", (run, "none", "approved", "{}", "", "{}"), "gone"
    for stage, record in {(one["state"], "flying" in one): (name, one) for name, one in records.items()}.values():
        yield from _stage(run, stage, record)
    if not open_:
        yield "cancel", (run, "x"), status
    yield "submit", ("n", run, "none", 1, 1, epoch, '{"total": 1}', ""), "exists"
    yield "submit", ("n", run, "none", 0, later, epoch, '{"total": 1}', ""), "open" if open_ else "staging lost"
    yield "submit", ("n", run, "none", 0, later + 1, epoch, '{"total": 1}', ""), "open" if open_ else "exists"


def _stage(run: str, stage: str, record: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, ...], object]]:
    """One of its stages: where it is ready to be claimed, only with a task that it has not."""
    state, task = record["state"], record["task"]
    yield from _owned(run, stage, "nobody:0")
    yield "claim", (run, stage, "n", "w", "h", 1, "0", 1000, "none"), "another task"
    yield "refuse", (run, stage, "none", "", "0", 1000, 16_000, 10), "lost"
    if not (state == "ready" and record.get("flying")):
        why = "parked" if state == "ready" else state
        yield "refuse", (run, stage, task, "", "0", 1000, 16_000, 10), "lost"
        yield "claim", (run, stage, "n", "w", "h", 1, "0", 1000, task), why
        yield "claim", (run, stage, "n", "w", "h", 1, "0", 1000, ""), why
    if record.get("fence") and state not in ("running", "done"):
        yield from _owned(run, stage, record["fence"])
    if state == "running":
        nonce = record["fence"].partition(":")[0]
        yield "claim", (run, stage, nonce, "w", "h", 1, "0", 1000, task), "claimed"
    if state != "held":
        yield "decide", (run, stage, "approved", "{}", "", "{}"), state

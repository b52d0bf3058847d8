"""What the ledger knows, for those who only read: snapshots, lists, events, logs, pools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import redis

from orchestrator.contracts.calls import ArtifactRef, Code, is_probe
from orchestrator.contracts.errors import RecordDamaged
from orchestrator.contracts.records import (
    Decision,
    Event,
    RunRecord,
    RunSummary,
    StageError,
    StageRecord,
    why_unreadable,
)
from orchestrator.contracts.status import StageState
from orchestrator.engine.messages import Pool, decode_refs
from orchestrator.plan.ordering import in_plan_order
from orchestrator.store.keys import Keys

PAGE = 1000
_OPEN = frozenset(state.value for state in StageState if not state.terminal)
_END_OF_TIME_MS = 253_402_300_800_000  # the year 10000
POOL_MS = 30_000  # a pool that has not registered for so long is gone


class History:
    """Reads one namespace's ledger; starts nothing and changes nothing but pool registrations."""

    def __init__(self, client: redis.Redis, namespace: str) -> None:
        self.redis = client
        self.keys = Keys(namespace)

    def snapshot(self, run: str) -> RunRecord | None:
        """The run as it stands with all its stages, and the position of its event stream; None: not in Redis."""
        pipe = self.redis.pipeline(transaction=True)
        pipe.hgetall(self.keys.run(run))
        pipe.hgetall(self.keys.run(run, "calls"))
        pipe.hgetall(self.keys.run(run, "stages"))
        pipe.hgetall(self.keys.run(run, "outputs"))
        pipe.xrevrange(self.keys.run(run, "events"), count=1)
        parts = pipe.execute()
        if not parts[0]:
            return None
        with readable(run):
            return self._record(run, *parts)

    def _record(self, run: str, fields: Any, calls: Any, stages: Any, outputs: Any, last: Any) -> RunRecord:
        records = [
            _stage_record(identifier, json.loads(text), json.loads(stages[identifier]), outputs.get(identifier))
            for identifier, text in calls.items()
        ]
        return RunRecord(
            run=run,
            workflow=fields["workflow"],
            status=fields["status"],
            generation=int(fields["generation"]),
            author=fields["author"],
            created=_moment(fields["created"]),
            finished=_moment(fields["finished"]) if "finished" in fields else None,
            seed=int(fields["seed"]),
            spec=json.loads(fields["spec"]),
            plan_digest=fields["identity"],
            plan_version=int(fields["plan_version"]),
            notes=tuple(json.loads(fields["notes"])),
            position=last[0][0] if last else "0-0",
            stages=tuple(in_plan_order(records)),
        )

    def runs(self, limit: int = 50) -> list[RunSummary]:
        """The newest runs first, without those of the doctor."""
        ids = self.run_ids()[:limit]
        pipe = self.redis.pipeline(transaction=False)
        for run in ids:
            pipe.hmget(self.keys.run(run), "workflow", "status", "created", "finished", "total", "done", "author")
        return [_summary(run, row) for run, row in zip(ids, pipe.execute(), strict=True) if row[0]]

    def run_ids(self) -> list[str]:
        """All runs in Redis, newest first, without those of the doctor."""
        known = cast("list[str]", self.redis.zrevrange(self.keys("runs"), 0, -1))
        return [run for run in known if not is_probe(run)]

    def latest(self, workflow: str) -> str | None:
        """The last run of a workflow."""
        return cast("str | None", self.redis.hget(self.keys("workflows"), workflow))

    def held(self) -> list[tuple[str, StageRecord]]:
        """Stages that wait for a person, with their runs."""
        found = []
        for run in cast("set[str]", self.redis.smembers(self.keys("active"))):
            if int(cast("str", self.redis.hget(self.keys.run(run), "held")) or 0) > 0:
                record = self.snapshot(run)
                found += [(run, one) for one in record.stages if one.state == "held"] if record else []
        return found

    def events(self, run: str, after: str, *, block_ms: int | None = None, limit: int = 1000) -> list[Event] | None:
        """What happened after a position, waiting up to `block_ms`; None: a gap, take a new snapshot."""
        stream = self.keys.run(run, "events")
        reply = cast("Any", self.redis.xread({stream: after}, count=limit, block=block_ms))
        rows = _rows_of(reply)
        if rows and after != "0-0" and self._trimmed(stream, after):
            return None
        try:
            return [_event(position, fields) for position, fields in rows]
        except (KeyError, ValueError):  # written by another release, or by nobody: the snapshot tells what came of it
            return None

    def _trimmed(self, stream: str, after: str) -> bool:
        first = cast("list[Any]", self.redis.xrange(stream, count=1))
        return bool(first) and _order(first[0][0]) > _order(after)

    def live_log(
        self, run: str, after: str = "0-0", *, block_ms: int | None = None
    ) -> list[tuple[str, dict[str, str]]]:
        """Log lines after a position: (position, {stage, attempt, line})."""
        return _rows_of(cast("Any", self.redis.xread({self.keys.run(run, "log"): after}, count=PAGE, block=block_ms)))

    def call(self, run: str, stage: str) -> dict[str, Any] | None:
        """The call of one stage as JSON."""
        text = cast("str | None", self.redis.hget(self.keys.run(run, "calls"), stage))
        return json.loads(text) if text else None

    def grown(self, run: str) -> set[str]:
        """The stages of a run that others brought into being, of those that are joined to a stage."""
        extra = cast("set[str]", self.redis.smembers(self.keys.run(run, "extra")))
        joined = [self.redis.lrange(name, 0, -1) for name in extra if ":grown:" in name]
        return {stage for stages in cast("list[list[str]]", joined) for stage in stages}

    def open_names(self, run: str) -> dict[str, frozenset[str]]:
        """The names of the messages of all that a run still has to do, by queue."""
        found: dict[str, set[str]] = {}
        texts = cast("list[str]", self.redis.hvals(self.keys.run(run, "stages")))
        with readable(run):
            for moving in map(json.loads, texts):
                if moving["state"] in _OPEN and not moving.get("hold"):
                    found.setdefault(moving["queue"], set()).add(moving["task"])
        return {queue: frozenset(names) for queue, names in found.items()}

    # — pools

    def register(self, pool: Pool) -> None:
        """Tell that a worker node lives; repeated well within `POOL_MS`. A full Redis still knows those it knew."""
        self.redis.pexpire(self.keys("pool", pool.node), POOL_MS)
        pipe = self.redis.pipeline(transaction=True)
        pipe.set(self.keys("pool", pool.node), pool.encode(), px=POOL_MS)
        pipe.sadd(self.keys("pools"), pool.node)
        pipe.hset(self.keys("environments"), pool.queue, pool.environment)
        pipe.execute()
        self.count_slots()

    def leave(self, node: str) -> None:
        """A worker node ends in good order."""
        self.redis.delete(self.keys("pool", node))
        self.redis.srem(self.keys("pools"), node)
        self.count_slots()

    def pools(self) -> list[Pool]:
        """The worker nodes that are alive."""
        nodes = sorted(cast("set[str]", self.redis.smembers(self.keys("pools"))))
        if not nodes:
            return []
        texts = cast("list[str | None]", self.redis.mget([self.keys("pool", node) for node in nodes]))
        found = [Pool.decode(text) for text in texts if text]
        return [pool for pool in found if pool is not None]

    def slots(self) -> Mapping[str, int]:
        """Processes by queue."""
        slots: dict[str, int] = {}
        for pool in self.pools():
            slots[pool.queue] = slots.get(pool.queue, 0) + pool.processes
        return slots

    def count_slots(self) -> Mapping[str, int]:
        """The same, noted where the ledger's steps read them: by pools and the service, whose users may write that."""
        slots = self.slots()
        if slots:
            self.redis.hset(self.keys("slots"), mapping=cast("Any", slots))
        return slots

    def environments(self) -> dict[str, str]:
        """The environment digest of each queue's pool, as last registered."""
        return cast("dict[str, str]", self.redis.hgetall(self.keys("environments")))


@contextmanager
def readable(run: str) -> Iterator[None]:
    """A record that cannot be read is told in one line, with its run."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordDamaged(
            f"the record of {run!r} in Redis cannot be read ({why_unreadable(error)}): another release wrote it, "
            "or it is damaged; update this one, or look at what its manifest keeps",
            run,
        ) from error


def _moment(milliseconds: str) -> float:
    """Seconds since the epoch; a time that no calendar has is damage."""
    if not 0 <= int(milliseconds) < _END_OF_TIME_MS:
        raise ValueError(f"{milliseconds} is no time")
    return int(milliseconds) / 1000


def _summary(run: str, row: Sequence[Any]) -> RunSummary:
    with readable(run):
        return RunSummary(
            run=run,
            workflow=row[0],
            status=row[1],
            created=_moment(row[2]),
            finished=_moment(row[3]) if row[3] else None,
            stages=int(row[4]),
            done=int(row[5]),
            author=row[6],
        )


def _event(position: str, fields: Mapping[str, str]) -> Event:
    return Event.model_validate(
        {
            "position": position,
            "at": int(position.split("-", maxsplit=1)[0]) / 1000,
            "kind": fields["kind"],
            "stage": fields["stage"] or None,
            "state": fields["state"],
        }
    )


def _rows_of(reply: Any) -> list[tuple[str, dict[str, str]]]:
    """The entries of one stream in XREAD's answer, which is a list or a mapping by protocol version."""
    if not reply:
        return []
    if isinstance(reply, dict):
        entries = next(iter(reply.values()))
        return cast(
            "list[tuple[str, dict[str, str]]]", entries[0] if entries and isinstance(entries[0], list) else entries
        )
    return cast("list[tuple[str, dict[str, str]]]", reply[0][1])


def _order(position: str) -> tuple[int, int]:
    milliseconds, _, sequence = position.partition("-")
    return int(milliseconds), int(sequence or 0)


def _upstream(call: Mapping[str, Any]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for source in call.get("inputs", {}).values():
        if "stage" in source:
            found[source["stage"]] = None
        found.update(dict.fromkeys(source.get("stages", ())))
    found.update(dict.fromkeys(call.get("after", ())))
    return tuple(found)


def _stage_record(
    identifier: str, call: Mapping[str, Any], moving: Mapping[str, Any], outputs: str | None
) -> StageRecord:
    def seconds(name: str) -> float | None:
        return moving[name] / 1000 if name in moving else None

    return StageRecord(
        id=identifier,
        task=call["task"],
        queue=call["queue"],
        state=moving["state"],
        shadow=call.get("shadow"),
        after=_upstream(call),
        attempt=moving["attempt"],
        deaths=moving.get("deaths", 0),
        cached=bool(moving.get("cached")),
        worker=moving.get("worker"),
        started=seconds("started"),
        finished=seconds("finished"),
        seconds=moving.get("seconds"),
        progress=moving.get("progress"),
        error=StageError.model_validate_json(moving["error"]) if "error" in moving else None,
        decision=Decision.model_validate_json(moving["decision"]) if "decision" in moving else None,
        outputs=decode_refs(json.loads(outputs)) if outputs else {},
        measured=json.loads(moving["measured"]) if "measured" in moving else {},
        log=ArtifactRef.model_validate_json(moving["log"]) if "log" in moving else None,
        params=call.get("params", {}),
        key=call.get("key"),
        sources=decode_refs({name: source for name, source in call.get("inputs", {}).items() if "digest" in source}),
        code=Code.model_validate(call["code"]) if "code" in call else None,
    )

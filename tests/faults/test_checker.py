"""The checker sees what it is there for: every kind of harm, done by hand to a small finished world, is reported."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis as redis_py

from orchestrator.contracts.calls import Kind
from tests.faults.cases import KINDS, Case
from tests.faults.checker import check, judge
from tests.faults.evidence import Evidence
from tests.faults.hands import Hands
from tests.faults.leftovers import as_processes, forget, in_folders, in_ledger
from tests.faults.storm import Reference
from tests.faults.tending import Tender
from tests.faults.world import World


class Finished:
    """A world in which one workflow of some kinds has ended, and all is right."""

    def __init__(self, world: World, cases: list[Case], reference: Reference) -> None:
        self.world, self.cases, self.reference = world, cases, reference
        self.redis, self.keys = world.ledger.redis, world.ledger.keys

    def run(self, kind: str) -> str:
        """The run of the workflow of this kind."""
        return next(case.runs[0] for case in self.cases if case.kind == kind)

    def change(self, run: str, stage: str, **changes: object) -> None:
        """Change a stage's record behind the ledger's back; None takes a field away."""
        key = self.keys.run(run, "stages")
        record = json.loads(cast("str", self.redis.hget(key, stage))) | changes
        self.redis.hset(key, stage, json.dumps({name: value for name, value in record.items() if value is not None}))

    def wrong(self) -> str:
        """All violations, as one text."""
        found = judge(Evidence(self.world), self.cases, self.reference)
        found += [*in_ledger(self.world), *in_folders(self.world), *as_processes(self.world)]
        return "\n".join(found)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    world = World(tmp_path_factory.mktemp("finished"))
    try:
        world.start()
        cases = [Case(kind, 0, KINDS[kind].end) for kind in ("chain", "fan", "approved", "cancelled", "lifecycle")]
        tender = Tender(cases, Hands(world, random.Random(1)))
        assert tender.run(120), tender.open
        reference = Evidence(world).digests()
        assert check(world, cases, reference) == []
        world.service.stop()  # it would mend some of what is done here
        yield Finished(world, cases, reference)
    finally:
        left = world.close()
    assert left == []


Harm = Callable[[Finished], None]


def _lose_a_run(world: Finished) -> None:
    world.redis.zrem(world.keys("runs"), world.run("chain"))


def _end_otherwise(world: Finished) -> None:
    world.redis.hset(world.keys.run(world.run("cancelled")), "status", "succeeded")


def _leave_a_stage_running(world: Finished) -> None:
    world.change(world.run("chain"), "s1", state="running")


def _miscount(world: Finished) -> None:
    world.redis.hset(world.keys.run(world.run("fan")), "busy", 1)


def _record_twice(world: Finished) -> None:
    stream = world.keys.run(world.run("chain"), "events")
    events = cast("list[tuple[str, dict[str, str]]]", world.redis.xrange(stream))
    world.redis.delete(stream)
    for _, event in [*events[:-1], (None, {"kind": "stage", "stage": "s1", "state": "done"}), events[-1]]:
        world.redis.xadd(stream, cast("Any", event))


def _forget_an_execution(world: Finished) -> None:
    lines = world.world.effects.read_text().splitlines()
    kept = [line for line in lines if not {"s2", world.run("chain")} <= set(json.loads(line).values())]
    assert len(kept) < len(lines)
    world.world.effects.write_text("\n".join(kept) + "\n")


def _execute_under_another_key(world: Finished) -> None:
    line = {"run": world.run("chain"), "stage": "s2", "attempt": 9, "key": "another", "case": "chain-0"}
    with world.world.effects.open("a") as log:
        log.write(json.dumps(line) + "\n")


def _change_an_output(world: Finished) -> None:
    ref = world.world.store.put_bytes(b'{"case":"chain-0","place":"s3","sum":"0"}', Kind.JSON)
    outputs = json.dumps({"result": ref.model_dump(mode="json", exclude_none=True)})
    world.redis.hset(world.keys.run(world.run("chain"), "outputs"), "s3", outputs)


def _lose_bytes(world: Finished) -> None:
    digest = world.reference["chain-0"]["s0"]["result"].removeprefix("sha256:")
    next(Path(str(world.world.store_url)).rglob(digest)).rename(world.world.folder / "lost-bytes")


def _lose_a_decision(world: Finished) -> None:
    world.change(world.run("approved"), "approve", decision=None)


def _lose_an_audit_entry(world: Finished) -> None:
    max((Path(str(world.world.store_url)) / "audit").iterdir()).rename(world.world.folder / "lost-entry")


def _register_twice(world: Finished) -> None:
    base = world.keys("model", "lifecycle-0")
    record = cast("str", world.redis.hget(f"{base}:versions", "1"))
    world.redis.hset(f"{base}:versions", "2", record)
    world.redis.hset(f"{base}:stages", "2", "candidate")


def _leave_a_lease(world: Finished) -> None:
    world.redis.zadd(world.keys("leases"), {f"{world.run('chain')}/s1": 1})


def _leave_a_timer(world: Finished) -> None:
    world.redis.zadd(world.keys("timers"), {f"retry/{world.run('chain')}/s1": 1})


def _leave_a_bell(world: Finished) -> None:
    world.redis.zadd(world.keys("bells:prep"), {f"{world.run('chain')}/s1": 1})


def _leave_work(world: Finished) -> None:
    world.redis.rpush(world.keys.run(world.run("fan"), "work"), "release/0/s0")


def _leave_an_outbox_entry(world: Finished) -> None:
    world.redis.rpush(world.keys("audit:outbox"), "{}")


def _leave_an_identity(world: Finished) -> None:
    world.redis.set(world.keys("identity:x"), world.run("chain"))


def _leave_staging(world: Finished) -> None:
    world.redis.hset(world.keys("staging:x:calls"), "a", "{}")


def _leave_a_message(world: Finished) -> None:
    world.redis.hset(world.keys("unacked"), "x", "{}")


def _leave_a_working_folder(world: Finished) -> None:
    (Path(world.world.hosts["host1"].environment["CYCLERY_CACHE"]) / "work" / "host1.1.x").mkdir(parents=True)


def _leave_a_file(world: Finished) -> None:
    (Path(str(world.world.store_url)) / "artifacts" / "half-written").write_bytes(b"x")


HARMS: dict[Harm, str] = {
    _lose_a_run: "was accepted and is lost",
    _end_otherwise: "is succeeded, not cancelled",
    _leave_a_stage_running: "s1 is still running",
    _miscount: "counters are not zero",
    _record_twice: "s1 ended 2 times",
    _forget_an_execution: "was never executed",
    _execute_under_another_key: "under several idempotency keys",
    _change_an_output: "without faults",
    _lose_bytes: "the bytes of result are gone",
    _lose_a_decision: "was acknowledged and is lost",
    _lose_an_audit_entry: "stands 0 times",
    _register_twice: "2 versions of its model",
    _leave_a_lease: "leases is not empty",
    _leave_a_timer: "timers is not empty",
    _leave_a_bell: "bells:prep is not empty",
    _leave_work: "its work is not empty",
    _leave_an_outbox_entry: "audit:outbox is not empty",
    _leave_an_identity: "identity:x still leads to",
    _leave_staging: "staging:x:calls would stay for ever",
    _leave_a_message: "neither acknowledged nor delivered again",
    _leave_a_working_folder: "host1 still has",
    _leave_a_file: "half-written for ever",
}


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__.strip("_"))
def test_the_checker_sees(finished: Finished, harm: Harm) -> None:
    before = _copy(finished)
    try:
        harm(finished)
        assert HARMS[harm] in finished.wrong()
    finally:
        _restore(finished, before)
    assert finished.wrong() == ""


def test_a_key_that_nothing_forgets_and_garbage_are_seen(finished: Finished) -> None:
    finished.redis.set(finished.keys("stray"), "x")
    assert "stray stays after expiry" in list(forget(finished.world))
    assert not list(finished.world.store.records("never/"))


Dump = tuple[bytes, int]  # a key's value, and its milliseconds to live
Copy = tuple[dict[bytes, Dump], dict[Path, bytes]]


def _dumps(world: Finished) -> dict[bytes, Dump]:
    """All keys but the pools' own, which come and go."""
    with redis_py.Redis.from_url(world.world.redis.url) as raw:
        keys = [key for key in raw.scan_iter(b"*", count=1000) if b":pool" not in key]
        pairs = ((key, raw.dump(key), raw.pttl(key)) for key in keys)
        return {key: (value, max(0, lives)) for key, value, lives in pairs if value is not None}


def _copy(world: Finished) -> Copy:
    files = (path for path in world.world.folder.rglob("*") if _is_evidence(world, path))
    return _dumps(world), {path: path.read_bytes() for path in files}


def _is_evidence(world: Finished, path: Path) -> bool:
    return path.is_file() and (path == world.world.effects or Path(str(world.world.store_url)) in path.parents)


def _restore(world: Finished, before: Copy) -> None:
    dumps, files = before
    with redis_py.Redis.from_url(world.world.redis.url) as raw:
        now = _dumps(world)
        for key in now.keys() - dumps.keys():
            raw.delete(key)
        for key, (value, lives) in dumps.items():
            if key not in now or now[key][0] != value:
                raw.restore(key, lives, value, replace=True)
    for path in world.world.folder.rglob("*"):
        if _is_evidence(world, path) and path not in files:
            path.unlink()
    for path, data in files.items():
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for folder in (world.world.folder / "caches").glob("*/work/*"):
        folder.rmdir()

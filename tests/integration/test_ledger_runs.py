"""Runs as people see them: attach, caches, cancel, decisions, retries, expiry, garbage, events."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.errors import InvalidInput, RecordDamaged, Unreachable
from orchestrator.contracts.records import Decision
from orchestrator.engine.garbage import Collector
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore, open_store
from tests.integration.ledger_case import Hand, call, plan, ref
from tests.waiting import wait_until


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    return open_store(settings)


@pytest.mark.parametrize(
    "read",
    [
        lambda ledger: ledger.lookup(["key"]),
        lambda ledger: ledger.leases_of("here"),
        lambda ledger: ledger.unfinished(),
        lambda ledger: ledger.ended(),
        lambda ledger: ledger.holds(),
        lambda ledger: ledger.checkpointed("run", 1),
    ],
)
def test_reads_without_redis_are_an_outage(
    settings: Settings, tmp_path: Path, read: Callable[[Ledger], object]
) -> None:
    with (
        redis_py.Redis(unix_socket_path=str(tmp_path / "nobody")) as nobody,
        pytest.raises(Unreachable, match="went away"),
    ):
        read(Ledger(nobody, settings))


def test_only_the_mark_of_a_hold_that_was_seen_is_forgotten(hand: Hand) -> None:
    """A run that is held again meanwhile is to get its checkpoint yet."""
    ledger = hand.ledger
    ledger.redis.zadd(ledger.keys("holds"), {"w-1": 5})
    ledger.checkpointed("w-1", 4)
    assert ledger.holds() == {"w-1": 5}
    ledger.checkpointed("w-1", 5)
    assert ledger.holds() == {}


def old(store: ArtifactStore, data: bytes) -> ArtifactRef:
    """An artifact that was written long ago."""
    artifact = store.put_bytes(data, Kind.FILE)
    os.utime(store.fetch(artifact), (0, 0))
    return artifact


def approved(by: str = "ann", verdict: str = "approved") -> Decision:
    return Decision.model_validate({"verdict": verdict, "by": by, "at": 1.0, "note": "looks right"})


def test_an_identical_active_plan_is_attached_to_and_new_starts_another(hand: Hand) -> None:
    first = hand.submit(call("a"))
    again = hand.submit(call("a"))
    other = hand.submit(call("a"), new=True)
    different = hand.submit(call("b"))
    assert (again.run, again.attached, again.bells) == (first.run, True, ())
    assert len({first.run, other.run, different.run}) == 3


def test_a_submission_sent_again_is_the_same_run(hand: Hand) -> None:
    request = Submission(plan(call("a")), run=None)
    accepted = hand.ledger.submit(request)
    hand.work(accepted.bells)
    reply = hand.ledger._flip(request, accepted.run, "0", {})
    assert reply[0] == "again"
    assert hand.record(accepted.run).status == "succeeded"


def test_nothing_of_an_earlier_try_gets_into_the_run(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    hand.work(hand.submit(call("a", key="ka")).bells)
    hand.order.clear()
    monkeypatch.setattr(Ledger, "_unstage", lambda *_: None)  # a power loss has brought back what was taken away
    flip, there = Ledger._flip, [True]

    def interrupted(*given: Any) -> Any:
        return ["collected"] if there.pop() else flip(*given)

    monkeypatch.setattr(Ledger, "_flip", interrupted)
    request = Submission(plan(call("a", key="ka"), call("b", "a")))
    there.insert(0, False)
    accepted = hand.ledger.submit(request, has=lambda _: len(there) == 2)
    hand.work(accepted.bells)
    assert hand.order == ["a", "b"]
    assert hand.record(accepted.run).status == "succeeded"


def test_an_unchanged_plan_rings_no_bell(hand: Hand) -> None:
    calls = (call("a", key="ka"), call("b", "a", key="kb"))
    hand.work(hand.submit(*calls).bells)
    again = hand.submit(*calls)
    record = hand.record(again.run)
    assert (again.bells, record.status) == ((), "succeeded")
    assert all(stage.cached and stage.seconds == 0.1 and stage.outputs == {"echo": ref()} for stage in record.stages)


def test_what_changed_and_what_follows_it_runs_again(hand: Hand) -> None:
    hand.work(hand.submit(call("a", key="ka"), call("b", "a", key="kb"), call("c", "b", key="kc")).bells)
    hand.order.clear()
    hand.work(hand.submit(call("a", key="ka"), call("b", "a", key="kb2"), call("c", "b", key="kc2")).bells)
    assert hand.order == ["b", "c"]


def test_a_cached_result_without_its_bytes_is_a_miss_where_they_are_needed(hand: Hand) -> None:
    hand.work(hand.submit(call("a", key="ka"), call("b", "a", key="kb")).bells)
    changed = plan(call("a", key="ka"), call("b", "a", key="kb2"))
    missing = hand.ledger.submit(Submission(changed), has=lambda _: False)
    assert [bell.stages for bell in missing.bells] == [("a",)]


def test_cancel_stops_what_waits_and_tells_what_runs(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("b", "a"), *(call(f"w{i}") for i in range(600)))
    claim = hand.must_claim(accepted.bells[0])
    assert hand.ledger.cancel(accepted.run, "ann").answer == "cancelling"
    assert hand.record(accepted.run).status == "running"
    assert hand.ledger.heartbeat({claim.lease: None})[claim.lease] == "cancelled"
    hand.ledger.stopped(claim.lease)
    record = hand.record(accepted.run)
    assert record.status == "cancelled"
    assert {stage.state.value for stage in record.stages} == {"cancelled"}
    assert hand.claim(accepted.bells[1]) is None
    assert hand.ledger.cancel(accepted.run, "ann").answer == "cancelled"


def test_cancel_of_an_unknown_run_says_so(hand: Hand) -> None:
    with pytest.raises(InvalidInput, match="there is no run nobody"):
        hand.ledger.cancel("nobody", "ann")


def test_a_held_stage_waits_without_a_message_until_a_person_decides(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("approve", after=("a",), hold={}), call("z", after=("approve",)))
    hand.work(accepted.bells)
    record = hand.record(accepted.run)
    assert (record.status, hand.states(accepted.run)["approve"]) == ("held", "held")
    assert [(run, stage.id) for run, stage in hand.history.held()] == [(accepted.run, "approve")]
    settled = hand.ledger.decide(accepted.run, "approve", approved())
    hand.work(settled.bells)
    record = hand.record(accepted.run)
    stage = record.stage("approve")
    assert stage is not None
    assert stage.decision is not None
    assert (record.status, stage.decision.by, stage.decision.note) == ("succeeded", "ann", "looks right")


def test_a_decision_is_audited_once_and_cannot_be_made_twice(hand: Hand, redis: redis_py.Redis) -> None:
    accepted = hand.submit(call("approve", hold={}), call("z", after=("approve",)))
    before = redis.llen(hand.ledger.keys("audit", "outbox"))
    hand.ledger.decide(accepted.run, "approve", approved())
    assert hand.ledger.decide(accepted.run, "approve", approved()).answer == "again"
    with pytest.raises(InvalidInput, match="is done, not held"):
        hand.ledger.decide(accepted.run, "approve", approved("bob"))
    assert redis.llen(hand.ledger.keys("audit", "outbox")) == before + 1


def test_a_rejection_refuses_the_model_and_what_registers_it_hears_why(hand: Hand) -> None:
    accepted = hand.submit(call("approve", hold={}), call("register", after=("approve",)))
    bells = hand.ledger.decide(accepted.run, "approve", approved(verdict="rejected")).bells
    claim = hand.must_claim(bells[0])
    assert claim.refusal == "rejected by ann: looks right"
    hand.done(claim)
    assert hand.record(accepted.run).status == "refused"


def test_a_refused_model_is_never_held(hand: Hand) -> None:
    accepted = hand.submit(
        call("gates"), call("approve", after=("gates",), hold={}), call("register", after=("approve",))
    )
    hand.acts = {"gates": lambda claim: hand.done(claim, refusal="roc_auc >= 0.8 failed")}
    hand.work(accepted.bells)
    assert hand.record(accepted.run).status == "refused"
    assert hand.order == ["gates", "register"]


def test_a_deadline_decides_when_nobody_does(hand: Hand) -> None:
    accepted = hand.submit(call("approve", hold={"deadline_s": 0.05, "otherwise": "reject"}))
    wait_until(lambda: hand.ledger.repair(10, 2000)[0], timeout=5)
    stage = hand.record(accepted.run).stage("approve")
    assert stage is not None
    assert stage.decision is not None
    assert (stage.state.value, stage.decision.by) == ("rejected", "deadline")


def test_a_retry_keeps_what_matches_and_runs_the_rest_as_a_new_generation(hand: Hand) -> None:
    hand.acts = {"b": hand.failing()}
    calls = (call("a", key="ka"), call("b", "a", key="kb"), call("c", "b", key="kc"))
    accepted = hand.submit(*calls)
    hand.work(accepted.bells)
    hand.acts, hand.order = {}, []
    retry = Submission(plan(*calls), run=accepted.run, generation=2, attempts={"a": 1, "b": 1})
    bells = hand.ledger.submit(retry).bells
    assert bells[0].task_id == f"{accepted.run}:b:2"
    hand.work(bells)
    record = hand.record(accepted.run)
    assert (record.status, record.generation, hand.order) == ("succeeded", 2, ["b", "c"])


def test_a_stage_asked_for_afresh_is_taken_from_no_cache(hand: Hand) -> None:
    calls = (call("a", key="ka"), call("b", "a", key="kb"))
    accepted = hand.submit(*calls)
    hand.work(accepted.bells)
    again = Submission(plan(*calls), run=accepted.run, generation=2, refresh=frozenset({"b"}))
    bells = hand.ledger.submit(again).bells
    assert [bell.stages for bell in bells] == [("b",)]
    assert hand.must_claim(bells[0]).fresh  # the worker does not look it up by content either


def test_a_run_that_is_under_way_cannot_be_retried(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    with pytest.raises(InvalidInput, match="still under way"):
        hand.ledger.submit(Submission(plan(call("a")), run=accepted.run, generation=2))


def test_events_tell_each_change_and_a_gap(hand: Hand, redis: redis_py.Redis) -> None:
    accepted = hand.submit(call("a"))
    position = hand.record(accepted.run).position
    hand.work(accepted.bells)
    told = [(event.kind, event.stage, event.state) for event in hand.history.events(accepted.run, position) or []]
    assert told == [("stage", "a", "running"), ("stage", "a", "done"), ("run", None, "succeeded")]
    redis.xtrim(hand.ledger.keys.run(accepted.run, "events"), maxlen=1, approximate=False)
    assert hand.history.events(accepted.run, position) is None


def test_an_archived_run_expires_with_its_index_entry(hand: Hand, redis: redis_py.Redis) -> None:
    ledger = Ledger(redis, hand.ledger.settings.model_copy(update={"expire_s": 0.001}))
    accepted = hand.submit(call("a"), call("z", "a"))
    hand.work(accepted.bells)
    assert ledger.ended() == [accepted.run]
    assert ledger.expire() == 0  # not before its manifest is in the store
    ledger.archive(accepted.run, 1)
    wait_until(lambda: ledger.expire() == 1, timeout=5)
    assert hand.history.snapshot(accepted.run) is None
    assert hand.history.runs() == []
    assert list(redis.scan_iter(f"*run:{accepted.run}*")) == []


def test_garbage_is_condemned_then_deleted_and_what_is_referred_to_stays(hand: Hand, store: ArtifactStore) -> None:
    kept, garbage = old(store, b"kept"), old(store, b"garbage")
    accepted = hand.submit(call("a", key="ka"))
    hand.done(hand.must_claim(accepted.bells[0]), outputs={"echo": kept})
    collector = Collector(hand.ledger, store, grace_s=0)
    assert (collector.collect(), store.has(garbage.digest)) == (0, True)
    assert collector.collect() == 1
    assert (store.has(kept.digest), store.has(garbage.digest)) == (True, False)


def test_a_wrong_clock_of_the_service_deletes_nothing_early(
    hand: Hand, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    garbage = old(store, b"garbage")
    collector = Collector(hand.ledger, store, grace_s=1800)
    right = time.time
    for wrong in (-7200, 7200, 0):
        monkeypatch.setattr(time, "time", lambda wrong=wrong: right() + wrong)
        assert collector.collect() == 0
    assert store.has(garbage.digest)


def test_a_round_that_was_broken_off_is_ended_by_the_next_and_nobody_else_is_let_in_between(
    hand: Hand, store: ArtifactStore, redis: redis_py.Redis
) -> None:
    class Away(ArtifactStore):
        def delete(self, digest: str) -> None:
            raise OSError(f"{digest} is out of reach")

    garbage, settings = old(store, b"garbage"), hand.ledger.settings
    collector = Collector(hand.ledger, store, grace_s=0)
    collector.collect()
    collector.store = Away(settings.store_url, settings.cache_path, settings.cache_bytes)
    with pytest.raises(OSError, match="out of reach"):
        collector.collect()
    deleting = hand.ledger.keys("deleting")
    assert redis.smembers(deleting) == {garbage.digest}
    Collector(hand.ledger, store, grace_s=0).collect()
    assert redis.smembers(deleting) == {garbage.digest}
    collector.store = store
    collector.collect()
    assert not redis.exists(deleting, hand.ledger.keys("collecting"))
    assert not store.has(garbage.digest)


def test_no_garbage_is_collected_beside_a_record_that_cannot_be_read(
    hand: Hand, store: ArtifactStore, redis: redis_py.Redis
) -> None:
    garbage = old(store, b"perhaps garbage")
    accepted = hand.submit(call("a"))
    redis.hset(hand.ledger.keys.run(accepted.run, "outputs"), "a", '{"echo": "sha256:')
    collector = Collector(hand.ledger, store, grace_s=0)
    for _ in range(2):
        with pytest.raises(RecordDamaged, match=f"{accepted.run}/a .*damaged"):
            collector.collect()
    assert store.has(garbage.digest)


def test_a_completion_saves_a_condemned_artifact(hand: Hand, store: ArtifactStore) -> None:
    artifact = old(store, b"condemned, then made again")
    collector = Collector(hand.ledger, store, grace_s=0)
    collector.collect()
    accepted = hand.submit(call("a"))
    hand.done(hand.must_claim(accepted.bells[0]), outputs={"echo": artifact})
    assert collector.collect() == 0
    assert store.has(artifact.digest)


def test_a_completion_with_an_artifact_under_deletion_is_refused(hand: Hand, redis: redis_py.Redis) -> None:
    redis.sadd(hand.ledger.keys("deleting"), ref(5).digest)
    accepted = hand.submit(call("a"))
    claim = hand.must_claim(accepted.bells[0])
    assert hand.done(claim, outputs={"echo": ref(5)}).answer == "deleting"
    assert hand.states(accepted.run) == {"a": "running"}

"""Leases, fences, retries, timers, bells: what keeps a stage recorded once and never forgotten."""

from __future__ import annotations

import pytest
import redis as redis_py

from orchestrator.engine.ledger import REFUSALS, Ledger
from orchestrator.engine.messages import Pool
from orchestrator.engine.reconciler import Reconciler
from orchestrator.settings import Settings
from tests.integration.ledger_case import Hand, call, error
from tests.waiting import wait_until


@pytest.fixture
def hand(redis: redis_py.Redis, settings: Settings) -> Hand:
    return Hand(Ledger(redis, settings.model_copy(update={"lease_s": 0.2})))


def repair(hand: Hand, grace_ms: int = 2000) -> list:  # type: ignore[type-arg]
    return list(hand.ledger.repair(100, grace_ms)[1])


def test_a_second_claim_of_the_same_stage_gets_nothing(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    assert hand.claim(accepted.bells[0]) is not None
    assert hand.claim(accepted.bells[0]) is None


def test_a_claim_sent_again_with_its_nonce_gets_the_same_lease(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    claims = [
        hand.ledger.claim(accepted.run, "a", worker="w", host="h", pid=1, nonce="same") for _ in range(2)
    ]  # as after a lost reply
    assert claims[0] is not None
    assert claims[0] == claims[1]


def test_a_completion_sent_again_changes_nothing(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("b", "a"))
    claim = hand.must_claim(accepted.bells[0])
    assert hand.done(claim).answer == "done"
    before = hand.record(accepted.run).stage("a")
    assert hand.done(claim).answer == "again"
    assert hand.record(accepted.run).stage("a") == before
    assert hand.record(accepted.run).status == "running"


def test_a_silent_worker_loses_its_stage_and_its_late_completion_is_refused(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    late = hand.must_claim(accepted.bells[0])
    bells = wait_until(lambda: repair(hand), timeout=5)
    fresh = hand.must_claim(bells[0])
    assert hand.done(late).lost
    assert hand.ledger.fail(late.lease, error()).lost
    assert hand.ledger.heartbeat({late.lease: None})[late.lease] == "lost"
    assert hand.done(fresh).answer == "done"
    stage = hand.record(accepted.run).stage("a")
    assert stage is not None
    assert (stage.attempt, stage.deaths) == (2, 1)


def nobody_looked(hand: Hand) -> None:
    """As if Redis, or the service, had been away for a minute."""
    hand.ledger.redis.hincrby(hand.ledger.keys("ticked"), "at", -60_000)


def run_out(hand: Hand) -> bool:
    """Whether every lease has run out."""
    seconds, micros = hand.ledger.redis.time()
    return not hand.ledger.redis.zcount(hand.ledger.keys("leases"), seconds * 1000 + micros // 1000, "+inf")


def test_who_worked_through_an_outage_keeps_the_stage(hand: Hand) -> None:
    """And what has ended meanwhile is recorded, though its time limit is over by now."""
    accepted = hand.submit(call("a", timeout_s=0.3), call("b"))
    claims = [hand.must_claim(bell) for bell in accepted.bells]
    for _ in range(2):  # of which the first is forgotten once the owner has spoken
        repair(hand)
        wait_until(lambda: run_out(hand))
        nobody_looked(hand)
        repair(hand)
        assert hand.states(accepted.run) == {"a": "running", "b": "running"}
        assert hand.ledger.heartbeat({claim.lease: None for claim in claims}) == {
            claim.lease: "held" for claim in claims
        }
    assert [hand.done(claim).answer for claim in claims] == ["done", "done"]


def test_who_died_in_an_outage_is_spared_once(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    hand.must_claim(accepted.bells[0])
    repair(hand)
    for state in ("running", "ready"):
        wait_until(lambda: run_out(hand))
        nobody_looked(hand)
        repair(hand)
        assert hand.states(accepted.run) == {"a": state}


def test_a_renewed_lease_stays(hand: Hand, redis: redis_py.Redis) -> None:
    accepted = hand.submit(call("a"))
    claim = hand.must_claim(accepted.bells[0])
    before = redis.zscore(hand.ledger.keys("leases"), f"{accepted.run}/a")
    wait_until(lambda: redis.time()[1] % 7 == 3, timeout=5)  # some time passes on Redis's clock
    assert hand.ledger.heartbeat({claim.lease: 0.25}) == {claim.lease: "held"}
    after = redis.zscore(hand.ledger.keys("leases"), f"{accepted.run}/a")
    assert after >= before
    stage = hand.record(accepted.run).stage("a")
    assert stage is not None
    assert stage.progress == 0.25


def test_a_stage_that_kills_three_workers_is_poison(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("b", "a"))
    bells = list(accepted.bells)
    for _ in range(3):
        bells = list(hand.ledger.bury(hand.must_claim(bells[0]).lease).bells)
    assert bells == []
    record = hand.record(accepted.run)
    stage = record.stage("a")
    assert stage is not None
    assert stage.error is not None
    assert (stage.error.family, record.status) == ("poison", "failed")
    assert "killed its worker 3 times" in stage.error.message


def test_giving_back_is_no_death(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    bells = list(accepted.bells)
    for _ in range(5):
        claim = hand.must_claim(bells[0])
        bells = list(hand.ledger.give_back(claim.lease).bells)
    stage = hand.record(accepted.run).stage("a")
    assert stage is not None
    assert (stage.state.value, stage.deaths) == ("ready", 0)


def test_only_the_lease_of_the_dead_process_can_be_buried(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    first = hand.must_claim(accepted.bells[0]).lease
    assert hand.ledger.leases_of("here") == {first: 1}
    bells = hand.ledger.bury(first).bells
    second = hand.must_claim(bells[0]).lease  # another host's process may well have the same id
    assert hand.ledger.bury(first).lost
    assert hand.states(accepted.run) == {"a": "running"}
    assert hand.ledger.leases_of("here") == {second: 1}


def test_a_transient_failure_is_tried_again_after_its_backoff_and_then_final(hand: Hand) -> None:
    accepted = hand.submit(call("a", attempts=2, backoff_s=0.05))
    claim = hand.must_claim(accepted.bells[0])
    assert hand.ledger.fail(claim.lease, error("transient")).answer == "retry"
    assert hand.claim(accepted.bells[0]) is None  # an old bell does not shorten the backoff
    bells = wait_until(lambda: repair(hand), timeout=5)
    assert hand.ledger.fail(hand.must_claim(bells[0]).lease, error("transient")).answer == "failed"
    assert hand.record(accepted.run).status == "failed"


@pytest.mark.parametrize("family", ["user", "data", "internal", "memory", "requires"])
def test_other_failures_are_final_at_once(hand: Hand, family: str) -> None:
    accepted = hand.submit(call("a"))
    claim = hand.must_claim(accepted.bells[0])
    assert hand.ledger.fail(claim.lease, error(family)).answer == "failed"


def test_a_stage_beyond_its_limit_fails_even_when_its_worker_renews_for_ever(hand: Hand) -> None:
    accepted = hand.submit(call("a", timeout_s=0.1))
    claim = hand.must_claim(accepted.bells[0])

    def ended() -> bool:
        hand.ledger.heartbeat({claim.lease: None})
        repair(hand)
        return hand.states(accepted.run)["a"] == "failed"

    wait_until(ended, timeout=5)
    stage = hand.record(accepted.run).stage("a")
    assert stage is not None
    assert stage.error is not None
    assert stage.error.family == "timeout"
    assert hand.done(claim).lost


def test_a_lost_bell_rings_again_when_a_later_one_was_heard(hand: Hand, redis: redis_py.Redis) -> None:
    accepted = hand.submit(call("a"), call("b"))
    lost, heard = accepted.bells
    assert repair(hand, grace_ms=0) == []  # nothing later was heard: it may just wait in the queue
    claim = hand.must_claim(heard)
    bells = repair(hand, grace_ms=0)
    assert [bell.stages for bell in bells] == [lost.stages]
    assert repair(hand, grace_ms=2000) == []
    hand.done(claim)
    hand.work(bells)
    assert hand.record(accepted.run).status == "succeeded"


def test_a_lost_bell_rings_again_when_the_queue_is_empty(hand: Hand, redis: redis_py.Redis) -> None:
    accepted = hand.submit(call("a"))
    redis.delete(hand.ledger.keys.broker("ops"))  # popped by somebody who died before the claim
    assert [bell.stages for bell in repair(hand, grace_ms=0)] == [("a",)]
    assert hand.states(accepted.run)["a"] == "ready"


def test_a_backlog_alone_is_not_rung_again(hand: Hand, redis: redis_py.Redis) -> None:
    hand.submit(*(call(f"s{i}") for i in range(10)))
    assert redis.llen(hand.ledger.keys.broker("ops")) == 10
    assert repair(hand, grace_ms=0) == []


def test_nothing_is_left_behind_by_a_finished_run(hand: Hand, redis: redis_py.Redis) -> None:
    accepted = hand.submit(call("a", timeout_s=50), call("b", "a"))
    hand.work(accepted.bells)
    for leftover in ("leases", "timers", "work", "bells:ops", "active"):
        assert not redis.exists(hand.ledger.keys(leftover)), leftover
    assert not redis.exists(hand.ledger.keys.run(accepted.run, "open"), hand.ledger.keys.run(accepted.run, "parked"))


def test_the_window_follows_the_pools(hand: Hand, redis: redis_py.Redis) -> None:
    reconciler = Reconciler(hand.ledger)
    reconciler.history.register(Pool("ops@big", "ops", "big", 100, "e", "0", 1))
    reconciler.tick()
    assert len(hand.submit(*(call(f"s{i}") for i in range(500))).bells) == 400


def test_a_call_of_a_newer_release_is_refused_politely(hand: Hand, redis: redis_py.Redis) -> None:
    accepted = hand.submit(call("a"))
    calls = hand.ledger.keys.run(accepted.run, "calls")
    redis.hset(calls, "a", str(redis.hget(calls, "a")).replace("{", '{"invented_later":1,', 1))
    for _ in range(REFUSALS):  # left to a newer worker, which may be there or come
        assert hand.claim(accepted.bells[0]) is None
        assert hand.states(accepted.run) == {"a": "ready"}
    assert hand.claim(accepted.bells[0]) is None
    stage = hand.record(accepted.run).stage("a")
    assert stage is not None
    assert stage.error is not None
    assert "upgrade the workers" in stage.error.message


def test_what_would_be_tried_again_is_stopped_with_its_run(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    claim = hand.must_claim(accepted.bells[0])
    hand.ledger.cancel(accepted.run, "ann")
    hand.ledger.fail(claim.lease, error("transient"))
    assert hand.states(accepted.run) == {"a": "cancelled"}
    assert hand.record(accepted.run).status == "cancelled"


def test_a_stage_is_given_back_where_the_cancel_was_lost_again(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    claim = hand.must_claim(accepted.bells[0])
    bells = hand.ledger.stopped(claim.lease).bells  # its worker was told; Redis lost its power before it was written
    assert hand.states(accepted.run) == {"a": "ready"}
    hand.work(bells)
    assert hand.record(accepted.run).status == "succeeded"

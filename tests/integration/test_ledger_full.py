"""A Redis whose memory is full: what runs is recorded, what is new is refused whole, repairs go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis as redis_py
from pydantic import SecretStr

from orchestrator.contracts.errors import Unreachable
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Pool
from orchestrator.engine.reconciler import Reconciler
from orchestrator.settings import Settings
from tests.integration.ledger_case import Hand, call, ref
from tests.servers import RedisServer


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """One of its own: no other test must meet it full."""
    here = RedisServer()
    try:
        yield here.start()
    finally:
        here.close()


@pytest.fixture
def hand(server: RedisServer, namespace: str, tmp_path: Path) -> Iterator[Hand]:
    settings = Settings(redis_url=SecretStr(server.url), namespace=namespace, home=tmp_path, lease_s=0.05)
    with server.client() as client:
        yield Hand(Ledger(client, settings))


@contextmanager
def full(client: redis_py.Redis) -> Iterator[None]:
    """No byte is left of the memory that Redis may use."""
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


def test_what_runs_is_renewed_completed_and_cancelled(hand: Hand) -> None:
    accepted = hand.submit(call("a"), call("b", "a"), call("c", "b"))
    claim = hand.must_claim(accepted.bells[0])
    with full(hand.ledger.redis):
        assert hand.ledger.heartbeat({claim.lease: 0.5}) == {claim.lease: "held"}
        settled = hand.done(claim)
        assert settled.answer == "done"
        hand.done(hand.must_claim(settled.bells[0]))
        hand.ledger.cancel(accepted.run, "somebody")
    assert hand.states(accepted.run) == {"a": "done", "b": "done", "c": "cancelled"}


def test_a_submission_is_refused_and_leaves_nothing(hand: Hand) -> None:
    redis = hand.ledger.redis
    before = set(redis.scan_iter("*"))
    with full(redis), pytest.raises(Unreachable, match=r"^Redis at .* is full: [^\n]*$"):
        hand.submit(*(call(f"s{number}") for number in range(1200)))
    assert set(redis.scan_iter("*")) == before


def test_a_submission_that_fills_it_half_way_leaves_nothing(hand: Hand) -> None:
    """The first chunks are staged, a later one is refused."""
    redis = hand.ledger.redis
    before = set(redis.scan_iter("*"))
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"]) + 600_000)
    try:
        with pytest.raises(Unreachable, match="is full"):
            hand.submit(*(call(f"s{number}") for number in range(4000)))
    finally:
        redis.config_set("maxmemory", 0)
    assert set(redis.scan_iter("*")) - before <= {hand.ledger.keys("queues")}


def test_leases_are_repaired_though_pools_changed(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    hand.must_claim(accepted.bells[0])
    pool = Pool("ops@here", "ops", "here", 64, "e", "1", 1, {})
    History(hand.ledger.redis, hand.ledger.settings.namespace).register(pool)
    reconciler = Reconciler(hand.ledger)
    with full(hand.ledger.redis):
        while hand.states(accepted.run)["a"] == "running":
            with pytest.raises(Unreachable, match="is full"):
                reconciler.tick()  # the window's new width is refused, after the repairs
    assert reconciler.tick().actions == 0
    assert hand.ledger.redis.get(hand.ledger.keys("window")) == "256"


def test_a_pool_that_is_known_stays_known(hand: Hand) -> None:
    history = History(hand.ledger.redis, hand.ledger.settings.namespace)
    pool = Pool("ops@here", "ops", "here", 1, "e", "1", 1, {})
    history.register(pool)
    hand.ledger.redis.pexpire(hand.ledger.keys("pool", pool.node), 10)
    with full(hand.ledger.redis), pytest.raises(redis_py.OutOfMemoryError):
        history.register(pool)
    assert hand.ledger.redis.pttl(hand.ledger.keys("pool", pool.node)) > 1000


def test_lines_for_watchers_are_an_outage_and_no_defect(hand: Hand) -> None:
    accepted = hand.submit(call("a"))
    with full(hand.ledger.redis), pytest.raises(Unreachable, match="is full"):
        hand.ledger.log(accepted.run, "a", 1, ["line"])


def test_finished_runs_still_leave(hand: Hand) -> None:
    ledger = hand.ledger
    ledger.settings = ledger.settings.model_copy(update={"expire_s": 0.001})
    accepted = hand.submit(call("a"))
    with full(ledger.redis):
        hand.done(hand.must_claim(accepted.bells[0]), outputs={"echo": ref(1)})
        ledger.archive(accepted.run, 1)
        while not ledger.expire():
            pass
    assert hand.history.snapshot(accepted.run) is None

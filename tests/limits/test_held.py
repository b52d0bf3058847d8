"""A run that waits for a person for weeks, while Redis and everything else start again and garbage is collected."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.contracts.calls import Code, Kind, StageCall
from orchestrator.contracts.records import Decision
from orchestrator.engine.garbage import Collector
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.reconciler import Reconciler
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore, open_store
from orchestrator.store.connection import connect
from tests.faults.hosts.clock import WallClock
from tests.integration.ledger_case import Hand, call
from tests.servers import RedisServer

DAY_S = 86_400
Later = Callable[[float], Ledger]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(Settings(home=tmp_path))


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Later]:
    """Restart Redis so many days after now; a ledger that connects to it then."""
    clock = WallClock(tmp_path, "redis")
    server = RedisServer(appendfsync="always")
    clients = []

    def after(days: float) -> Ledger:
        if server.process is not None:
            server.kill()
        clock.set(int(days * DAY_S))
        with monkeypatch.context() as patched:
            for name, value in clock.environment().items():
                patched.setenv(name, value)
            server.start()
        settings = Settings(redis_url=server.url, home=tmp_path, author="tester")  # type: ignore[arg-type]
        clients.append(connect(settings, 30.0))
        return Ledger(clients[-1], settings)

    yield after
    for client in clients:
        client.close()
    server.close()


def chores(ledger: Ledger, store: ArtifactStore) -> None:
    """What the orchestrator service does all the time."""
    Reconciler(ledger).tick()
    ledger.expire()
    Collector(ledger, store).collect()


def test_what_a_held_run_needs_outlasts_caches_and_collections(later: Later, store: ArtifactStore) -> None:
    hand = Hand(later(0))
    made = store.put_bytes(b"made before the hold", Kind.JSON)
    code = store.put_bytes(b"the code as it was submitted", Kind.FILE)
    garbage = store.put_bytes(b"nobody's", Kind.FILE)
    hand.acts = {"made": lambda claim: hand.done(claim, outputs={"echo": made})}
    held = call("held", after=("made",), hold={})
    own = StageCall(id="own", task="custom", queue="prep", version=1, code=Code(snapshot=code, entry="team:stage"),
                    after=("held",), inputs=call("x", "made").inputs)  # fmt: skip
    accepted = hand.submit(call("made", key="f" * 64), held, own)
    hand.work(accepted.bells)
    run = accepted.run
    assert hand.record(run).status == "held"
    for days in (7, 40, 41, 80):  # a cached result lives for thirty days, a condemned artifact for an hour
        ledger = later(days)
        chores(ledger, store)
        hand = Hand(ledger)
        assert hand.record(run).status == "held"
    assert ledger.cached("f" * 64) is None
    assert not store.has(garbage.digest)
    decided = ledger.decide(run, "held", Decision(verdict="approved", by="ada", at=time.time()))
    claim = hand.must_claim(decided.bells[0])
    assert store.read(claim.outputs["made"]["echo"]) == b"made before the hold"
    assert claim.call.code is not None
    assert store.read(claim.call.code.snapshot) == b"the code as it was submitted"
    hand.done(claim)
    assert hand.record(run).status == "succeeded"


@pytest.mark.parametrize(("otherwise", "ends"), [("reject", "refused"), ("approve", "succeeded")])
def test_a_deadline_is_kept_across_restarts(later: Later, store: ArtifactStore, otherwise: str, ends: str) -> None:
    hand = Hand(later(0))
    run = hand.submit(call("held", hold={"deadline_s": 7 * DAY_S, "otherwise": otherwise})).run
    for days in (1, 6.9):
        ledger = later(days)
        chores(ledger, store)
        assert Hand(ledger).record(run).status == "held"
    ledger = later(7.1)
    chores(ledger, store)
    record = Hand(ledger).record(run)
    assert record.status == ends
    assert record.stages[0].decision is not None
    assert record.stages[0].decision.by == "deadline"

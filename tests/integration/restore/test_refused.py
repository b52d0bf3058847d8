"""What is left alone when Redis was lost: a namespace with a past, gaps in the audit log, the store's files."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.contracts.errors import LedgerBehind, NotPermitted, RecordDamaged
from orchestrator.engine.garbage import Collector
from orchestrator.engine.restore import Restore
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.store import audit
from orchestrator.store.continuity import require_bound
from tests.integration.ledger_case import call
from tests.integration.restore.past import Past, draft, ended_run, held_run, literal, lose, restored


@pytest.mark.parametrize("alone", ["runs", "models"])
def test_a_namespace_with_a_past_is_left_alone(past: Past, alone: str) -> None:
    client, keys = past.hand.ledger.redis, past.hand.ledger.keys
    client.delete(keys({"runs": "models", "models": "runs"}[alone]))
    before = past.look()
    with pytest.raises(NotPermitted, match="has runs or models already"):
        restored(past)
    assert past.look() == before
    assert not client.exists(keys("restoring"))


def test_a_dry_run_finds_the_same_and_writes_nothing(past: Past, service: Service, settings: Settings) -> None:
    held_run(past.hand)
    service.keep_records()
    client = past.hand.ledger.redis
    lose(client, settings)
    found = restored(past, dry_run=True)
    assert not list(client.scan_iter(f"{literal('{' + settings.namespace + '}')}:*"))
    real = restored(past)
    assert vars(found) == vars(real)


def test_whoever_was_silent_for_too_long_writes_nothing_more(past: Past, settings: Settings) -> None:
    client, keys = past.hand.ledger.redis, past.hand.ledger.keys
    lose(client, settings)
    first = Restore(past.hand.ledger, past.store)
    first.steps.begin()
    client.hset(keys("restoring"), "until", 0)
    restored(past)
    before = past.look()
    first.steps.put(("SET", keys("audit:drained"), "7"))
    with pytest.raises(NotPermitted, match="taken over"):
        first.steps.flush()
    assert past.look() == before


def test_an_emptied_redis_beside_a_running_service_deletes_nothing(
    past: Past, service: Service, settings: Settings
) -> None:
    kept = {one.digest for one in past.store.digests()}
    assert kept
    lose(past.hand.ledger.redis, settings)
    eager = Collector(past.hand.ledger, past.store, young_s=-60, grace_s=-60)
    for _ in range(3):
        service.keep_records()
        service.repair()
        with pytest.raises(LedgerBehind, match="cyclery restore"):
            eager.collect()
    with pytest.raises(LedgerBehind, match="cyclery restore"):
        require_bound(past.hand.ledger.redis, past.hand.ledger.keys, past.store)
    past.hand.submit(call("went on all the same"), new=True)  # whoever does not ask: it is noted when the log goes on
    service.keep_records()
    for _ in range(2):
        with pytest.raises(LedgerBehind, match="has lost the decisions 1 to"):
            eager.collect()
    assert {one.digest for one in past.store.digests()} == kept
    lose(past.hand.ledger.redis, settings)
    restored(past)
    eager.collect()
    eager.collect()
    assert {one.digest for one in past.store.digests()} == kept


def test_an_older_copy_of_redis_deletes_nothing(
    past: Past, service: Service, settings: Settings, redis_url: str
) -> None:
    client, keys = past.hand.ledger.redis, past.hand.ledger.keys
    with redis_py.Redis.from_url(redis_url) as raw:
        older = {name: raw.dump(name) for name in client.scan_iter(f"{literal(keys.prefix)}*", count=1000)}
    run = ended_run(past.hand, "later")
    past.registry.register(draft(past.store, run), "later")
    service.keep_records()
    lose(client, settings)
    with redis_py.Redis.from_url(redis_url) as raw:
        for name, value in older.items():
            raw.restore(name, 0, value)
    assert client.exists(keys("audit:drained"))
    with pytest.raises(LedgerBehind, match=r"of the \d+ decisions"):
        Collector(past.hand.ledger, past.store, young_s=-60, grace_s=-60).collect()


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_gap_in_the_audit_log_is_refused_unless_accepted(
    past: Past, settings: Settings, harm: str, tmp_path: Path
) -> None:
    lose(past.hand.ledger.redis, settings)
    number = next(
        one["number"] for one in audit.entries(past.store) if one["event"] == "promoted" and one["version"] == 2
    )
    name = f"audit/{number:012d}.json"
    past.store._objects.delete(name)
    if harm == "damaged":
        past.store._objects.replace(name, b'{"event": "promo')
    with pytest.raises(RecordDamaged, match="--accept-gaps") as raised:
        restored(past)
    assert str(number) in str(raised.value)
    past.hand.ledger.redis.hset(past.hand.ledger.keys("restoring"), "until", 0)
    found = Restore(past.hand.ledger, past.store).run(accept_gaps=True)
    assert (found.missing, found.damaged) == ([number], [name] if harm == "damaged" else [])
    assert [one.stage for one in past.registry.list("churn")] == ["production", "archived", "staging"]

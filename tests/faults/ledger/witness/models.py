"""What the registry writes: versions, promotions, roll-backs, and who hears of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.records import ModelVersion
from orchestrator.store.models import UNNUMBERED, Registry
from orchestrator.store.steps import step
from tests.faults.ledger.witness.hand import LOG, Hand, same


def models(hand: Hand) -> Iterator[str]:
    registry = Registry(hand.admin, hand.storm.settings)
    base, entry = f"{hand.keys.prefix}model:{hand.name}", "registered"
    for key, number, kind in (
        ("k1", 1, "candidate"),
        ("k1", 1, "candidate"),
        ("k2", 2, "refused"),
        ("k3", 3, "candidate"),
    ):
        draft = ModelVersion(
            model=hand.name, version=UNNUMBERED, stage=kind, run=f"{hand.name}-{key}", created=1.0, digest=LOG.digest,
            bundle=LOG, rows=LOG, signature=LOG, evaluation=LOG, ranking=LOG, candidate="c",
        )  # fmt: skip
        version = registry.register(draft, key)
        yield from same(
            "registered", (version.name, version.stage, version.run), (f"{hand.name}@{number}", kind, draft.run)
        )
    live: int | None = None
    for reference, to, answer, now in (
        (1, "production", "", 1), (1, "production", "", 1), (2, "production", "refused", 1), (3, "production", "", 3),
        (3, "staging", "live", 3), (1, "staging", "", 3), (9, "staging", "no version", 3), (None, "", "", 1),
        (None, "", "nothing", 1),
    ):  # fmt: skip
        told, settled = _told(hand), int(cast("str", hand.admin.get(hand.keys("settled")) or 0))
        try:
            if reference is None:
                registry.rollback(hand.name, by="witness")
            else:
                registry.promote(f"{hand.name}@{reference}", to=to, by="witness", note=to)
            yield from same(f"{reference} to {to}", answer, "")
        except CycleryError:
            yield from same(f"{reference} to {to}", answer == "", False)
        new = _told(hand)[len(told) :]
        if answer or (reference == now == live):
            yield from same("an entry", new, [])
        else:
            yield from same("entries", [one["live_before"] for one in new], [live])
        if not answer and not new:  # durable: it has written something
            yield from same("settled", int(cast("str", hand.admin.get(hand.keys("settled")) or 0)) > settled, True)
        live = now
        yield from same("live", hand.admin.hget(base, "production"), str(now))
    stages = hand.admin.hgetall(f"{base}:stages")
    yield from same("stages", stages, {"1": "production", "2": "refused", "3": "archived"})
    yield from same("earlier ones", hand.admin.lrange(f"{base}:history", 0, -1), [])
    rollbacks = [one for one in cast("list[str]", hand.admin.hkeys(f"{base}:keys")) if one.startswith("rollback/")]
    yield from same("rolled back, and known by its nonce", len(rollbacks), 1)
    again = cast("str", hand.admin.hget(f"{base}:versions", "1"))
    told_again = json.dumps({"event": entry, "model": hand.name, "stage": "candidate", "key": "k1"})
    for name, arguments in (("register", ("k1", "candidate", again, told_again)), ("rollback", ("n", "{}"))):
        before = hand.admin.get(hand.keys("settled"))
        hand.admin.hset(f"{base}:keys", "rollback/n", "1")
        yield from same(
            f"{name} again", step(hand.admin, name, hand.keys, hand.name, *arguments) in ("none", "restoring"), False
        )
        yield from same(f"{name} again", hand.admin.get(hand.keys("settled")) != before, True)
    yield from same(entry, [one["version"] for one in _told(hand) if one["event"] == entry], [1, 2, 3])


def _told(hand: Hand) -> list[dict[str, Any]]:
    """Entries of the witness's model that wait for the store."""
    told = [json.loads(one) for one in cast("list[str]", hand.admin.lrange(hand.keys("audit:outbox"), 0, -1))]
    return [one for one in told if one.get("model") == hand.name]

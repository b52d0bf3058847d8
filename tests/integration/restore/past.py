"""A namespace with a past, and what is left of it when its Redis is lost."""

from __future__ import annotations

from typing import Any

import redis as redis_py

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.records import Decision, ModelVersion
from orchestrator.engine.restore import Restore, Restored
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.store import audit
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.looks import Looks
from orchestrator.store.models import Registry
from tests.integration.ledger_case import Hand, call
from tests.integration.test_looks import judgement


def draft(store: ArtifactStore, run: str, model: str = "churn", stage: str = "candidate") -> ModelVersion:
    bundle = store.put_bytes(f"bundle of {run}".encode(), Kind.FILE)
    given = dict.fromkeys(("bundle", "rows", "signature", "evaluation", "ranking"), bundle)
    return ModelVersion.model_validate(
        {"model": model, "version": 0, "stage": stage, "run": run, "created": 1.5, "digest": bundle.digest,
         "candidate": "ridge", "params": {"layers": [], "alpha": 1e-4}, "metrics": {"auc": {"value": 0.8}}, **given}
    )  # fmt: skip


def ended_run(hand: Hand, key: str | None = "k1", name: str = "a") -> str:
    accepted = hand.submit(call(name, key=key), call("b", name), new=True, spec={"run": {"x": 1}, "float": 0.1})
    hand.work(accepted.bells)
    return accepted.run


def failed_run(hand: Hand) -> str:
    accepted = hand.submit(call("bad", attempts=1), call("after", "bad"), new=True)
    Hand(hand.ledger, acts={"bad": hand.failing()}).work(accepted.bells)
    return accepted.run


def held_run(hand: Hand, key: str = "before") -> str:
    hold = call("hold", after=("a",), hold={})
    accepted = hand.submit(call("a", key=key), hold, call("c", after=("hold",)), new=True)
    hand.work(accepted.bells)
    return accepted.run


def lose(client: redis_py.Redis, settings: Settings) -> None:
    """A new, empty Redis in the place of the old."""
    names = list(client.scan_iter(f"{{{settings.namespace}}}:*", count=1000))
    client.delete(*names)


class Past:
    """A namespace in which something happened, and how all of it looks."""

    def __init__(self, hand: Hand, registry: Registry, service: Service, store: ArtifactStore) -> None:
        self.hand, self.registry, self.store = hand, registry, store
        self.ended = [ended_run(hand), failed_run(hand)]
        approved = held_run(hand)
        settled = hand.ledger.decide(approved, "hold", Decision(verdict="approved", by="ann", note="fine", at=5.0))
        hand.work(settled.bells)
        self.ended.append(approved)
        for number, run in enumerate(self.ended):
            registry.register(draft(store, run), f"key{number}")
        registry.register(draft(store, "wine-1", "wine", "refused"), "w")
        registry.promote("churn@1", by="ann")
        registry.promote("churn@2", by="ann", note="better")
        registry.promote("churn@3", to="staging", by="bob")
        registry.rollback("churn", by="bob")
        self.looks = Looks(hand.ledger.redis, hand.ledger.settings)
        for key in ("first", "second"):
            self.looks.add("Churn", key, lambda known: judgement(f"churn-{len(known)}"))
        service.keep_records()

    def look(self) -> dict[str, Any]:
        history, client, keys = self.hand.history, self.hand.ledger.redis, self.hand.ledger.keys
        records = [history.snapshot(run) for run in history.run_ids()]
        return {
            "runs": [one.model_copy(update={"position": ""}) for one in records if one],
            "summaries": history.runs(),
            "calls": {run: client.hgetall(keys.run(run, "calls")) for run in history.run_ids()},
            "latest": history.latest("case"),
            "expiring": sorted(client.zrange(keys("expiring"), 0, -1)),
            "models": self.registry.list(),
            "looks": client.hgetall(keys("looks", "Churn")),
            "before": [self.registry.history(model) for model in ("churn", "wine")],
            "live": client.hgetall(keys("model", "churn")),
            "keys": {model: _steady(client.hgetall(keys("model", model, "keys"))) for model in ("churn", "wine")},
            "drained": client.get(keys("audit:drained")),
            "audit": list(audit.entries(self.store)),
            "cache": {name: client.get(name) for name in client.scan_iter(f"{literal(keys('cache'))}:*")},
        }


def _steady(keys: dict[str, str]) -> dict[str, str]:
    """Without the nonces of roll-backs, which guard a call that is under way."""
    return {key: version for key, version in keys.items() if not key.startswith("rollback/")}


def literal(name: str) -> str:
    return name.replace("{", "\\{").replace("}", "\\}")


def restored(past: Past, **options: Any) -> Restored:
    return Restore(past.hand.ledger, past.store, **options).run()

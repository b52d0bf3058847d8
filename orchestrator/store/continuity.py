"""Whether Redis still knows all that the store knows.

The store's records are written after Redis's own, so a Redis that knows less has lost its data, or is another one put
in its place. Then nobody may go on as if nothing had been: version numbers would be given again, and the garbage
collector would delete what only the lost records referred to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.contracts.errors import LedgerBehind
from orchestrator.store.audit import last_number
from orchestrator.store.connection import answering
from orchestrator.store.keys import Keys

if TYPE_CHECKING:
    import redis

    from orchestrator.store.artifacts import ArtifactStore


@dataclass(frozen=True, slots=True)
class Standing:
    """What Redis knows, beside the store's last decision."""

    restoring: bool  # a restore is under way, or was killed
    known: int  # decisions that Redis has made or was restored with
    kept: int  # the number of the last decision in the store
    missed: tuple[int, int] | None  # decisions of which Redis found that it has lost them: after, up to

    @property
    def problem(self) -> str | None:
        """Why this Redis must not be relied on; None: it knows all that the store knows."""
        if self.restoring:
            return "a restore is under way or was cut off: wait for it, or run `cyclery restore` again"
        if self.kept > self.known:
            return (
                f"Redis knows {self.known} of the {self.kept} decisions that the store keeps, so it has lost its data "
                "or is not this store's: `cyclery restore` into an empty one, or correct CYCLERY_REDIS_URL, "
                "CYCLERY_NAMESPACE or CYCLERY_STORE"
            )
        if self.missed:
            after, up_to = self.missed
            return (
                f"Redis has lost the decisions {after + 1} to {up_to} that the store keeps, with the end of its file, "
                "or by an older copy of it: `cyclery restore` into an empty Redis"
            )
        return None


def require_whole(client: redis.Redis, keys: Keys, store: ArtifactStore) -> None:
    """Raise `LedgerBehind` unless Redis knows all that the store knows; looks at both."""
    problem = standing(client, keys, store).problem
    if problem is not None:
        raise LedgerBehind(problem)


def require_bound(client: redis.Redis, keys: Keys, store: ArtifactStore) -> None:
    """The same before something new begins, at the price of one look at Redis: once seen to be whole it is remembered.

    What is remembered is lost together with the data.
    """
    with answering(client):
        if client.exists(keys("bound")):
            return
    require_whole(client, keys, store)
    with answering(client):
        client.set(keys("bound"), "1")


def standing(client: redis.Redis, keys: Keys, store: ArtifactStore) -> Standing:
    """How Redis stands beside the store.

    The store is read first, and an entry leaves the outbox after it is in the store: so whole is never seen as behind.
    """
    kept = last_number(store)
    with answering(client), client.pipeline(transaction=True) as reading:
        reading.get(keys("audit:drained"))
        reading.llen(keys("audit:outbox"))
        reading.exists(keys("restoring"))
        reading.hmget(keys("audit:missed"), "after", "up_to")
        drained, waiting, restoring, missed = reading.execute()
    lost = (int(missed[0]), int(missed[1])) if missed[0] is not None else None
    return Standing(bool(restoring), int(drained or 0) + waiting, kept, lost)


def oldest_waiting(client: redis.Redis, keys: Keys) -> tuple[int, float]:
    """How many records wait to be written into the store, and for how many seconds the oldest has."""
    with answering(client), client.pipeline(transaction=True) as reading:
        reading.time()
        for name in ("submitted", "ended"):
            reading.zcard(keys(name))
            reading.zrange(keys(name), 0, 0, withscores=True)
        reading.llen(keys("audit:outbox"))
        reading.lindex(keys("audit:outbox"), 0)
        (now, micros), asked, first_asked, ended, first_ended, decided, first_decided = reading.execute()
    since = [row[1] / 1000 for row in (*first_asked, *first_ended)]
    if first_decided is not None:
        since.append(float(json.loads(first_decided).get("at", now)))
    return asked + ended + decided, max([0.0, *(now + micros / 1e6 - at for at in since)])

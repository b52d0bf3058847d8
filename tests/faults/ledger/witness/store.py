"""What collectors, those who drain the audit and those who wait for the disk write."""

from __future__ import annotations

from collections.abc import Iterator
from errno import ENOSPC
from typing import cast

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.errors import TransientError
from orchestrator.engine.garbage import Collector
from orchestrator.engine.ledger import Ledger
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.audit import drain
from orchestrator.store.steps import process_of, settle, step
from tests.faults.ledger.witness.hand import LOG, Hand, same

FOR_EVER_S = 1e9


def deletions(hand: Hand) -> Iterator[str]:
    condemned, deleting, deleted = (hand.keys(one) for one in ("condemned", "deleting", "deleted"))
    hand.admin.zadd(condemned, {LOG.digest: 0})
    hand.admin.zadd(deleted, {"sha256:long ago": 0})
    epoch = hand.admin.get(hand.keys("epoch"))
    yield from same("going", hand.step("condemn", 0, LOG.digest, "sha256:another"), [LOG.digest])
    yield from same("condemned", hand.admin.zscore(condemned, LOG.digest), None)
    yield from same("under deletion", hand.admin.smembers(deleting), {LOG.digest})
    yield from same("a new epoch", hand.admin.get(hand.keys("epoch")) != epoch, True)
    hand.step("deleted", LOG.digest, 60_000)
    yield from same("under deletion", hand.admin.smembers(deleting), set())
    yield from hand.near("deleted", hand.admin.zscore(deleted, LOG.digest), 0)
    yield from same("forgotten", hand.admin.zscore(deleted, "sha256:long ago"), None)
    hand.admin.zrem(deleted, LOG.digest)


def drains(hand: Hand) -> Iterator[str]:
    """A Redis that has lost what the store has goes on after it, and knows what it does not know."""
    counter, missed = hand.keys("audit:drained"), hand.keys("audit:missed")
    known = cast("str", hand.admin.get(counter) or "0")
    yield from same("drained by another", step(hand.admin, "drained", hand.keys, int(known) + 1, 1), 0)
    before = known
    for number in (7, 9):
        yield from same("set", step(hand.admin, "drained", hand.keys, before, -number), 1)
        yield from same("counted", hand.admin.get(counter), str(number))
        yield from same("missed", hand.admin.hgetall(missed), {"after": known, "up_to": str(number)})
        before = str(number)
    hand.admin.delete(missed, counter)
    if known != "0":
        hand.admin.set(counter, known)


def garbage(hand: Hand) -> Iterator[str]:
    """One collector at a time deletes what was condemned, and no sooner than that is on Redis's disk."""
    storm, condemned, aside = hand.storm, hand.keys("condemned"), hand.keys("aside")
    if hand.admin.exists(condemned):
        hand.admin.rename(condemned, aside)
    ref = storm.plain.put_bytes(hand.name.encode(), Kind.JSON)
    client = storm.wire.client()  # by which the storm's store knows what may be lost with the power
    collector = Collector(Ledger(client, storm.settings), storm.store, young_s=FOR_EVER_S, grace_s=0.0)
    for another in ("another", None):
        hand.admin.zadd(condemned, {ref.digest: 0})
        if another:
            hand.admin.set(hand.keys("collecting"), another, px=60_000)
        collector.collect()
        yield from same("collected beside another", storm.plain._size(ref.digest) is not None, another is not None)
        yield from same("collecting", hand.admin.get(hand.keys("collecting")), another)
        hand.admin.delete(hand.keys("collecting"), condemned)
    client.connection_pool.disconnect()
    hand.admin.zrem(hand.keys("deleted"), ref.digest)
    if hand.admin.exists(aside):
        hand.admin.rename(aside, condemned)


class Full(ArtifactStore):
    """One that takes no record."""

    def put_record(self, name: str, data: bytes) -> bool:
        raise OSError(ENOSPC, name)


def outbox(hand: Hand) -> Iterator[str]:
    """What the store does not take waits on."""
    hand.submit()  # something to tell
    waiting = hand.admin.lrange(hand.keys("audit:outbox"), 0, -1)
    settings = hand.storm.settings
    try:
        drain(hand.admin, settings, Full(settings.store_url, settings.cache_path, settings.cache_bytes))
        yield "drained into a store that takes nothing"
    except OSError:
        pass
    yield from same("waits", hand.admin.lrange(hand.keys("audit:outbox"), 0, -1), waiting)
    hand.end()


def processes(hand: Hand) -> Iterator[str]:
    settle(hand.admin, hand.keys, process_of(hand.admin))
    try:
        settle(hand.admin, hand.keys, "of another process")
        yield "what a Redis told that is no more was taken for settled"
    except TransientError:
        pass

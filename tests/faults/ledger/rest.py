"""What is still under way in a storm that comes to rest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm


def messages(storm: Storm) -> dict[str, int]:
    """How many nobody has popped, by queue."""
    return {queue: cast("int", storm.admin.llen(storm.keys.broker(queue))) for queue in ("ops", "train")}


def ringing(storm: Storm) -> bool:
    return any(messages(storm).values()) or any(person.work for person in storm.people)


def standing_of(storm: Storm, run: str) -> list[str]:
    """How a run stands that does not end."""
    base = storm.keys.run(run)
    fields = storm.admin.hgetall(base)
    records = cast("dict[str, str]", storm.admin.hgetall(f"{base}:stages"))
    work = storm.admin.lrange(f"{base}:work", 0, -1)
    counters = {name: value for name, value in fields.items() if name not in ("spec", "notes", "identity")}
    going = [f"{run}: {one} {text}" for one, text in records.items() if '"finished"' not in text]
    return [f"{run}: {counters}, work {work}, parked {storm.admin.lrange(f'{base}:parked', 0, 3)}", *going[:4]]


def restless(storm: Storm) -> list[str]:
    """What is still to be done."""
    found = [f"{len(person.work)} unsubmitted" for person in storm.people if person.work]
    found += [f"{length} messages for {queue}" for queue, length in messages(storm).items() if length]
    for name in ("active", "ended", "audit:outbox", "work", "leases", "timers", "deleting"):
        if storm.admin.exists(storm.keys(name)):
            kind = storm.admin.type(storm.keys(name))
            size = {"set": storm.admin.scard, "zset": storm.admin.zcard, "list": storm.admin.llen}[kind](
                storm.keys(name)
            )
            members = {"set": partial(storm.admin.srandmember, number=3),
                       "list": lambda k: storm.admin.lrange(k, 0, 2),
                       "zset": lambda k: storm.admin.zrange(k, 0, 2)}[kind](storm.keys(name))  # fmt: skip
            found.append(f"{size} {name} {members}")
    for book in storm.accepted:
        status = storm.admin.hget(storm.keys.run(book.id), "status")
        waiting = book.workflow.retry and book.generation == 1 and book.retry_tried is None
        if waiting and status is not None:
            found.append(f"{book.id} to be retried")
    return found

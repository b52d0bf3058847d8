"""What a storm's people were promised, looked at the moment the power comes back: nothing has repaired it yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from orchestrator.store.continuity import standing
from orchestrator.store.looks import Looks
from orchestrator.store.manifests import MANIFESTS, generations
from orchestrator.store.models import Registry
from tests.faults.ledger.workers import ROWS

if TYPE_CHECKING:
    from tests.faults.ledger.plot import Book
    from tests.faults.ledger.storm import Storm


def broken_promises(storm: Storm) -> list[str]:
    """Whatever was answered and is gone."""
    found = [line for book in storm.accepted for line in _of_run(storm, book)]
    versions = {one.name for one in Registry(storm.admin, storm.settings).list()}
    judged = {(one.run, str(one.judgements)) for one in Looks(storm.admin, storm.settings).list(ROWS)}
    for kind, run, *_, name in storm.promised:
        if (run, name) not in judged if kind == "judged" else name not in versions:
            found.append(f"lost: {name} was {kind} by {run}")
    found += _ahead(storm)
    return found


def _ahead(storm: Storm) -> Iterator[str]:
    """What the store tells, Redis could not take back."""
    for run, generation in generations(storm.plain, MANIFESTS).items():
        known, status = storm.admin.hmget(storm.keys.run(run), "generation", "status")
        if int(known or 0) < generation or (int(known or 0) == generation and status in ("running", "held")):
            yield f"invented: the store has a manifest of {run}@{generation}, which is {status} of {known}"
    problem = standing(storm.admin, storm.keys, storm.plain).problem
    if problem:
        yield f"invented: {problem}"
    gone = storm.deleted
    known = gone and storm.admin.sismember(storm.keys("deleting"), gone)
    if gone and not known and storm.admin.zscore(storm.keys("deleted"), gone) is None:
        yield f"lost: that {gone} is being deleted is gone with the power"


def _of_run(storm: Storm, book: Book) -> Iterator[str]:
    base = storm.keys.run(book.id)
    status, generation, stopping = storm.admin.hmget(base, "status", "generation", "stopping")
    if status is None:
        yield f"lost: accepted {book.id} is gone with the power"
        return
    if int(cast("str", generation)) < book.generation:
        yield f"lost: retry of {book.id} is gone with the power"
    elif int(cast("str", generation)) == book.generation:
        if book.heard and book.heard[0] == book.generation and status in ("running", "held"):
            yield f"lost: that {book.id} has ended was told, and is gone with the power"
        if book.cancelled and "cancelled" not in (stopping, status):
            yield f"lost: cancel of {book.id} is gone with the power"
        for decided, stage in book.decided:
            record = json.loads(cast("str", storm.admin.hget(f"{base}:stages", stage)))
            if decided == book.generation and "decision" not in record:
                yield f"lost: decision on {stage} of {book.id} is gone with the power"

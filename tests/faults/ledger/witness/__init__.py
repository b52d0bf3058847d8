"""A few runs done by hand in the midst of a storm, in one go, by somebody who looks at all that each step wrote.

Others see whether what must come of a run does; a witness sees how: pauses, limits, who had it, what is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.contracts.errors import CycleryError
from tests.faults.ledger.witness import claims, decisions, endings, models, store, submissions
from tests.faults.ledger.witness.hand import Hand

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm


def witnessed(storm: Storm) -> list[str]:
    """Whatever a step wrote that it should not have, or has not written."""
    found: list[str] = []
    for scene in (
        submissions.submissions,
        claims.claims,
        endings.failures,
        endings.outages,
        claims.refusals,
        claims.rings,
        claims.batches,
        claims.leases,
        decisions.holds,
        endings.results,
        endings.stopping,
        store.deletions,
        store.garbage,
        submissions.tries,
        submissions.unfinished,
        endings.known,
        store.outbox,
        store.drains,
        store.processes,
        models.models,
    ):
        hand = Hand(storm, scene.__name__)
        try:
            found.extend(f"witness: {line}" for line in scene(hand))
        except (AssertionError, LookupError, TypeError, ValueError, CycleryError) as error:
            # where a step did other than it must, the next one cannot follow
            found.append(f"witness: {hand.name} came no further: {error!r}")
    storm.wire.durable = storm.wire.size()  # no power loss brings it back
    storm.strikes.promising = storm.deleted = ""
    return found

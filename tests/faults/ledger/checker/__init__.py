"""What must be true when a storm is over; each violation is one line that begins with the rule that it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from tests.faults.ledger.checker import left, records, runs

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm


def check(storm: Storm) -> list[str]:
    """All violations, after rest."""
    if storm.violations:  # it never came to rest: all else follows from that
        return []
    ledger = Ledger(storm.admin, storm.settings)
    history = History(storm.admin, storm.settings.namespace)
    found: list[str] = []
    known = {book.id: book for book in storm.accepted}
    for book in storm.accepted:
        record = history.snapshot(book.id)
        if record is None:
            found.append(f"lost: accepted {book.id} is gone")
        else:
            found += runs.outcome(storm, book, record)
    for run in history.run_ids():
        if run not in known:
            record = history.snapshot(run)
            found += [f"unfinished: {run} {record}"] if record is None or not record.status.ended else []
            found += runs.counters(storm, run)
    found += left.left_over(storm)
    found += records.promises(storm)
    found += records.account(storm, history)
    found += records.audited(storm, history)
    found += left.forgotten(storm, ledger, history)
    return found

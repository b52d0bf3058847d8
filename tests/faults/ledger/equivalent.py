"""Mutants that change nothing anybody could see or lose, each with the reason; kept short, and honest."""

from __future__ import annotations

from tests.faults.ledger.mutations import Mutant

# (file, a part of the mutant's name, why it makes no difference)
EQUIVALENT: tuple[tuple[str, str, str], ...] = (
    ("_library.lua", "front taken for false", "who comes first among a run's own ready stages is fairness, not safety"),
    ("_library.lua", "#flat >= 2000 taken for true", "the same records, written in more commands"),
)


def reason(mutant: Mutant) -> str | None:
    """Why this mutant may survive; None: it must not."""
    return next((why for file, part, why in EQUIVALENT if mutant.path.endswith(file) and part in mutant.name), None)

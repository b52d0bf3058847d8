"""Mutants that change nothing anybody could see or lose, each with the reason; kept short, and honest."""

from __future__ import annotations

from tests.faults.ledger.mutations import Mutant

# (file, a part of the mutant's name, why it makes no difference)
EQUIVALENT: tuple[tuple[str, str, str], ...] = ()


def reason(mutant: Mutant) -> str | None:
    """Why this mutant may survive; None: it must not."""
    return next((why for file, part, why in EQUIVALENT if mutant.path.endswith(file) and part in mutant.name), None)

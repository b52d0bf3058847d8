"""Orderings that safety rests on, each turned round or left out by hand."""

from __future__ import annotations

from tests.faults.ledger.mutations import Mutant

ORDERINGS: tuple[Mutant, ...] = ()

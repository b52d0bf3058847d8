"""How hard a storm is, and what is known of the runs in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.ledger.shapes import Workflow

if TYPE_CHECKING:
    from tests.faults.ledger.people import Person

MAX_DEATHS = 8
LEASE_S = 20.0
CACHE_S = 3600.0  # for which a result is remembered, where those who look at the store stand still


@dataclass
class Book:
    """What is known of one accepted run by those who were answered."""

    id: str
    workflow: Workflow
    person: Person
    generation: int = 1
    cancelled: bool = False  # answered; `cancel_tried`: perhaps done
    cancel_tried: bool = False
    retry_tried: Workflow | None = None
    decided: set[tuple[int, str]] = field(default_factory=set)
    deciding: set[tuple[int, str]] = field(default_factory=set)  # said, and not answered
    promoted: bool = False
    heard: tuple[int, str] | None = None  # that it has ended, by whoever tried to cancel it
    lingering: bool = False  # a stage of it is about to tell of its end, and waits for the cancel

    def advance(self) -> None:
        """The retry was accepted."""
        self.generation, self.cancelled, self.cancel_tried = 2, False, False


@dataclass(frozen=True)
class Plot:
    """How hard a storm is, and what it may do."""

    count: int = 48
    wide: int = 1
    rate: float = 0.04  # of lost calls; deaths and lost messages are shares of it
    kills: int = 1  # of Redis
    power: int = 2  # losses right after each kind of thing that somebody was promised
    full: int = 1  # times without memory
    collect: bool = True
    workers: int = 5
    window: int = 6
    halts: float = 0.0  # of looks at the store: who looked stands still, while all that nobody refers to is deleted
    only: str = ""  # names of shapes; none: all

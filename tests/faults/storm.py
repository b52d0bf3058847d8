"""The driver: workflows live their lives while faults strike; then it is calm, and everything is checked."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from tests.faults.cases import Case
from tests.faults.checker import check
from tests.faults.evidence import Digests, Evidence
from tests.faults.faults import Fault
from tests.faults.hands import Hands
from tests.faults.leftovers import forget
from tests.faults.tending import EVERY_S, Tender
from tests.faults.world import World

CALM_S = 240.0  # until the last workflow must have ended after the last fault
Reference = Mapping[str, Digests]


@dataclass
class Result:
    """What a storm did and what came of it."""

    faults: Counter[str] = field(default_factory=Counter)
    workflows: int = 0
    runs: int = 0
    recorded: int = 0  # stages that are done and were computed
    executions: int = 0  # of the team's own stages
    repeated: int = 0  # of those, beyond the first of each stage
    reclaimed: int = 0  # claims of stages beyond the first of each: its worker was lost, or gave it back
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Storm:
    """Faults in an order and at moments that the seed decides, as far as processes let it."""

    seed: int
    faults: Sequence[Fault]
    pause: tuple[float, float] = (0.2, 1.5)  # seconds between two strikes
    lasting: tuple[float, float] = (0.5, 6.0)  # seconds until a fault is mended
    longest: float = 240.0  # seconds of storm; then it is calm until all is done
    width: int = 24  # workflows at once

    def run(self, world: World, cases: Sequence[Case], reference: Reference) -> Result:
        """Strike while the workflows live, then check."""
        begun = time.monotonic()
        result = Result(workflows=len(cases))
        hands = Hands(world, random.Random(self.seed))
        assert hands.team  # kept while the store is well
        tender = Tender(cases, hands, self.width)
        people = _People(tender)
        people.start()
        try:
            self._rage(world, people, result.faults)
        finally:
            people.leave()
        world.revive()
        if not tender.run(CALM_S):
            result.violations += [f"{name} is stuck" for name in tender.open]
        calm_down(world)
        result.violations += check(world, cases, reference)
        count(Evidence(world), result)
        result.violations += forget(world)
        result.seconds = time.monotonic() - begun
        return result

    def _rage(self, world: World, people: _People, struck: Counter[str]) -> None:
        """Strike until all workflows have ended, or it is enough.

        In the main thread: what it starts again ends with the thread that started it.
        """
        chance = random.Random(self.seed)
        deadline = time.monotonic() + self.longest
        while not people.over.wait(chance.uniform(*self.pause)) and time.monotonic() < deadline:
            fault = chance.choice(self.faults)
            try:
                fault.strike(world, chance)
                struck[fault.name] += 1
                if fault.lasts:
                    self._endure(fault, people, chance.uniform(*self.lasting))
            except psutil.NoSuchProcess:
                continue  # it went away by itself
            finally:
                fault.mend(world)

    @staticmethod
    def _endure(fault: Fault, people: _People, seconds: float) -> None:
        """Let a fault last, unless it has done what it can."""
        deadline = time.monotonic() + seconds
        while not fault.spent and time.monotonic() < deadline and not people.over.wait(EVERY_S):
            pass


def calm_down(world: World) -> None:
    """Restart each host in good order: pools clear away what the dead of their host left."""
    for host in world.hosts.values():
        host.stop()
        host.start()


def count(evidence: Evidence, result: Result) -> None:
    """How much was done, and how much of it more than once."""
    result.runs = len(evidence.runs)
    result.recorded = sum(
        1 for record in evidence.runs for stage in record.stages if stage.state == "done" and not stage.cached
    )
    result.reclaimed = sum(max(0, stage.attempt - 1) for record in evidence.runs for stage in record.stages)
    result.executions = sum(len(effects) for effects in evidence.effects.values())
    result.repeated = result.executions - len(evidence.effects)


class _People(threading.Thread):
    """Tends the workflows in a thread of its own until all have ended, or it is told to leave."""

    def __init__(self, tender: Tender) -> None:
        super().__init__(name="people", daemon=True)
        self.tender, self.over, self.left = tender, threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Tend."""
        try:
            while self.tender.open and not self.left.wait(EVERY_S):
                self.tender.tend()
        except BaseException as error:
            self.error = error
        finally:
            self.over.set()

    def leave(self) -> None:
        """Stop, and tell what went wrong."""
        self.left.set()
        self.join()
        if self.error is not None:
            raise self.error


def without_faults(world: World, cases: Sequence[Case], patience: float = 600.0) -> Reference:
    """The digests of a world in which nothing is done to anybody."""
    tender = Tender(cases, Hands(world, random.Random(0)))
    assert tender.run(patience), f"without any fault these did not end: {tender.open}"
    evidence = Evidence(world)
    digests = evidence.digests()
    violations = check(world, cases, digests)
    assert not violations, violations
    return digests

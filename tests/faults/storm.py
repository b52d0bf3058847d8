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
from tests.faults.tending import Tender
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
        tender = Tender(cases, Hands(world, random.Random(self.seed)), self.width)
        striker = _Striker(self, world, result.faults, threading.Event())
        striker.start()
        try:
            while tender.open and striker.is_alive():
                tender.tend()
                time.sleep(0.05)
        finally:
            striker.over.set()
            striker.join()
        if striker.error is not None:
            raise striker.error
        world.revive()
        if not tender.run(CALM_S):
            result.violations += [f"{name} is stuck" for name in tender.open]
        calm_down(world)
        result.violations += check(world, cases, reference)
        count(Evidence(world), result)
        result.violations += forget(world)
        result.seconds = time.monotonic() - begun
        return result


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
    result.executions = sum(len(effects) for effects in evidence.effects.values())
    result.repeated = result.executions - len(evidence.effects)


class _Striker(threading.Thread):
    """Strikes until told that it is over, or its time is."""

    def __init__(self, storm: Storm, world: World, struck: Counter[str], over: threading.Event) -> None:
        super().__init__(name="striker", daemon=True)
        self.storm, self.world, self.struck, self.over = storm, world, struck, over
        self.chance = random.Random(storm.seed)
        self.error: BaseException | None = None

    def run(self) -> None:
        """The storm."""
        deadline = time.monotonic() + self.storm.longest
        try:
            while not self.over.wait(self.chance.uniform(*self.storm.pause)) and time.monotonic() < deadline:
                self._strike(self.chance.choice(self.storm.faults))
        except BaseException as error:
            self.error = error

    def _strike(self, fault: Fault) -> None:
        try:
            fault.strike(self.world, self.chance)
            self.struck[fault.name] += 1
            if fault.lasts:
                self.over.wait(self.chance.uniform(*self.storm.lasting))
        except psutil.NoSuchProcess:
            pass  # it went away by itself
        finally:
            fault.mend(self.world)


def without_faults(world: World, cases: Sequence[Case], patience: float = 600.0) -> Reference:
    """The digests of a world in which nothing is done to anybody."""
    tender = Tender(cases, Hands(world, random.Random(0)))
    assert tender.run(patience), f"without any fault these did not end: {tender.open}"
    evidence = Evidence(world)
    digests = evidence.digests()
    violations = check(world, cases, digests)
    assert not violations, violations
    return digests

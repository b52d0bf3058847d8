"""The rounds of the long storm: which faults strike together, and how Redis writes its file meanwhile."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults import faults
from tests.faults.faults import Fault, KillAt
from tests.faults.litter import Litter
from tests.faults.surroundings import surrounded
from tests.faults.world import World

# A storm kills the innocent: no stage counts as poison by it. Small submissions are staged in several chunks.
SETTINGS = {"CYCLERY_MAX_DEATHS": "1000", "CYFAULTS_CHUNK": "3"}
PACED = SETTINGS | {"CYFAULTS_PACE_S": "0.25"}  # of a team's own stage: so that kills find somebody at work
MakeFaults = Callable[[Path], Sequence[Fault]]  # given the store of the world without faults


@dataclass(frozen=True, slots=True)
class Round:
    """One world and what is done to it."""

    name: str
    make: MakeFaults | None  # None: those of what surrounds a world
    appendfsync: str = "everysec"
    pause: tuple[float, float] = (0.05, 0.5)
    weight: int = 1  # of the workflows

    @contextmanager
    def begin(self, folder: Path, reference: Path) -> Iterator[tuple[World, Sequence[Fault]]]:
        """The world with two hosts, started, and the faults; whoever takes it closes the world."""
        if self.make is None:
            with surrounded(folder, PACED) as begun:
                yield begun
            return
        world = World(folder, appendfsync=self.appendfsync, settings=PACED)
        try:
            world.start()
            world.add_host("host2").start()
            world.collector.start()
        except BaseException:
            world.close()
            raise
        yield world, self.make(reference)


def points() -> list[str]:
    """The names of all points at which a process may kill itself."""
    path = Path(__file__).parent / "points" / "sitecustomize.py"
    spec = importlib.util.spec_from_file_location("cyfaults_points", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.POINTS)


def processes(_: Path) -> Sequence[Fault]:
    """Everything that has a process id, but Redis."""
    return [
        faults.KillChild(), faults.KillGuest(), faults.KillMain(), faults.KillPools(), faults.KillHost(),
        faults.StopHost(), faults.Pause(), faults.KillService(), faults.PauseService(), faults.KillClient(),
    ]  # fmt: skip


def crashes(_: Path) -> Sequence[Fault]:
    """A Redis that crashes and stalls."""
    return [faults.KillRedis(), faults.PauseRedis(), faults.TearTail()]


def power(_: Path) -> Sequence[Fault]:
    """A Redis whose host loses power."""
    return [faults.PowerLoss()]


def messages(_: Path) -> Sequence[Fault]:
    """A broker that loses, doubles, reorders and repeats."""
    return [faults.Messages(), faults.DoubledMessages(), faults.ReversedMessages(), faults.LateMessages()]


def at_points(_: Path) -> Sequence[Fault]:
    """Processes that die at the worst moments."""
    return [KillAt(point) for point in points()]


def garbage(reference: Path) -> Sequence[Fault]:
    """Garbage collection under hits, and its death in the midst."""
    names = ("condemned", "deleting", "deleted", "artifacts written", "flipped")
    return [Litter(reference), *(KillAt(point) for point in names), Litter(reference)]


def release_before(reference: Path) -> Sequence[Fault]:
    """The release before this one serves, decides and works beside it, while children of both die."""
    from tests.upgrade.release import Release
    from tests.upgrade.scene import ReleaseBefore

    before = ReleaseBefore(Release.unpacked("0.1.0", reference.parents[1] / "release-before"))
    return [before, before, faults.KillChild(), faults.KillMain(), faults.KillService()]


def everything(reference: Path) -> Sequence[Fault]:
    """All at once."""
    makers = (processes, crashes, power, messages, at_points)
    return [Litter(reference), *(fault for make in makers for fault in make(reference))]


ROUNDS = (
    Round("processes", processes),
    Round("points", at_points, pause=(0.02, 0.1), weight=4),
    Round("messages", messages, pause=(0.02, 0.1)),
    Round("Redis killed, appendfsync everysec", crashes, pause=(0.5, 2.0)),
    Round("Redis killed, appendfsync always", crashes, "always", pause=(0.5, 2.0)),
    Round("power loss", power, pause=(0.5, 2.0)),
    Round("garbage", garbage, pause=(0.05, 0.3)),
    Round("network, store, memory", None, pause=(0.1, 1.0)),
    Round("the release before", release_before),
    Round("everything", everything, weight=3),
)

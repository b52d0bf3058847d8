"""The quick storm: a few workflows of every kind, a fault of every kind but the slow ones, and the whole checker."""

from __future__ import annotations

from pathlib import Path

from tests.faults.cases import cases
from tests.faults.faults import (
    DoubledMessages,
    Fault,
    KillAt,
    KillChild,
    KillGuest,
    KillMain,
    KillRedis,
    KillService,
    LateMessages,
    Messages,
    PowerLoss,
)
from tests.faults.rounds import SETTINGS
from tests.faults.storm import Storm, without_faults
from tests.faults.world import World

POINTS = ("claimed", "artifacts written", "completed", "flipped", "registered", "manifest written")
SEED = 3


def test_nothing_is_lost_in_a_quick_storm(tmp_path: Path) -> None:
    workflows = 14
    calm = World(tmp_path / "calm", settings=SETTINGS)
    try:
        reference = without_faults(calm.start(), cases(workflows, SEED))
    finally:
        assert calm.close() == []
    faults: list[Fault] = [
        KillChild(), KillGuest(), KillMain(), KillService(), KillRedis(), PowerLoss(),
        Messages(), DoubledMessages(), LateMessages(), *(KillAt(point) for point in POINTS),
    ]  # fmt: skip
    world = World(tmp_path / "storm", settings=SETTINGS)
    try:
        storm = Storm(SEED, faults, pause=(0.1, 0.5), lasting=(0.3, 1.0), longest=10.0)
        result = storm.run(world.start(), cases(workflows, SEED), reference)
    finally:
        left = world.close()
    assert result.violations == []
    assert left == []
    assert sum(result.faults.values()) > 0

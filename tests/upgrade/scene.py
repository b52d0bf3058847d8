"""Faults of a storm: for a while the release before this one serves, submits and decides beside it."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import ClassVar

from tests.acceptance.project import ROOT
from tests.faults.processes import Program
from tests.faults.world import World
from tests.upgrade.release import Release

ELDER = "elder"  # the host whose workers are of the release before
# What is told of a choice and judged has become more; a bundle names the packages of its release, a version its number.
OTHERWISE = frozenset({"evaluate.model", "evaluate.gates", "release.package", "release.register", "train.select"})


@dataclass(frozen=True, slots=True)
class ReleaseBefore:
    """While it lasts the service and every command are of the release before; its host stays, beside the others."""

    release: Release
    name: ClassVar[str] = "the release before beside this one"
    lasts: ClassVar[bool] = True
    spent: ClassVar[bool] = False

    def strike(self, world: World, chance: random.Random) -> None:
        """The service is replaced as by an administrator, or dies and comes back as the other."""
        if ELDER not in world.hosts:
            self.release.host(world, ELDER).start(wait=False)
        replace_service(world, str(self.release.folder), orderly=chance.random() < 0.5)
        world.given |= self.release.path
        world.otherwise = OTHERWISE

    def mend(self, world: World) -> None:
        """This release's again."""
        replace_service(world, str(ROOT), orderly=True)
        world.given.pop("PYTHONPATH", None)


def replace_service(world: World, folder: str, *, orderly: bool) -> None:
    """The orchestrator service, as the code in a folder has it."""
    if orderly:
        world.service.stop()
    else:
        world.service.kill()
    told = dict(world.service.environment) | {"PYTHONPATH": folder}
    world.service = Program((sys.executable, "-P", "-m", "orchestrator.service"), told, world.folder, world.service.log)
    world.service.start()

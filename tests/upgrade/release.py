"""A kept release as it was: its workers, its service and its command, run by this interpreter."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.faults.host import POOLS, Host
from tests.faults.processes import Program
from tests.faults.world import World

KEPT = Path(__file__).with_name("releases")


@dataclass(frozen=True, slots=True)
class Release:
    """The code of one release in a folder; what comes first on PYTHONPATH is what runs."""

    folder: Path

    @classmethod
    def unpacked(cls, version: str, folder: Path) -> Release:
        """A kept release, unpacked into a folder."""
        with tarfile.open(KEPT / f"cyclery-{version}.tar.xz") as kept:
            kept.extractall(folder, filter="data")
        return cls(folder)

    @property
    def path(self) -> dict[str, str]:
        """The variable that makes a process run it."""
        return {"PYTHONPATH": str(self.folder)}

    def host(self, world: World, name: str, pools: tuple[str, ...] = POOLS) -> Host:
        """A host of the world with this release's workers; not yet started."""
        return world.add_host(name, pools=pools, environment=self.path)

    def service(self, world: World, name: str = "service") -> Program:
        """This release's orchestrator service; not yet started."""
        command = (sys.executable, "-P", "-m", "orchestrator.service")
        return Program(command, world.environment(**self.path), world.folder, world.folder / f"{name}.log")

    def python(self, world: World, code: str, *words: str) -> str:
        """What this release's own code prints, in this world."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *words], env=world.environment(**self.path), cwd=world.folder,
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        return done.stdout

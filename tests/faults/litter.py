"""Garbage that stages are about to want again: the bytes of their results, old and referred to by nothing."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.faults import Momentary
from tests.faults.world import World

OLD_S = 3 * 86400.0


class Litter(Momentary):
    """Old bytes come to stand in the store, so that the collector is about to delete what a stage completes with."""

    name = "garbage collection under hits"

    def __init__(self, source: Path, many: int = 40) -> None:
        self.source, self.many = source, many
        self._found: Sequence[Path] = ()

    def strike(self, world: World, chance: random.Random) -> None:
        """Copy some results of the world without faults."""
        if not self._found:
            self._found = sorted(path for path in (self.source / "artifacts").rglob("*") if path.is_file())
        before = time.time() - OLD_S
        for path in chance.sample(self._found, min(len(self._found), self.many)):
            target = Path(str(world.store_url)) / path.relative_to(self.source)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                beside = world.folder / f"litter.{os.getpid()}"
                shutil.copyfile(path, beside)
                os.utime(beside, (before, before))
                beside.rename(target)

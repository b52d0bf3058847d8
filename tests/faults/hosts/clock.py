"""A clock of its own for one host, that can be set while its processes run."""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults.hosts.programs import order

SOURCE = Path(__file__).with_name("wallclock.c")


class WallClock:
    """What the processes of a host take for the time of day; steady clocks are left alone, as by a real setting.

    libfaketime could do it, but for a sleep of Python's that it makes fail when it leaves steady clocks alone.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.clock"
        self.library = folder / "wallclock.so"
        if not self.file.exists():
            self.set(0)

    def environment(self) -> dict[str, str]:
        """What a host is started with, so that it looks at this clock."""
        if not self.library.exists():
            fresh = self.library.with_suffix(f".{os.getpid()}")
            order("cc", "-shared", "-fPIC", "-O1", "-o", str(fresh), str(SOURCE))
            fresh.replace(self.library)
        return {"LD_PRELOAD": str(self.library), "CYFAULTS_CLOCK": str(self.file)}

    def set(self, seconds: int) -> None:
        """So far ahead of the true time (behind, where negative), from now on."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}")
        fresh.replace(self.file)

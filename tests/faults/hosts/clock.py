"""A clock of its own for one host, that can be set while its processes run."""

from __future__ import annotations

from pathlib import Path


def _library() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime is missing: deploy/install-test-packages installs faketime"
    return found[0]


class WallClock:
    """What the processes of a host take for the time of day; steady clocks are left alone, as by a real setting."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.clock"
        if not self.file.exists():
            self.set(0)

    def environment(self) -> dict[str, str]:
        """What a host is started with, so that it looks at this clock."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds until a setting is seen
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
        }

    def set(self, seconds: int) -> None:
        """So far ahead of the true time (behind, where negative)."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}")
        fresh.replace(self.file)

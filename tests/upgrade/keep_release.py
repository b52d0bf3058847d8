"""Keeps a release for the upgrade tests: `python -m tests.upgrade.keep_release dist/cyclery-1.2.3-py3-none-any.whl`.

What is kept is the wheel without the starters' data, which no test of an upgrade needs, and packed tightly: the code
that people ran, byte for byte, whatever becomes of the repository's history.
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).with_name("releases")
_LEFT_OUT = re.compile(r"orchestrator/starters/.+/|[^/]+\.dist-info/(RECORD|licenses/)")
_WHEEL = re.compile(r"(cyclery-\d+\.\d+\.\d+)-py3-none-any\.whl")


def keep(wheel: Path, folder: Path = FOLDER) -> Path:
    """Write the release's file; where it is."""
    named = _WHEEL.fullmatch(wheel.name)
    if named is None:
        raise SystemExit(f"{wheel.name} is no wheel of a release: make one with `python -m build --wheel`")
    folder.mkdir(exist_ok=True)
    target = folder / f"{named[1]}.tar.xz"
    with zipfile.ZipFile(wheel) as source, tarfile.open(target, "w:xz", preset=9) as kept:
        for name in sorted(source.namelist()):
            if not _LEFT_OUT.match(name) and not name.endswith("/"):
                data = source.read(name)
                entry = tarfile.TarInfo(name)  # without owners and times: equal releases are equal bytes
                entry.size = len(data)
                kept.addfile(entry, io.BytesIO(data))
    return target


if __name__ == "__main__":
    for name in sys.argv[1:]:
        written = keep(Path(name))
        print(f"{written}: {written.stat().st_size // 1024} KB")  # noqa: T201  (what the person asked for)

"""Working folders of stages, in the host's cache; those of dead processes are removed when a pool starts."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from pathlib import Path

from workers.runtime.process_tree import alive


def new_scratch(cache: Path) -> Path:
    """A path for one attempt; the folder is made when it is first needed."""
    return cache / "work" / f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(6)}"


def remove_abandoned(cache: Path) -> int:
    """Remove working folders whose process on this host is dead; answers how many."""
    removed = 0
    for folder in (cache / "work").glob(f"{socket.gethostname()}.*"):
        pid = folder.name.split(".")[-2]
        if pid.isdigit() and not alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed

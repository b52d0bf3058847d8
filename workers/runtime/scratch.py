"""Working folders of stages, in the host's cache; those of dead processes are removed when pools start."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from pathlib import Path

from orchestrator.store.cache import HostCache
from workers.runtime.process_tree import alive

HALF_WRITTEN_S = 86_400.0  # a file that nobody has written to for so long is no longer being written


def new_scratch(cache: Path) -> Path:
    """A path for one attempt; the folder is made when it is first needed."""
    return cache / "work" / f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(6)}"


def remove_abandoned(cache: Path) -> int:
    """Remove working folders whose process on this host is dead, and what it left in the cache; answers how many.

    The orchestrator service cleans the store and its own host's cache; of other hosts' nobody else knows.
    """
    removed = HostCache(cache, 0).clean(HALF_WRITTEN_S)
    for folder in (cache / "work").glob(f"{socket.gethostname()}.*"):
        pid = folder.name.split(".")[-2]
        if pid.isdigit() and not alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed

"""Loopback ports that a home keeps between starts, so that an address once opened in a browser stays good."""

from __future__ import annotations

import socket
from pathlib import Path


def remembered_port(memory: Path, *preferred: int) -> int:
    """The port noted in `memory`, else the first free one of those preferred, else any; noted from now on."""
    noted = (int(memory.read_text()),) if memory.exists() else ()
    port = next((port for port in (*noted, *preferred) if _is_free(port)), None) or _any_free()
    memory.write_text(str(port))
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

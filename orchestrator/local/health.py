"""What a container's health check asks: `python -m orchestrator.local.health [QUEUE]`, exit code 0 or 5."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from orchestrator.contracts.errors import CycleryError, Unreachable
from orchestrator.engine.history import History
from orchestrator.settings import Settings
from orchestrator.store.connection import connect


def check(settings: Settings, queue: str | None) -> None:
    """Raise `Unreachable` unless Redis accepts, a store in a folder can be written, and this host's pool is there."""
    with connect(settings) as client:
        if queue is not None:
            node = f"{queue}@{socket.gethostname()}"
            if node not in {pool.node for pool in History(client, settings.namespace).pools()}:
                raise Unreachable(f"{node} has not said that it lives for a while: see this container's log")
    store = settings.store_url
    if "://" not in store and not os.access(store, os.R_OK | os.W_OK | os.X_OK):
        raise Unreachable(
            f"the store {Path(store).absolute()} cannot be written by user {os.getuid()}: see deploy/README.md"
        )


def main() -> int:
    """One line on stderr when something is wrong."""
    try:
        check(Settings(), next(iter(sys.argv[1:]), None))
    except CycleryError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

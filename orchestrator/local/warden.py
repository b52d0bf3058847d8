"""The warden: a small process that outlives a killed supervisor just long enough to clear away what it left.

It reads from a pipe whose other end only the supervisor holds. A last word means that all is well; an end without
one means that the supervisor was killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from orchestrator.contracts.errors import Unreachable
from orchestrator.local.lock import Lock
from orchestrator.local.place import Place
from orchestrator.local.processes import sweep

_ALL_IS_WELL = b"."


class Warden:
    """The supervisor's end: the warden's process and the pipe to it."""

    def __init__(self, place: Place) -> None:
        reader, self._writer = os.pipe()
        command = [sys.executable, "-P", "-m", "orchestrator.local.warden", str(place.home)]
        with place.log("supervisor").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=reader, stdout=log, stderr=log, start_new_session=True)
        os.close(reader)

    @property
    def alive(self) -> bool:
        """Whether the warden watches."""
        return self._process.poll() is None

    def dismiss(self) -> None:
        """Say that nothing is left to do, and wait for its end."""
        if self.alive:
            os.write(self._writer, _ALL_IS_WELL)
        os.close(self._writer)
        self._process.wait()


def main() -> None:
    """Wait for the supervisor's last word or end."""
    place = Place(Path(sys.argv[1]))
    marker = place.marker()  # now: the home itself may be gone by then
    if os.read(sys.stdin.fileno(), 1) == _ALL_IS_WELL:
        return
    if not place.home.exists():
        sweep(marker)
        return
    # The lock of the supervisor: whoever starts the next stack waits, and finds no state meanwhile. When that one
    # was faster it clears away itself, this process first. A dying supervisor may close the pipe before the lock.
    try:
        with Lock(place.running, patience=10, busy="the next supervisor is here"):
            place.state.unlink(missing_ok=True)
            sweep(marker)
    except Unreachable:
        return


if __name__ == "__main__":
    main()

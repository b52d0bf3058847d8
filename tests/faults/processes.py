"""The processes of one world: started with its marker, found by it, and gone when the world is."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.servers import start, stop

MARKER = "CYFAULTS_WORLD"  # in the environment of all that a world starts, and of what those start


def marked(marker: str) -> list[psutil.Process]:
    """All living processes of a world, whoever started them."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or of the kernel
    return [process for process in found if process.pid != os.getpid()]


def kill(processes: Iterable[psutil.Process], number: signal.Signals = signal.SIGKILL) -> int:
    """Send a signal to those that still live; answers how many did."""
    told = 0
    for process in processes:
        try:
            process.send_signal(number)
            told += 1
        except psutil.NoSuchProcess:
            continue
    return told


@dataclass
class Program:
    """A program that runs until it is stopped, and may be killed and started again; its output is appended to `log`."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self.process is not None, f"{self.command} was not started"
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, unless it runs."""
        if not self.running:
            self.process = start(list(self.command), self.log, cwd=self.folder, env=dict(self.environment))

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Killed, and started again."""
        self.kill()
        self.start()

    def stop(self, patience: float = 60.0) -> None:
        """Ask it to stop, as an administrator would."""
        if self.process is not None and self.running:
            stop(self.process, patience)

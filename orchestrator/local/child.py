"""One supervised process: started, watched, started again after a growing pause, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.local.state import ProcessState

LOG_BYTES = 10 * 2**20  # of each log; as much again is kept of what was before
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_STEADY = 20.0  # seconds after which a process counts as well again


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how long it may take to stop."""

    name: str
    command: tuple[str, ...]
    log: Path
    patience: float = 10.0  # seconds between SIGTERM and SIGKILL
    environment: Mapping[str, str] = field(default_factory=dict)  # on top of the supervisor's
    umask: int = 0o077  # what it writes is nobody else's business


class Child:
    """A program and its process, if one lives. Times are monotonic seconds."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.restarts = 0
        self.due = 0.0  # when to start it (again)
        self._pause = _FIRST_PAUSE
        self._started = 0.0
        self._since = time.time()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process in a session of its own: a signal to one never reaches the others."""
        with self.program.log.open("ab") as log:  # appending, so that `trim` may cut the file under it
            self._process = subprocess.Popen(
                self.program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.program.environment},
                start_new_session=True,
                umask=self.program.umask,
            )
        self._started, self._since = time.monotonic(), time.time()

    def tend(self, now: float) -> bool:
        """Notice an end, and start again what is due; returns whether anything changed."""
        if self.alive:
            if now - self._started > _STEADY:
                self._pause = _FIRST_PAUSE
            return False
        if self._process is not None:
            self._process, self.due = None, now + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._since = time.time()
            return True
        if now < self.due:
            return False
        self.start()
        self.restarts += 1
        return True

    def ask_to_stop(self) -> None:
        """SIGTERM, once."""
        if self._process is not None and self.alive:
            self._process.terminate()

    def await_stop(self, patience: float) -> None:
        """Wait for the end; kill the whole session of a process that needs longer."""
        if self._process is None:
            return
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def trim(self) -> None:
        """Keep the log bounded: a full one becomes `.1`, copied since the process goes on writing to its file."""
        log = self.program.log
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.with_suffix(".log.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)

    def state(self) -> ProcessState:
        """As the state file tells it."""
        pid = self._process.pid if self._process is not None and self.alive else None
        return ProcessState(self.program.name, pid, self.restarts, self._since)

"""One host of a world: its worker pools as one process tree, under a host name of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from orchestrator.engine.history import History
from tests.faults.processes import Program, kill
from tests.waiting import wait_until

POOLS = ("prep:1", "train:2", "evaluate:1", "ops:1")


def renamed(name: str) -> list[str]:
    """What gives the command after it a host name of its own: leases carry host and process id."""
    unshare = ["unshare", "--uts"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--uts"]
    return [*unshare, "sh", "-c", f'hostname {name}; exec "$@"', "sh"]


@dataclass
class Host:
    """`python -m workers.runtime.pools POOL…` behind `wrap`, whose pid is that of the pools' parent.

    Where `wrap` is empty the host gets its name by a namespace; a wrap of one's own must do that itself.
    """

    name: str
    folder: Path  # where it runs
    environment: Mapping[str, str]
    history: History
    wrap: Sequence[str] = ()
    pools: Sequence[str] = POOLS
    interpreter: str = sys.executable
    program: Program = field(init=False)

    def __post_init__(self) -> None:
        """The program, not yet started."""
        wrap = list(self.wrap) or renamed(self.name)
        command = [*wrap, self.interpreter, "-P", "-m", "workers.runtime.pools", *self.pools]
        self.program = Program(command, self.environment, self.folder, self.log)

    @property
    def log(self) -> Path:
        """What its processes said."""
        return self.folder / f"{self.name}.log"

    def start(self, *, wait: bool = True, timeout: float = 120.0) -> None:
        """Start the tree, and wait until its pools have told that they are there."""
        self.program.start()
        if wait:
            wait_until(self.present, timeout=timeout, every=0.1)

    def present(self) -> bool:
        """Whether all its pools are registered."""
        assert self.program.running, f"{self.name} ended: {self.log.read_text()[-4000:]}"
        return {pool.queue for pool in self.history.pools() if pool.host == self.name} >= {
            pool.partition(":")[0] for pool in self.pools
        }

    def stop(self) -> None:
        """SIGTERM, as an administrator would."""
        self.program.stop()

    def kill_tree(self) -> None:
        """All of it at once, as by a power cut."""
        family = self.family()
        kill(family, signal.SIGSTOP)  # so that none of them sees another's death
        family += [one for one in self.family() if one not in family]
        self.program.kill()
        kill(family)
        psutil.wait_procs(family, timeout=30)

    def family(self) -> list[psutil.Process]:
        """The pools' parent and everything below it."""
        if not self.program.running:
            return []
        try:
            parent = psutil.Process(self.program.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def pids(self) -> list[int]:
        """The process ids of the family."""
        return [process.pid for process in self.family()]

    def mains(self) -> list[psutil.Process]:
        """The pools' main processes."""
        return _children(psutil.Process(self.program.pid)) if self.program.running else []

    def children(self) -> list[psutil.Process]:
        """What the mains started: processes that run stages, and the nursery of each."""
        return [child for main in self.mains() for child in _children(main)]

    def guests(self) -> list[psutil.Process]:
        """Processes that run a team's code."""
        return [guest for child in self.children() for guest in _children(child)]


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [child for child in process.children() if child.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []

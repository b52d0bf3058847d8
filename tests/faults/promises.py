"""What was acknowledged, as an offset in Redis's append-only file: a power cut may take what comes after it."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import RedisServer


@dataclass
class Promises:
    """Who hears an answer holds `hearing` and notes it; a power cut holds it too, so that no answer is under way."""

    redis: RedisServer
    notes: Path  # where processes note what is durable
    hearing: threading.RLock = field(default_factory=threading.RLock)
    commands: set[subprocess.Popen[str]] = field(default_factory=set)  # begun, and not yet heard to the end
    unheard: set[subprocess.Popen[str]] = field(default_factory=set)  # killed by the power cut, whatever they had said
    floor: int = 0  # how much of the file is promised to people

    def file(self) -> Path:
        """What Redis appends to."""
        return newest_file(self.redis)

    def note(self) -> None:
        """Something was acknowledged just now: all that the file has by now is promised."""
        self.floor = self.file().stat().st_size

    def cut(self, chance: random.Random) -> int:
        """Take back what Redis wrote since the last promise, or a part of it, while it is down; how many bytes."""
        path = self.file()
        size = path.stat().st_size
        floor = max(self.floor, self._told(path))
        kept = floor if chance.random() < 0.3 else chance.randint(floor, size)
        os.truncate(path, kept)
        return size - kept

    def _told(self, path: Path) -> int:
        """How much of the file Redis has told any process to be on the disk (`points/sitecustomize.py`)."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return max((int(line.split()[1]) for line in lines if line.split()[0] == path.name), default=0)

    def silence_commands(self) -> None:
        """The computers on which people typed lost their power too: what they were told is not known to anybody."""
        for process in list(self.commands):
            process.kill()
            self.unheard.add(process)


def newest_file(redis: RedisServer) -> Path:
    """The file that Redis appends to: the last incremental one of its manifest."""
    folder = redis.folder / "appendonlydir"
    lines = (folder / "appendonly.aof.manifest").read_text().splitlines()
    names = [line.split()[1] for line in lines if line.endswith("type i")]
    return folder / names[-1]

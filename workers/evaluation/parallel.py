"""Intervals of many metrics and slices at once: each draws resamples of its own, so processes can share them out.

The processes are forked off the stage's, whose rows they see without a copy, and answer with documents. Threads do not
do: drawing and ranking hold the interpreter's lock for so long that two of them took longer than one.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import NoReturn, TypeVar

from pydantic import TypeAdapter
from threadpoolctl import threadpool_limits

from workers.runtime.process_tree import end_with_parent
from workers.runtime.threads import own_cores

Item = TypeVar("Item")
Told = TypeVar("Told")

WORTH = 5_000_000  # rows × resamples of an item, below which it takes hardly longer than a process for it


def processes_for(drawn: int) -> int:
    """How many are worth it where each item draws so many numbers (rows × resamples): one, or as many as own cores.

    One where libraries do not survive a fork (macOS).
    """
    return own_cores() if drawn >= WORTH and sys.platform == "linux" else 1


def each(function: Callable[[Item], Told], items: Sequence[Item], kind: type[Told], processes: int) -> list[Told]:
    """What the function tells of each item, in their order: the same however many processes compute it at once.

    It is of the given kind, a document or a container of documents. What the function raises is raised here.
    """
    if min(processes, len(items)) < 2:
        return [function(item) for item in items]
    adapter = TypeAdapter(kind)
    waiting = list(range(len(items)))[::-1]
    under_way: dict[int, _Process] = {}
    told: dict[int, Told] = {}
    try:
        while waiting or under_way:
            while waiting and len(under_way) < processes:
                _begin(waiting.pop(), lambda place: adapter.dump_json(function(items[place])), under_way)
            ready = wait([process.pipe for process in under_way.values()])
            for place in [place for place, process in under_way.items() if process.pipe in ready]:
                answer = under_way.pop(place).answer()
                # Where it failed or was killed, it fails here as itself, or does not.
                told[place] = function(items[place]) if answer is None else adapter.validate_json(answer)
    finally:
        for process in under_way.values():
            os.kill(process.pid, signal.SIGKILL)
            process.answer()
    return [told[place] for place in range(len(items))]


@dataclass(frozen=True, slots=True)
class _Process:
    """A fork of this process that writes one answer to a pipe; multiprocessing refuses them to a Celery pool's."""

    pid: int
    pipe: int

    def answer(self) -> bytes | None:
        """What it told, once it has ended; None where it failed."""
        with os.fdopen(self.pipe, "rb") as pipe:
            told = pipe.read()
        return told if os.waitpid(self.pid, 0)[1] == 0 else None


def _begin(place: int, tell: Callable[[int], bytes], under_way: dict[int, _Process]) -> None:
    """Fork; a signal that interrupts the stage waits until it is known, and the fork itself heeds none but SIGKILL."""
    pipe, sink = os.pipe()
    parent, heeded = os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _tell(place, tell, sink, parent)
        under_way[place] = _Process(pid, pipe)
    finally:
        os.close(sink)
        signal.pthread_sigmask(signal.SIG_SETMASK, heeded)


def _tell(place: int, tell: Callable[[int], bytes], sink: int, parent: int) -> NoReturn:
    """The fork's life. Nothing that it shares with its parent is flushed or closed at its end."""
    code = 1
    try:
        end_with_parent(signal.SIGKILL, parent)
        with threadpool_limits(1), os.fdopen(sink, "wb") as pipe:
            pipe.write(tell(place))
        code = 0
    finally:
        os._exit(code)

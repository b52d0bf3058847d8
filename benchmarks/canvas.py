"""The three shapes in bare canvas."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.conditions import PROCESSES, Server, running

WAIT_S = 300


class Canvas:
    """Canvas under one set of conditions; each shape answers ms per stage."""

    def __init__(self, tasks: Any) -> None:
        self.noop = tasks.noop.si().set(queue="ops")
        self.join = tasks.join.s().set(queue="ops")

    def warm(self) -> None:
        """Wait for the worker."""
        self.noop.apply_async().get(timeout=WAIT_S)

    def chain(self, length: int) -> float:
        """One chain."""
        from celery import chain

        begun = time.perf_counter()
        chain(*[self.noop] * length).apply_async().get(timeout=WAIT_S)
        return (time.perf_counter() - begun) * 1000 / length

    def fanout(self, width: int) -> float:
        """A chord."""
        from celery import chord

        begun = time.perf_counter()
        assert chord([self.noop] * width)(self.join).get(timeout=WAIT_S) == width
        return (time.perf_counter() - begun) * 1000 / (width + 1)

    def runs(self, count: int, length: int) -> float:
        """Many short chains at once."""
        from celery import chain

        begun = time.perf_counter()
        for result in [chain(*[self.noop] * length).apply_async() for _ in range(count)]:
            result.get(timeout=WAIT_S)
        return (time.perf_counter() - begun) * 1000 / (count * length)

    # Canvas keeps no artifacts and looks nothing up: the nearest it has is the same chains.
    runs_kept = runs


@contextmanager
def canvas(server: Server, folder: Path, *, fastest: bool) -> Iterator[Canvas]:
    """A pool and a client of canvas."""
    environment = {"CYCLERY_REDIS_URL": server.url, "CYCLERY_NAMESPACE": "canvas", "CANVAS_BACKEND": server.celery_url}
    environment["CANVAS_FASTEST"] = "1" if fastest else ""
    os.environ.update(environment)
    import benchmarks.canvas_app as tasks

    tasks = importlib.reload(tasks)
    command = ["celery", "-A", "benchmarks.canvas_app", "worker", "-Q", "ops", "-c", str(PROCESSES), "-n", "ops@%h"]
    command += ["-O", "fair", "--without-mingle", "--without-gossip", "-l", "WARNING"]
    with running(command, environment, folder / f"canvas-{fastest}.log"):
        side = Canvas(tasks)
        side.warm()
        yield side

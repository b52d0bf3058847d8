"""The three shapes through Cyclery's own ledger and worker runtime, durability on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.conditions import PROCESSES, Server, running, stack_of, until
from orchestrator.contracts.calls import Plan, Purity, StageCall
from orchestrator.contracts.tasks import TASKS
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from orchestrator.store.connection import connect

PROBE = TASKS["ops.probe"]


def _stage(identifier: str, *after: str, kept: bool = False) -> StageCall:
    # Volatile: it runs each time, and neither looks up nor leaves a cached result, as canvas's tasks do.
    # Kept: pure, as most real stages are: it looks up its content, writes an artifact and leaves a cached result.
    return StageCall(
        id=identifier,
        task=PROBE.name,
        queue=PROBE.queue.value,
        version=PROBE.version,
        after=after,
        params={"echo": f"{identifier}-{secrets.token_hex(4)}"} if kept else {},
        purity=Purity.PURE if kept else Purity.VOLATILE,
    )


def _chain(length: int, *, kept: bool = False) -> tuple[StageCall, ...]:
    return tuple(_stage(f"s{i}", *([f"s{i - 1}"] if i else []), kept=kept) for i in range(length))


class Cyclery:
    """Cyclery; each shape answers ms per stage, from the first call until the run is recorded as succeeded."""

    def __init__(self, settings: Settings) -> None:
        self.ledger = Ledger(connect(settings), settings)
        self.history = History(self.ledger.redis, settings.namespace)

    def warm(self) -> None:
        """Wait for the worker, and run one stage."""
        until(self.history.pools)
        self.chain(3)

    def chain(self, length: int) -> float:
        """One chain."""
        begun = time.perf_counter()
        self._wait([self._submit(Plan(workflow="chain", stages=_chain(length)))])
        return (time.perf_counter() - begun) * 1000 / length

    def fanout(self, width: int) -> float:
        """A fan-out with a join."""
        names = tuple(f"f{i}" for i in range(width))
        plan = Plan(workflow="fanout", stages=(*(_stage(name) for name in names), _stage("join", *names)))
        begun = time.perf_counter()
        self._wait([self._submit(plan)])
        return (time.perf_counter() - begun) * 1000 / (width + 1)

    def runs(self, count: int, length: int) -> float:
        """Many short workflows at once, each a submission of its own."""
        return self._runs(count, length, kept=False)

    def runs_kept(self, count: int, length: int) -> float:
        """The same with pure stages: each writes an artifact and leaves a cached result."""
        return self._runs(count, length, kept=True)

    def _runs(self, count: int, length: int, *, kept: bool) -> float:
        plans = [Plan(workflow="runs", stages=_chain(length, kept=kept)) for _ in range(count)]
        begun = time.perf_counter()
        self._wait([self._submit(plan) for plan in plans])
        return (time.perf_counter() - begun) * 1000 / (count * length)

    def _submit(self, plan: Plan) -> str:
        return self.ledger.submit(Submission(plan, new=True)).run

    def _wait(self, runs: list[str]) -> None:
        for run in runs:
            key = self.ledger.keys.run(run)
            until(lambda key=key: self.ledger.redis.hget(key, "status") != "running", seconds=300, every=0.01)
            assert self.ledger.redis.hget(key, "status") == "succeeded", run


@contextmanager
def cyclery(server: Server, folder: Path) -> Iterator[Cyclery]:
    """A pool and a client of Cyclery."""
    settings, environment = stack_of(server, "bench", folder)
    with running(["workers.runtime.pools", f"ops:{PROCESSES}"], environment, folder / "cyclery.log"):
        side = Cyclery(settings)
        side.warm()
        yield side

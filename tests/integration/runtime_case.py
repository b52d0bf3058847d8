"""A child in the tests' own process, whose stages are performed one by one, and the nursery of its guests."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import redis as redis_py

from orchestrator.contracts.calls import Code, Kind, Plan, StageCall
from orchestrator.contracts.records import RunRecord, StageError, StageRecord
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from tests.waiting import wait_until
from workers.app import Worker
from workers.runtime.child import Child
from workers.runtime.nursery import Nursery
from workers.runtime.perform import perform


def probe(identifier: str, **fields: Any) -> StageCall:
    params = {name: fields.pop(name) for name in ("echo", "seconds", "fail") if name in fields}
    return StageCall(id=identifier, task="ops.probe", queue="ops", version=1, params=params, **fields)


@dataclass
class ChildBench:
    """A child in this process, and where its runs are read."""

    child: Child
    ledger: Ledger
    history: History
    folder: Path

    @classmethod
    @contextmanager
    def of(
        cls, queue: str, settings: Settings, redis: redis_py.Redis, folder: Path, nursery: Nursery | None
    ) -> Iterator[Self]:
        """With a worker of a queue; signals are handled as before, once it is closed."""
        child = Worker(settings, queue, 1, nursery).child
        handlers = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM)}
        yield cls(child, Ledger(redis, settings), History(redis, settings.namespace), folder)
        child.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def stage(self, run: str, stage: str) -> StageRecord:
        record = self.record(run).stage(stage)
        assert record is not None
        return record

    def record(self, run: str) -> RunRecord:
        record = self.history.snapshot(run)
        assert record is not None
        return record


class Bench(ChildBench):
    """Stages of any kind, performed one by one."""

    def submit(self, *calls: StageCall, new: bool = True, refresh: bool = False) -> str:
        plan = Plan(workflow="w", stages=calls, on_failure="continue")
        skipped = frozenset(call.id for call in calls) if refresh else frozenset()
        return self.ledger.submit(Submission(plan, new=new, refresh=skipped)).run

    def perform(self, run: str, *stages: str) -> None:
        perform(self.child, run, list(stages), "0")

    def perform_cancelled(self, run: str, stage: str) -> None:
        """Begin a stage, and cancel the run under it; the stage must not end by itself."""
        cancelling = threading.Thread(
            target=lambda: (
                wait_until(lambda: self.stage(run, stage).state == "running") and self.ledger.cancel(run, "me")
            )
        )
        cancelling.start()
        self.perform(run, stage)
        cancelling.join()
        assert self.stage(run, stage).state == "cancelled"

    def error_of(self, run: str, stage: str) -> StageError:
        error = self.stage(run, stage).error
        assert error is not None
        return error

    def log_of(self, run: str, stage: str) -> str:
        ref = self.stage(run, stage).log
        return "" if ref is None else self.child.store.read(ref).decode()

    def custom(self, identifier: str, source: str, entry: str = "team:stage", **fields: Any) -> StageCall:
        archive = self.folder / f"{identifier}.zip"
        with zipfile.ZipFile(archive, "w") as target:
            target.writestr(zipfile.ZipInfo("team.py"), source)
        code = Code(
            snapshot=self.child.store.put_file(archive, Kind.FILE), entry=entry, requires=fields.pop("requires", ())
        )
        return StageCall(id=identifier, task="custom", queue="prep", version=1, code=code, **fields)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A process that forks guests; started, not forked, since the tests' process has threads."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            command = [sys.executable, "-P", "-m", "workers.runtime.nursery", str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        yield Nursery(ours)
    assert process.wait(10) == 0


@pytest.fixture
def bench(settings: Settings, redis: redis_py.Redis, tmp_path: Path, nursery: Nursery) -> Iterator[Bench]:
    settings = settings.model_copy(update={"heartbeat_s": 0.1, "lease_s": 5.0})
    with Bench.of("ops", settings, redis, tmp_path, nursery) as bench:
        yield bench

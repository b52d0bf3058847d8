"""One world with a few stages under way, for scenarios of one fault each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.contracts.calls import StageCall
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.engine.submission import Submission
from tests.faults.plans import Draft, Team
from tests.faults.world import World
from tests.waiting import wait_until

LIGHT = ("ops:1", "prep:1")  # pools that start fast
PATIENCE_S = 120.0  # for anything, on a busy machine


@dataclass
class Scenario:
    """A world, and what is submitted to it."""

    world: World

    def draft(self) -> Draft:
        """A workflow of its own."""
        return Draft(f"case-{secrets.token_hex(3)}", Team.of(self.world.store))

    def submit(self, draft: Draft, *calls: StageCall) -> str:
        """Submit a plan of these calls; its run."""
        return self.world.ledger.submit(Submission(draft.plan(*calls), "tester"), self.world.store.has).run

    def record(self, run: str) -> RunRecord:
        """The run as it stands."""
        record = self.world.history.snapshot(run)
        assert record is not None
        return record

    def stage(self, run: str, name: str) -> StageRecord:
        """One stage as it stands."""
        stage = self.record(run).stage(name)
        assert stage is not None
        return stage

    def reaches(self, run: str, name: str, *states: str, timeout: float = PATIENCE_S) -> StageRecord:
        """Wait until a stage is in one of these states."""
        try:
            wait_until(lambda: self.stage(run, name).state in states, timeout=timeout, every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{self.stage(run, name)}\n{self.logs()}") from error
        return self.stage(run, name)

    def ended(self, run: str, status: str = "succeeded", timeout: float = PATIENCE_S) -> RunRecord:
        """Wait until the run has ended, as it must."""
        try:
            wait_until(lambda: self.record(run).status.ended, timeout=timeout, every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{self.record(run).stages}\n{self.logs()}") from error
        record = self.record(run)
        assert record.status == status, f"{record.stages}\n{self.logs()}"
        return record

    def leases_ran_out(self) -> bool:
        """Whether no lease is valid any more, on Redis's clock."""
        seconds, micros = self.world.ledger.redis.time()
        return not self.world.ledger.redis.zcount(
            self.world.ledger.keys("leases"), seconds * 1000 + micros // 1000, "+inf"
        )

    def logs(self) -> str:
        """The ends of all logs."""
        files = [self.world.service.log, *(host.log for host in self.world.hosts.values())]
        return "\n".join(f"== {file}\n{file.read_text()[-3000:]}" for file in files if file.exists())


@contextmanager
def scenario(world: World) -> Iterator[Scenario]:
    """A world that is taken down afterwards, with nothing left of it."""
    try:
        yield Scenario(world)
    finally:
        left = world.close()
        assert not left, f"left behind: {[' '.join(process.cmdline()) for process in left if process.is_running()]}"


def light_world(folder: Path, **options: object) -> World:
    """A world with a Redis and a service, and one host of few pools that is yet to be started."""
    world = World(folder, **options)  # type: ignore[arg-type]
    world.start(host=False)
    world.add_host("host1", pools=LIGHT)
    return world

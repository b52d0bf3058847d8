"""Pools: real processes that run plans, survive kills, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis as redis_py

from orchestrator.contracts.calls import Code, Gather, Kind, Plan, StageCall
from orchestrator.contracts.environment import environment_digest
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import RunRecord
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from orchestrator.store.artifacts import open_store
from tests.waiting import wait_until
from workers.runtime.pools import parse_pools
from workers.runtime.process_tree import alive


@dataclass
class Site:
    """A running pools process, and the ledger that it serves."""

    process: subprocess.Popen[bytes]
    settings: Settings
    redis: redis_py.Redis
    log: Path

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.redis, self.settings)
        self.history = History(self.redis, self.settings.namespace)

    def submit(self, *calls: StageCall) -> str:
        accepted = self.ledger.submit(Submission(Plan(workflow="w", stages=calls), new=True))
        return accepted.run

    def record(self, run: str) -> RunRecord:
        record = self.history.snapshot(run)
        assert record is not None
        return record

    def ended(self, run: str) -> RunRecord:
        try:
            wait_until(lambda: self.record(run).status.ended, timeout=30)
        except AssertionError as error:
            raise AssertionError(f"{self.record(run).stages}\n{self.log.read_text()}") from error
        return self.record(run)

    def repair(self) -> None:
        """One look of the reconciler, which is not under test here."""
        self.ledger.repair(100, 0)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def environment(settings: Settings) -> dict[str, str]:
    assert settings.redis_url is not None
    own = {
        "CYCLERY_REDIS_URL": settings.redis_url.get_secret_value(),
        "CYCLERY_NAMESPACE": settings.namespace,
        "CYCLERY_STORE": settings.store_url,
        "CYCLERY_CACHE": str(settings.cache_path),
        "CYCLERY_HOME": str(settings.home),
        "CYCLERY_LEASE_S": str(settings.lease_s),
        "CYCLERY_HEARTBEAT_S": str(settings.heartbeat_s),
    }
    return {**os.environ, **own}


@pytest.fixture
def start(settings: Settings, redis: redis_py.Redis, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start pools; they are gone when the test is."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(*pools: str, wait: bool = True) -> Site:
        log = tmp_path / "pools.log"
        (tmp_path / "temporary").mkdir(exist_ok=True)
        with log.open("ab") as sink:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "workers.runtime.pools", *pools],
                env=environment(settings) | {"TMPDIR": str(tmp_path / "temporary")},
                stdout=sink,
                stderr=sink,
                cwd=tmp_path,
            )
        begun.append(process)
        site = Site(process, settings, redis, log)
        if wait:
            wait_until(lambda: len(site.history.pools()) == len(pools), timeout=60)
        return site

    yield start
    for process in begun:
        if process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.wait()
            psutil.wait_procs(family, timeout=10)


def probe(identifier: str, seconds: float = 0.0, **fields: object) -> StageCall:
    params = {"echo": identifier, "seconds": seconds}
    return StageCall.model_validate(
        {"id": identifier, "task": "ops.probe", "queue": "ops", "version": 1, "params": params, **fields}
    )


def test_pools_register_run_and_leave_nothing_behind(start: Callable[..., Site], tmp_path: Path) -> None:
    site = start("ops:2")
    pool = site.history.pools()[0]
    assert (pool.queue, pool.processes, pool.environment) == ("ops", 2, environment_digest())
    width = tuple(probe(f"wide{n}") for n in range(20))
    join = probe("join", inputs={"before": Gather(stages=tuple(call.id for call in width), output="echo")})
    record = site.ended(site.submit(*width, join))
    assert record.status == "succeeded", site.log.read_text()
    assert {stage.worker for stage in record.stages} == {pool.node}
    family = site.family()
    assert len(family) >= 3
    site.process.terminate()
    assert site.process.wait(20) == 0
    wait_until(lambda: not any(alive(process.pid) for process in family))
    assert site.history.pools() == []
    assert list((tmp_path / "temporary").iterdir()) == []
    assert "Traceback" not in site.log.read_text()


def test_a_killed_child_gives_its_stage_to_another_at_once(start: Callable[..., Site]) -> None:
    site = start("ops:1")
    run = site.submit(probe("a", seconds=2))
    wait_until(lambda: site.record(run).stages[0].state == "running")
    pid = next(iter(site.ledger.leases_of(site.history.pools()[0].host).values()))
    os.kill(pid, signal.SIGKILL)
    record = site.ended(run)
    assert record.status == "succeeded", (record.stages, site.log.read_text())
    assert (record.stages[0].attempt, record.stages[0].deaths) == (2, 1)


def test_a_killed_pool_starts_again(start: Callable[..., Site]) -> None:
    site = start("ops:1")
    run = site.submit(probe("a", seconds=2))
    wait_until(lambda: site.record(run).stages[0].state == "running")
    pool = site.history.pools()[0]
    os.kill(int(pool.details["pid"]), signal.SIGKILL)
    record = site.ended(run)
    assert record.status == "succeeded", (record.stages, site.log.read_text())
    assert record.stages[0].deaths == 1
    assert wait_until(lambda: [one for one in site.history.pools() if one.details["pid"] != pool.details["pid"]])


def test_two_sigterms_give_stages_back(start: Callable[..., Site]) -> None:
    site = start("ops:1")
    run = site.submit(probe("a", seconds=600))
    wait_until(lambda: site.record(run).stages[0].state == "running")
    site.process.terminate()
    wait_until(lambda: not site.history.pools())  # the first was heard
    site.process.terminate()
    site.process.wait(20)
    stage = site.record(run).stages[0]
    assert (stage.state, stage.deaths) == ("ready", 0), (stage, site.log.read_text())


def test_a_killed_supervisor_leaves_nothing_behind(start: Callable[..., Site]) -> None:
    site = start("ops:1", "prep:1")
    family = site.family()
    site.process.kill()
    site.process.wait()
    wait_until(lambda: not any(alive(process.pid) for process in family))


def test_the_hard_limit_ends_a_child_that_does_not_listen(start: Callable[..., Site], monkeypatch: object) -> None:
    site = start("ops:1")
    call = probe("a", seconds=600, policy={"timeout_s": 1.0})
    run = site.submit(call, probe("b"))
    wait_until(lambda: site.record(run).status.ended, timeout=30)
    error = site.record(run).stages[0].error
    assert error is not None
    assert error.family == "timeout"
    assert "ran longer than its limit of 1 s" in error.message
    assert site.ended(site.submit(probe("c"))).status == "succeeded"  # a new child has taken its place


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no pools named"),
        (["gpu:1"], "'gpu:1' is no pool: write QUEUE:PROCESSES, with a queue of prep, train, evaluate, ops"),
        (["prep:0"], "'prep:0' is no pool"),
        (["prep:1", "prep:2"], "named twice"),
    ],
)
def test_pools_that_make_no_sense_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_pools(arguments)


def test_pools_are_parsed() -> None:
    assert [(pool.queue, pool.processes) for pool in parse_pools(["prep", "train:3"])] == [("prep", 1), ("train", 3)]


def test_a_teams_stage_runs_in_a_guest_of_the_pool(start: Callable[..., Site], tmp_path: Path) -> None:
    site = start("prep:2")
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("team.py", "import os\ndef stage(*, n: int): return {'n': n, 'parent': os.getppid()}\n")
    store = open_store(site.settings)
    code = Code(snapshot=store.put_file(archive, Kind.FILE), entry="team:stage")
    calls = [
        StageCall(id=f"s{n}", task="custom", queue="prep", version=1, code=code, params={"n": n}) for n in range(6)
    ]
    record = site.ended(site.submit(*calls))
    assert record.status == "succeeded", site.log.read_text()
    parents = {json.loads(store.read(stage.outputs["result"]))["parent"] for stage in record.stages}
    assert len(parents) == 1  # the nursery
    family = site.family()
    site.process.kill()
    wait_until(lambda: not any(alive(process.pid) for process in family))

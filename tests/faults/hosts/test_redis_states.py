"""A Redis that is full, read-only, stalled or away: what runs is recorded, what is new refused, all goes on after."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.faults.hosts.disk import SmallDisk
from tests.faults.hosts.redis_states import full, read_only, stalled
from tests.faults.hosts.scenario import Scenario, light_world, scenario
from tests.servers import RedisServer
from tests.waiting import wait_until

LEASE_S = 3.0  # of a world


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk]:
    """Where Redis has its file. A short path, for its socket."""
    small = SmallDisk(Path(tempfile.mkdtemp(prefix="cy-redis-")), 64)
    try:
        yield small.start()
    finally:
        small.close()
        small.folder.rmdir()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, disk: SmallDisk) -> Iterator[Scenario]:
    redis = RedisServer(folder=disk.folder)
    with scenario(light_world(tmp_path_factory.mktemp("redis"), redis=redis)) as begun:
        begun.world.hosts["host1"].start()
        yield begun


@contextmanager
def away(redis: RedisServer) -> Iterator[None]:
    """It crashed, and is started again by and by."""
    redis.kill()
    try:
        yield
    finally:
        redis.start()


@contextmanager
def without_disk(redis: RedisServer) -> Iterator[None]:
    """The disk of its file is full: it exits at each write, and is started again, as the stack and Docker do."""
    disk, room = SmallDisk(redis.folder, 0), threading.Event()

    def tend() -> None:
        while not room.wait(0.1):
            if not redis.alive:
                redis.launch()

    with ThreadPoolExecutor(1) as pool:
        disk.fill()
        tending = pool.submit(tend)
        try:
            yield
        finally:
            disk.free()
            room.set()
            wait([tending])
            redis.kill()  # what a thread has started ends with that thread (PR_SET_PDEATHSIG)
            redis.start()
        tending.result()


@contextmanager
def without_disk_everysec(redis: RedisServer) -> Iterator[None]:
    """The same where it flushes each second: it lives on, and refuses writes."""
    disk = SmallDisk(redis.folder, 0)
    with redis.client() as client:
        client.config_set("appendfsync", "everysec")
        disk.fill()
        try:
            yield
        finally:
            disk.free()
            wait_until(lambda: client.info("persistence")["aof_last_write_status"] == "ok", timeout=60)
            client.config_set("appendfsync", redis.appendfsync)


def mains(site: Scenario) -> list[int]:
    """The pools' main processes."""
    return [process.pid for process in site.world.hosts["host1"].mains()]


def test_while_it_is_full_what_runs_is_recorded_and_what_is_new_refused(site: Scenario) -> None:
    world = site.world
    before = mains(site)
    draft = site.draft()
    run = site.submit(draft, draft.probe("a", seconds=1.5), draft.probe("b", "a"), draft.own("own", "first"))
    cancelled = site.submit(other := site.draft(), other.probe("long", seconds=100))
    site.reaches(run, "a", "running", "done")
    with full(world.redis):
        keys = set(world.ledger.redis.scan_iter("*staging*"))
        (world.project / "new.yaml").write_text(SPEC)
        said = world.say("run", "new.yaml", "--detach")
        assert (said.code, said.out) == (5, "")
        assert said.err.splitlines()[-1].endswith("is full: raise its maxmemory or free some")
        assert "Traceback" not in said.err
        assert set(world.ledger.redis.scan_iter("*staging*")) == keys
        site.reaches(run, "a", "done")
        assert world.say("cancel", cancelled).code == 0
        site.ended(cancelled, "cancelled")
    record = site.ended(run)
    assert [(stage.state, stage.deaths) for stage in record.stages] == [("done", 0)] * 3
    assert mains(site) == before
    assert world.say("run", "new.yaml", "--detach").code == 0


SPEC = """\
name: refused-at-first
objective: {predict: cultivar, task: classification, metric: balanced_accuracy}
data: {sources: {wines: {file: wine.csv}}}
train: {candidates: [{k_neighbors: {fixed: {n_neighbors: 3}}}], search: {folds: 2}}
"""


@pytest.mark.parametrize(
    "fault",
    [read_only, stalled, without_disk, without_disk_everysec, away],
    ids=["read-only", "stalled", "disk-full", "disk-full-everysec", "away"],
)
def test_what_ends_meanwhile_is_recorded_by_who_did_it(
    site: Scenario, fault: Callable[[RedisServer], AbstractContextManager[None]]
) -> None:
    """Longer than a lease and than the stage's own limit of time: nobody else gets the stage, and it is no timeout."""
    before = mains(site)
    draft = site.draft()
    probe = draft.probe("a", seconds=1)
    limited = probe.model_copy(update={"policy": probe.policy.model_copy(update={"timeout_s": 3.0})})
    run = site.submit(draft, limited, draft.own("own", "first", seconds=2), draft.probe("b", "a"))
    site.reaches(run, "a", "running")
    site.reaches(run, "own", "running", "done")
    with fault(site.world.redis):
        threading.Event().wait(2 * LEASE_S)  # the fault's own duration: nothing tells of it from outside
    record = site.ended(run)
    assert {stage.id: (stage.attempt, stage.deaths) for stage in record.stages} == dict.fromkeys(
        ("a", "own", "b"), (1, 0)
    )
    assert mains(site) == before


def test_a_command_meanwhile_says_so(site: Scenario) -> None:
    with stalled(site.world.redis):
        said = site.world.say("runs")
    assert said.code == 5
    assert len(said.err.strip().splitlines()) == 1, said.err


def test_pools_that_start_while_it_is_full_serve_once_it_has_room(site: Scenario) -> None:
    world = site.world
    late = world.add_host("late", pools=("ops:1",))
    with full(world.redis):
        late.start(wait=False)
        wait_until(lambda: late.log.exists() and "maxmemory" in late.log.read_text(), timeout=60)
    wait_until(late.present, timeout=60)
    late.stop()

"""The whole embedded stack: pools, service and Flower beside Redis; restarts, doctor, and an orderly end."""

from __future__ import annotations

import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.contracts.tasks import Queue
from orchestrator.local import StackState, down, ensure_up, find, status, up
from orchestrator.local.doctor import doctor
from orchestrator.local.place import Place
from orchestrator.local.processes import members
from orchestrator.settings import Settings
from tests.waiting import wait_until

NAMES = {"redis", "pools", "orchestrator", "flower"}


def silent(_: str) -> None:
    """An announcement that nobody reads."""


def now(settings: Settings) -> StackState:
    """The running stack."""
    state = status(settings)
    assert state is not None
    return state


def pids(state: StackState) -> dict[str, int | None]:
    """Process → pid."""
    return {process.name: process.pid for process in state.processes}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home whose stack is up: at first only the Redis that a reader started, which `up` completes."""
    settings = Settings(home=tmp_path_factory.mktemp("stack") / "home")
    try:
        assert ensure_up(settings, silent, pools=False) == find(settings)
        alone = pids(now(settings))
        state, started = up(settings, silent)
        assert started
        assert set(pids(state)) == NAMES
        assert pids(state)["redis"] == alone["redis"]
        yield settings
    finally:
        down(settings, silent)


def test_the_doctor_finds_everything_in_reach(home: Settings) -> None:
    diagnosis = doctor(home)
    assert [finding for finding in diagnosis.findings if not finding.ok or finding.warning] == []
    checks = {finding.check for finding in diagnosis.findings}
    assert checks == {"store", "records", "redis", "queue prep", "queue train", "queue evaluate", "queue ops", "flower"}
    assert diagnosis.exit_code == 0


def test_a_second_up_does_nothing(home: Settings) -> None:
    before = now(home)
    said: list[str] = []
    state, started = up(home, said.append)
    assert not started
    assert said == []
    assert (state.pid, pids(state)) == (before.pid, pids(before))


def fetch(url: str) -> str:
    """A page of our own stack."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
        return str(answer.read().decode())


def test_flower_shows_the_pools_and_what_could_change_them_is_shut(home: Settings) -> None:
    assert doctor(home).exit_code == 0
    page = now(home).flower_url
    assert page is not None
    wait_until(lambda: all(f"{queue}@" in fetch(f"{page}/workers") for queue in Queue), timeout=30, every=0.2)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        fetch(f"{page}/api/workers")


@pytest.mark.parametrize("name", ["pools", "orchestrator", "flower"])
def test_a_killed_process_comes_back_and_the_others_stay(home: Settings, name: str) -> None:
    before = pids(now(home))
    killed = before[name]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    after = wait_until(lambda: (found := pids(now(home)))[name] not in (killed, None) and found)
    assert {other: after[other] for other in NAMES - {name}} == {other: before[other] for other in NAMES - {name}}


def test_a_killed_redis_comes_back_and_stages_run_again(home: Settings) -> None:
    killed = pids(now(home))["redis"]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: pids(now(home))["redis"] not in (killed, None))
    diagnosis = wait_until(lambda: (found := doctor(home)).exit_code == 0 and found, timeout=60)
    assert diagnosis.exit_code == 0


def test_a_killed_supervisor_leaves_nothing_and_the_next_up_goes_on(home: Settings) -> None:
    marker = Place(home.home).marker()
    os.kill(now(home).pid, signal.SIGKILL)
    wait_until(lambda: not members(marker), timeout=60, every=0.1)
    assert find(home) is None
    _, started = up(home, silent)
    assert started
    assert set(pids(now(home))) == NAMES


def test_an_up_at_once_after_the_supervisor_was_killed_waits_for_its_warden(home: Settings) -> None:
    supervisor = psutil.Process(now(home).pid)
    supervisor.kill()
    supervisor.wait(10)
    state, started = up(home, silent)
    assert started
    wait_until(lambda: set(pids(now(home))) == NAMES and None not in pids(now(home)).values())
    assert now(home).pid == state.pid


def test_logs_tell_of_each_process(home: Settings) -> None:
    logs = {path.stem for path in Place(home.home).logs.glob("*.log")}
    assert logs >= NAMES | {"supervisor"}


def test_down_ends_every_process_in_order(home: Settings) -> None:
    marker = Place(home.home).marker()
    processes = wait_until(lambda: len(found := members(marker)) > 8 and found, timeout=60, every=0.1)
    assert down(home, silent)
    assert members(marker) == []
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    left = {path.name for path in Path(home.home).iterdir()}
    assert left & {"stack.json", "up.lock", "supervisor.lock"} == set()
    assert "Calling fsync() on the AOF file" in Place(home.home).log("redis").read_text()

"""The composition root: every task behind one body, threads that fit the cores, a broker that is looked for soon."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from orchestrator.contracts.tasks import TASKS
from orchestrator.settings import Settings
from workers.app import Worker
from workers.catalogue import FUNCTIONS, function_of
from workers.runtime.broker import PAUSES
from workers.runtime.scratch import new_scratch, remove_abandoned
from workers.runtime.signature import read_signature
from workers.runtime.threads import VARIABLES, cores, pin_threads, single_threaded

HELD_BY_PEOPLE = "release.approve"


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(Settings(redis_url=f"unix://{tmp_path}/none.sock", home=tmp_path), "ops", 1)


def test_every_task_is_registered(worker: Worker) -> None:
    assert set(TASKS) <= set(worker.app.tasks)


def test_every_function_takes_and_gives_what_the_table_says() -> None:
    assert set(FUNCTIONS) == set(TASKS) - {HELD_BY_PEOPLE, "custom"}
    for name in FUNCTIONS:
        signature = read_signature(function_of(name))
        wanted = {one.rstrip("?"): one.endswith("?") for one in TASKS[name].inputs}
        assert {slot.name: slot.optional for slot in signature.inputs.values()} == wanted, name
        assert tuple(signature.outputs) == TASKS[name].outputs, name
        assert set(signature.options) <= {"params"}, name


def test_a_lost_broker_is_looked_for_soon(worker: Worker) -> None:
    pauses: list[float] = []
    with worker.app.connection_for_read() as connection, pytest.raises(OperationalError):
        connection.ensure_connection(lambda _error, pause: pauses.append(pause), max_retries=1)
    assert pauses == [PAUSES["interval_start"]]


def test_a_share_of_the_cores_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "99")
    environment = dict(os.environ)
    single_threaded(environment)
    assert {environment[name] for name in VARIABLES} == {"1"}
    share = pin_threads(cores())
    assert share == 1
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert pin_threads(1) == cores()


def test_a_teams_import_of_stage_is_cheap() -> None:
    heavy = {"pandas", "numpy", "pydantic", "celery"}
    code = f"import sys; from workers import stage; sys.exit(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_working_folders_of_the_dead_are_removed(tmp_path: Path) -> None:
    mine = new_scratch(tmp_path)
    mine.mkdir(parents=True)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    theirs = mine.with_name(mine.name.replace(f".{os.getpid()}.", f".{gone.pid}."))
    theirs.mkdir()
    (theirs / "file").touch()
    assert remove_abandoned(tmp_path) == 1
    assert mine.is_dir()
    assert not theirs.exists()


def test_what_the_dead_were_writing_into_the_cache_is_removed(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    old, young = tmp_path / "tmp" / "old", tmp_path / "tmp" / "young"
    for file in (old, young):
        file.touch()
    days_ago = time.time() - 2 * 86_400
    os.utime(old, (days_ago, days_ago))
    assert remove_abandoned(tmp_path) == 1
    assert young.exists()
    assert not old.exists()

"""When things go wrong: Ctrl-C, cancel, own code that raises, killed workers, a killed Redis."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil
import pytest

from tests.acceptance.project import Project, stages
from tests.waiting import wait_until

SPEC = """\
name: slow
objective: {predict: diagnosis, task: classification, positive: malignant, metric: roc_auc}
data: {sources: {cases: {file: data/cancer.csv}}}
stages:
  - {name: own, call: own.work:own, with: {seconds: SECONDS}, after: prepare, before: split}
train:
  candidates: [{logistic_regression: {fixed: {max_iter: 1000}, grid: {C: [0.1, 1]}}}]
"""

WORK = """\
import time
import pandas as pd
from own.text import greeting

def own(table: pd.DataFrame, *, seconds: float = 0) -> pd.DataFrame:
    print(greeting("started"), flush=True)
    time.sleep(seconds)
    return table
"""


@pytest.fixture(scope="module", autouse=True)
def _own_code(project: Project) -> None:
    assert project.say("init", ".", "--example", "cancer").code == 0
    project.write("own/__init__.py", "")
    project.write("own/text.py", "def greeting(word):\n    return 'own stage ' + word\n")
    project.write("own/work.py", WORK)


def spec(project: Project, name: str, seconds: float) -> str:
    project.write(f"{name}.yaml", SPEC.replace("name: slow", f"name: {name}").replace("SECONDS", str(seconds)))
    return f"{name}.yaml"


def state(project: Project, run: str, stage: str) -> str:
    return str(stages(project.document("status", run))[stage]["status"])


def detached(project: Project, file: str, *more: str) -> str:
    return str(project.document("run", file, "--detach", *more)["run"])


def running(project: Project, run: str, stage: str = "own") -> dict[str, Any]:
    wait_until(lambda: state(project, run, stage) == "running", timeout=60, every=0.2)
    found: dict[str, Any] = stages(project.document("status", run))[stage]
    return found


def tree(project: Project, word: str) -> list[psutil.Process]:
    """Processes of this project's stack whose command line has a word."""
    home = str(project.folder)
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        environment, line = process.info["environ"] or {}, " ".join(process.info["cmdline"] or [])
        if word in line and (home in line or environment.get("CYCLERY_HOME", "").startswith(home)):
            found.append(process)
    return found


def test_ctrl_c_detaches_and_watch_comes_back(project: Project) -> None:
    command = project.start("run", spec(project, "interrupted", 3))
    wait_until(
        lambda: [one for one in project.document("runs") if one["workflow"] == "interrupted"], timeout=60, every=0.2
    )
    run = next(one["run"] for one in project.document("runs") if one["workflow"] == "interrupted")
    running(project, run)
    command.send_signal(signal.SIGINT)
    _, told = command.communicate(timeout=30)
    assert command.returncode == 130
    assert f"cyclery watch {run}" in told
    assert project.document("watch", run)["status"] == "succeeded"


def test_what_a_stage_prints_is_its_log(project: Project) -> None:
    run = next(one["run"] for one in project.document("runs") if one["workflow"] == "interrupted")
    assert "own stage started" in project.say("logs", run, "own").out


def test_an_identical_run_is_attached_to(project: Project) -> None:
    file = spec(project, "attached", 4)
    first = detached(project, file)
    assert detached(project, file) == first
    assert project.document("watch", first)["status"] == "succeeded"


def test_cancel_stops_a_stage_that_runs(project: Project) -> None:
    run = detached(project, spec(project, "cancelled", 300))
    running(project, run)
    told = project.say("cancel", run)
    assert told.code == 0
    assert f"{run} is being cancelled" in told.out
    assert f"Next: cyclery watch {run}" in told.out
    document = project.document("watch", run, code=7)
    assert document["status"] == "cancelled"
    assert stages(document)["own"]["status"] == "cancelled"


def test_own_code_that_raises_shows_its_own_frames_and_retry_goes_on_after_mending(project: Project) -> None:
    file = spec(project, "raising", 0)
    project.write("own/work.py", WORK.replace("return table", "return 1 / (len(table) - len(table))"))
    failed = project.document("run", file, code=1)
    own = stages(failed)["own"]
    assert (failed["status"], own["status"]) == ("failed", "failed")
    assert "ZeroDivisionError" in str(own["error"])
    said = project.say("status", failed["run"])
    text = said.out + said.err
    assert "own/work.py" in text
    assert "workers/runtime" not in text
    assert project.say("retry", failed["run"], "--same-code", "--json").code == 1
    project.write("own/work.py", WORK)
    again = project.document("retry", failed["run"])
    assert (again["run"], again["status"]) == (failed["run"], "succeeded")
    assert stages(again)["prepare"]["cached"]


def test_an_edit_elsewhere_changes_nothing_and_an_edit_of_an_import_does(project: Project) -> None:
    file = spec(project, "edited", 0)
    assert project.document("run", file)["status"] == "succeeded"
    project.write("own/unrelated.py", "print('not imported')\n")
    assert all(stage["cached"] for stage in project.document("run", file)["stages"])
    project.write("own/text.py", "def greeting(word):\n    return 'an own stage has ' + word\n")
    again = stages(project.document("run", file))
    assert not again["own"]["cached"]
    assert again["prepare"]["cached"]
    assert again["split"]["cached"]  # the same bytes came of it: found by content


def test_retry_from_a_stage_runs_it_and_what_follows_afresh(project: Project) -> None:
    first = project.document("run", spec(project, "afresh", 0))
    again = stages(project.document("retry", first["run"], "--from", "select"))
    order = list(again)
    for name, stage in again.items():
        assert stage["cached"] == (order.index(name) < order.index("select")), name


def test_a_missing_requirement_is_a_clear_answer(project: Project) -> None:
    text = (project.folder / spec(project, "requiring", 0)).read_text()
    project.write("requiring.yaml", text.replace("before: split", "before: split, requires: ['no-such-package>=2']"))
    document = project.document("run", "requiring.yaml", code=1)
    assert "no-such-package>=2" in str(stages(document)["own"]["error"])


def test_a_run_survives_killed_workers(project: Project) -> None:
    run = detached(project, spec(project, "killed", 6))
    running(project, run)
    for process in tree(project, "workers.runtime.pools"):
        if psutil.pid_exists(process.pid):
            os.kill(process.pid, signal.SIGKILL)
    document = project.document("watch", run)
    assert document["status"] == "succeeded"
    assert stages(document)["own"]["attempts"] == 2


def test_a_run_survives_a_killed_redis(project: Project) -> None:
    run = detached(project, spec(project, "outage", 4))
    running(project, run)
    servers = tree(project, "redis.conf")
    assert servers
    for process in servers:
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: project.say("status", run).code == 0, timeout=60, every=0.5)
    assert project.document("watch", run)["status"] == "succeeded"


def test_down_leaves_nothing_behind_and_the_runs_are_still_there(project: Project) -> None:
    before = project.document("runs")
    assert project.say("down").code == 0
    assert tree(project, "") == [] or {process.pid for process in tree(project, "")} <= {os.getpid()}
    assert project.document("runs") == before

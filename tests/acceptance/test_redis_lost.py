"""Redis is lost together with its disk, under a stack that goes on running; `cyclery restore` brings it back."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import Any

import pytest

from tests.acceptance.project import Project
from tests.waiting import wait_until

SPEC = """\
name: small
objective: {predict: diagnosis, task: classification, positive: malignant, metric: roc_auc}
data: {sources: {cases: {file: data/cancer.csv}}}
train:
  candidates: [{logistic_regression: {fixed: {max_iter: 1000}, grid: {C: [0.1, 1]}}}]
gates: ["beats: dummy"]
"""

STUCK = """\
name: stuck
objective: {predict: diagnosis, task: classification, positive: malignant, metric: roc_auc}
data: {sources: {cases: {file: data/cancer.csv}}}
stages:
  - {name: own, call: waiting:until_there, with: {path: PATH}, after: prepare, before: split}
train:
  candidates: [{logistic_regression: {fixed: {max_iter: 1000, C: 0.5}}}]
"""

WAITING = """\
import time
from pathlib import Path
import pandas as pd

def until_there(table: pd.DataFrame, *, path: str) -> pd.DataFrame:
    while not Path(path).exists():
        time.sleep(0.05)
    return table
"""


class Scene:
    """What happened before the loss, and what people saw of it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.store = project.folder / ".cyclery" / "store"
        assert project.say("init", ".", "--example", "cancer").code == 0
        project.write("small.yaml", SPEC)
        project.write("waiting.py", WAITING)
        self.gate = project.folder / "gate"
        project.write("stuck.yaml", STUCK.replace("PATH", json.dumps(str(self.gate))))
        first = project.document("run", "small.yaml")["run"]
        second = project.document("run", "small.yaml", "--set", "approve=true", "--set", "split.seed=8", code=4)["run"]
        assert project.say("approve", second, "--note", "fine").code == 0
        project.document("watch", second)
        for words in (("promote", "small@1"), ("promote", "small@2"), ("rollback", "small", "--note", "worse")):
            assert project.say(*words).code == 0
        self.ended = [first, second]
        self.held = project.document("run", "small.yaml", "--set", "approve=true", "--set", "split.seed=9", code=4)[
            "run"
        ]
        self.stuck = project.document("run", "stuck.yaml", "--detach")["run"]
        wait_until(self.all_kept, timeout=120)

    def all_kept(self) -> bool:
        """Whether the store has been told of all that happened."""
        kept = [self.store / "manifests" / f"{run}.json" for run in self.ended]
        kept += [self.store / "submissions" / f"{run}.json" for run in (self.held, self.stuck)]
        kept += (self.store / "checkpoints").glob(f"{self.held}@1+*.json")
        return len(kept) == 5 and all(path.exists() for path in kept) and len(self.audit()) == 13

    def audit(self) -> list[str]:
        """The audit log, as it is kept."""
        return [path.read_text() for path in sorted((self.store / "audit").glob("*.json"))]

    def seen(self) -> dict[str, Any]:
        """What people see of what ended."""
        say = self.project.document
        return {
            "models": say("models"),
            "live": say("model", "small@production"),
            "runs": [one for one in say("runs") if one["run"] in self.ended],
            **{run: say("status", run) for run in self.ended},
            "logs": say("logs", self.ended[0]),
            "trials": say("trials", self.ended[1]),
            "compared": say("data", "list")[0]["digest"],
        }

    def lose_redis(self) -> None:
        """Its files go, then the process; the stack starts another one, which finds nothing."""
        redis = next(one for one in self.project.document("up")["processes"] if one["name"] == "redis")
        for left in (self.project.folder / ".cyclery" / "redis").glob("appendonlydir*"):
            shutil.rmtree(left)
        os.kill(redis["pid"], signal.SIGKILL)
        wait_until(lambda: self.project.say("runs", "--json").out.strip() == "[]", timeout=60, every=0.2)


@pytest.fixture(scope="module")
def scene(project: Project) -> Scene:
    return Scene(project)


def test_a_lost_redis_comes_back_from_the_store(scene: Scene) -> None:
    project, before, log = scene.project, scene.seen(), scene.audit()
    scene.lose_redis()
    refused = project.say("run", "small.yaml")
    assert (refused.code, "cyclery restore" in refused.err) == (5, True), refused.err
    assert "cyclery restore" in project.say("runs").out
    doctor = project.document("doctor", code=5)
    assert any("cyclery restore" in one["detail"] for one in doctor["checks"] if not one["ok"])

    dry = project.document("restore", "--dry-run")
    assert project.document("runs") == []
    found = project.document("restore")
    assert found | {"dry_run": True} == dry
    assert (found["runs"], found["decisions"], found["audit"]) == (2, 13, 13)
    assert found["models"] == [{"model": "small", "versions": 2, "production": 1}]
    assert found["missing"] == found["damaged"] == []
    assert scene.seen() == before
    assert scene.audit() == log

    lost = {one["run"]: one for one in found["in_flight"]}
    assert list(lost) == [scene.held, scene.stuck]
    assert lost[scene.held]["author"] == "tester"
    assert lost[scene.held]["known"] == lost[scene.held]["stages"] - 3  # gates are judged again; approve, register
    assert 0 < lost[scene.stuck]["known"] < lost[scene.stuck]["stages"]
    assert lost[scene.held]["next"] == f"cyclery retry {scene.held}"
    assert project.document("status", scene.held, code=7)["notes"][-1].startswith("Redis was lost")
    assert project.say("restore").code == 6

    again = project.document("run", "small.yaml")
    assert all(stage["cached"] for stage in again["stages"]), [
        one["id"] for one in again["stages"] if not one["cached"]
    ]
    assert len(project.document("models")[0]["versions"]) == 2


def test_what_was_under_way_is_submitted_again(scene: Scene) -> None:
    project = scene.project
    asked = project.document("retry", scene.held, code=4)
    assert (asked["run"], asked["generation"]) == (scene.held, 2)
    assert {one["id"] for one in asked["stages"] if not one["cached"]} == {"gates", "approve", "register"}
    assert project.say("approve", scene.held).code == 0
    assert project.document("watch", scene.held)["champion"]["model"] == "small@3"
    scene.gate.touch()
    (project.folder / ".cyclery" / "runs" / f"{scene.stuck}.json").unlink()  # as on a machine that knows no file of it
    assert project.say("retry", scene.stuck).code == 2
    done = project.document("retry", scene.stuck, "--same-code")
    assert (done["status"], done["generation"], done["champion"]["model"]) == ("succeeded", 2, "stuck@1")
    assert project.say("promote", "small@3").code == 0
    assert project.document("rollback", "small")
    wait_until(lambda: len(scene.audit()) == 21, timeout=60)
    numbered = [json.loads(one)["event"] for one in scene.audit()[13:]]
    assert numbered[-2:] == ["promoted", "rolled back"]
    assert next(one for one in project.document("doctor")["checks"] if one["check"] == "records")["ok"]

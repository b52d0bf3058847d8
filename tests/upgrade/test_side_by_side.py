"""This release finishes what 0.1.0 began, 0.1.0 what it knows of what this one began, and both work side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from orchestrator.store.audit import entries
from orchestrator.store.manifests import manifests, read_manifest
from tests.acceptance.project import ROOT
from tests.faults.cases import KINDS, Case
from tests.faults.faults import KillChild
from tests.faults.storm import Storm, without_faults
from tests.faults.world import World
from tests.upgrade.keep_records import SPEC, TEAM, write_project
from tests.upgrade.release import Release
from tests.upgrade.scene import ELDER, ReleaseBefore, replace_service
from tests.waiting import wait_until

POOLS = ("prep:3", "train:1", "evaluate:1", "ops:1")  # two of the first are kept waiting
# Whole lifecycles are followed by the first two tests, and by the long storm's round of this name.
KINDS_TOGETHER = ("chain", "fan", "probes", "approved", "rejected", "cancelled", "retried", "fan")
FEW = ("prep:1", "ops:1")  # all that these need
PATIENT = """
from pathlib import Path

def patient(table: pd.DataFrame, *, dropped: int) -> pd.DataFrame:
    while not Path({go!r}).exists():
        time.sleep(0.02)
    return table
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A Redis and a project; nobody serves yet."""
    world = World(tmp_path)
    world.redis.start()
    write_project(world.project)
    (world.project / "house.py").write_text(house(world))
    (world.project / "half.yaml").write_text(SPEC.format(name="half", call="patient").replace("approve:", "#"))
    try:
        yield world
    finally:
        assert world.close() == []


@pytest.fixture
def before(world: World) -> Release:
    """The release before this one."""
    return Release.unpacked("0.1.0", world.folder / "before")


def house(world: World) -> str:
    """The team's code, with a stage that waits until it is told to go on."""
    return TEAM + PATIENT.format(go=str(world.folder / "go"))


def document(world: World, *words: str, code: int = 0, **release: str) -> Any:
    said = world.say(*words, "--json", **release)
    assert said.code == code, f"{words} answered {said.code}\n{said.out}\n{said.err}"
    return said.json


def begun(world: World, **release: str) -> dict[str, str]:
    """A run under way, one held, one failed, one that would never end: by the client of a release."""
    runs = {name: document(world, "run", f"{name}.yaml", "--detach", **release)["run"] for name in ("half", "stopped")}
    for run in runs.values():
        wait_until(partial(waits, world, run), 60)
    runs["held"] = document(world, "run", "held.yaml", code=4, **release)["run"]
    runs["failing"] = document(world, "run", "failing.yaml", code=1, **release)["run"]
    return runs


def waits(world: World, run: str) -> bool:
    return state(world, run, "own") == "running"


def ended_as(world: World, run: str, status: str) -> bool:
    record = world.history.snapshot(run)
    return record is not None and record.status == status


def state(world: World, run: str, stage: str) -> str | None:
    record = world.history.snapshot(run)
    found = record.stage(stage) if record is not None else None
    return None if found is None else found.state.value


def finish(world: World, runs: dict[str, str], **release: str) -> None:
    """Each of them to its right end, by the client of another release."""
    (world.folder / "go").touch()
    mended = house(world).replace('raise ValueError("this stage is broken")', "return table")
    (world.project / "house.py").write_text(mended)
    document(world, "approve", runs["held"], "--note", "by the other release", **release)
    if state(world, runs["stopped"], "own") == "running":
        document(world, "cancel", runs["stopped"], **release)
    assert document(world, "watch", runs["half"], **release)["champion"]["model"] == "half@1"
    assert document(world, "retry", runs["failing"], code=4, **release)["status"] == "held"
    document(world, "reject", runs["failing"], "--note", "by the other release", **release)
    for name, end in (("half", "succeeded"), ("held", "succeeded"), ("stopped", "cancelled"), ("failing", "refused")):
        wait_until(partial(ended_as, world, runs[name], end), 120)
    report = document(world, "report", runs["half"], **release)["report"]
    assert Path(report).exists()


def recorded_once(world: World, runs: dict[str, str]) -> None:
    """Every run has ended, its manifest and its decisions are kept, and no decision twice."""
    redis, keys = world.ledger.redis, world.ledger.keys
    wait_until(lambda: not world.ledger.ended() and not redis.exists(keys("audit:outbox")), 60)
    for run in runs.values():
        record = world.history.snapshot(run)
        assert record is not None
        assert record.status.ended
        assert read_manifest(world.store, run) == record.model_copy(update={"position": ANY})
    found = Counter((entry["event"], entry["run"]) for entry in entries(world.store) if entry["event"] != "judged")
    assert found == {
        **{("submitted", run): 1 for run in runs.values()},
        ("submitted", runs["failing"]): 2,
        ("approved", runs["held"]): 1,
        ("rejected", runs["failing"]): 1,
        **{("registered", runs[name]): 1 for name in ("half", "held", "failing")},
    }


def test_this_release_finishes_what_the_one_before_began(world: World, before: Release) -> None:
    replace_service(world, str(before.folder), orderly=True)
    elder = before.host(world, ELDER, POOLS)
    elder.start()
    runs = begun(world, **before.path)
    elder.kill_tree()  # in the middle of two stages
    replace_service(world, str(ROOT), orderly=False)
    world.add_host("younger", pools=POOLS).start()
    finish(world, runs)
    recorded_once(world, runs)
    (world.project / "house.py").write_text(house(world))
    again = document(world, "run", "held.yaml", "--new", code=4)
    uncached = {stage["id"] for stage in again["stages"] if not stage["cached"]}
    # The others are results of the release before, or of the retry. What is registered was made by tasks of later
    # versions; and a team's stage counts on XGBoost, LightGBM and CatBoost, which that release did not look for.
    assert uncached == {"own", "package", "spend", "approve", "register"}
    document(world, "reject", again["run"])


def test_after_a_roll_back_runs_go_on_as_far_as_the_release_before_knows_them(world: World, before: Release) -> None:
    """It does what it knows; what it does not waits, unharmed, and ends once this release is there again."""
    replace_service(world, str(ROOT), orderly=True)
    younger = world.add_host("younger", pools=POOLS)
    younger.start()
    runs = begun(world)
    younger.kill_tree()
    replace_service(world, str(before.folder), orderly=False)
    before.host(world, ELDER, POOLS).start()
    (world.folder / "go").touch()
    wait_until(lambda: state(world, runs["half"], "features") == "done", 120)
    document(world, "cancel", runs["stopped"], **before.path)
    record = world.history.snapshot(runs["half"])
    assert record is not None
    assert {stage.worker.partition("@")[2] for stage in record.stages if stage.id == "features" and stage.worker} == {
        ELDER
    }
    assert {stage.state.value for stage in record.stages if stage.task == "train.trial"} == {"ready"}
    younger.start()
    finish(world, runs)
    recorded_once(world, runs)


def test_side_by_side_nothing_is_lost_or_recorded_twice(world: World, before: Release) -> None:
    cases = [Case(kind, number, KINDS[kind].end) for number, kind in enumerate(KINDS_TOGETHER)]
    alone = World(world.folder / "alone")
    try:
        alone.given |= before.path
        alone.redis.start()
        alone.service.start()  # this release's: the other one's would not see to all that is left
        before.host(alone, ELDER, FEW).start()
        reference = without_faults(alone, [replace(case, runs=[], decisions=[]) for case in cases])
    finally:
        assert alone.close() == []
    world.service.start()
    world.add_host("younger", pools=FEW).start()
    before.host(world, ELDER, FEW).start()
    storm = Storm(7, [ReleaseBefore(before), KillChild()], pause=(0.1, 0.4), lasting=(1.0, 3.0), longest=8)
    result = storm.run(world, cases, reference)
    assert result.violations == []
    assert result.faults[ReleaseBefore.name] > 0
    kept = (read_manifest(world.store, run) for run in manifests(world.store))
    workers = {stage.worker for record in kept if record is not None for stage in record.stages if stage.worker}
    assert {worker.partition("@")[2] for worker in workers} == {ELDER, "younger"}

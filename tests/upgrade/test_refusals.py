"""What a release does not know it leaves alone, and says so: tasks and plans of a newer one, namespaces, stacks."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.client.planning import calls_of
from orchestrator.client.session import Session
from orchestrator.contracts.calls import PLAN_VERSION, Plan, StageCall
from orchestrator.contracts.errors import InvalidInput, Outdated
from orchestrator.contracts.records import RECORD_VERSION
from orchestrator.contracts.tasks import TASKS, as_done_here, message_name, names_of, spoken
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import FIRST_NAMES
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from orchestrator.store.format import FORMAT
from orchestrator.store.manifests import parse_manifest
from orchestrator.store.models import Registry
from tests.acceptance.project import ROOT
from tests.faults.world import World
from tests.integration.ledger_case import Hand, call
from tests.upgrade.release import Release
from tests.upgrade.scene import ELDER
from tests.waiting import wait_until

OPS = ("ops:1",)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A Redis and the service."""
    world = World(tmp_path)
    world.redis.start()
    world.service.start()
    try:
        yield world
    finally:
        assert world.close() == []


def later(folder: Path) -> Release:
    """A release that is yet to come: its plans are of a later version, and its probe another one."""
    for package in ("orchestrator", "workers"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "starters"))
    for name, old, new in (
        ("calls", f"PLAN_VERSION = {PLAN_VERSION}", f"PLAN_VERSION = {PLAN_VERSION + 1}"),
        ("tasks", '"ops.probe", 1', '"ops.probe", 2'),
    ):
        file = folder / "orchestrator" / "contracts" / f"{name}.py"
        assert file.read_text().count(old) == 1
        file.write_text(file.read_text().replace(old, new))
    about = folder / "cyclery-9.0.0.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text("Metadata-Version: 2.4\nName: cyclery\nVersion: 9.0.0\n")
    return Release(folder)


def submitted(world: World, *, version: int, plan: int, key: str | None = None, seconds: float = 0) -> str:
    """A run of one probe, as a release plans it that has these versions."""
    params = {"echo": "hello", "seconds": seconds}
    probe = StageCall(id="probe", task="ops.probe", queue="ops", version=version, params=params, key=key)
    return world.ledger.submit(Submission(Plan(version=plan, workflow="later", stages=(probe,)))).run


def state(world: World, run: str) -> str:
    record = world.history.snapshot(run)
    assert record is not None
    return record.stages[0].state.value


def refusals(world: World, run: str) -> int:
    text = str(world.ledger.redis.hget(world.ledger.keys.run(run, "stages"), "probe"))
    found = re.search(r'"refused":(\d+)', text)
    return int(found[1]) if found else 0


def test_a_newer_releases_stage_waits_for_a_newer_worker_and_people_are_told(world: World) -> None:
    world.add_host("younger", pools=OPS).start()
    run = submitted(world, version=2, plan=PLAN_VERSION + 1)
    wait_until(lambda: refusals(world, run) > 1, 60)  # rung again, and refused again
    assert state(world, run) == "ready"
    said = world.say("status", run)
    version = world.history.pools()[0].version
    who = f"ops@younger runs Cyclery {version}"
    told = f"no worker here knows ops.probe v2 of plan v{PLAN_VERSION + 1} ({who}): upgrade the workers of pool ops"
    assert told in " ".join((said.out + said.err).split())
    assert "upgrade this one" in world.hosts["younger"].log.read_text()
    assert "Traceback" not in world.hosts["younger"].log.read_text()
    later(world.folder / "later").host(world, "coming", OPS).start()
    wait_until(lambda: state(world, run) == "done", 60)
    world.hosts["younger"].stop()
    older = submitted(world, version=1, plan=PLAN_VERSION, key="planned")
    wait_until(lambda: state(world, older) == "done", 60)  # a later release finishes what this one planned
    assert world.ledger.cached("planned") is None  # and keeps the result as its own version's


def test_workers_of_the_release_before_never_run_what_they_would_run_wrongly(world: World) -> None:
    Release.unpacked("0.1.0", world.folder / "before").host(world, ELDER, OPS).start()
    run = submitted(world, version=2, plan=PLAN_VERSION)
    heard = world.hosts[ELDER].log
    wait_until(lambda: "unregistered task" in heard.read_text(), 60)
    known = submitted(world, version=1, plan=PLAN_VERSION)
    wait_until(lambda: state(world, known) == "done", 60)
    assert state(world, run) == "ready"
    world.ledger.cancel(run, "tester")
    assert state(world, run) == "cancelled"


def test_names_say_the_versions_that_the_first_release_did_not_have() -> None:
    assert message_name("train.trial", 1, 1) == "train.trial"
    assert message_name("train.trial", 3, 1) == "train.trial@3"
    assert message_name("train.trial", 1, 2) == "train.trial/plan2"
    assert spoken(message_name("train.trial", 3, 2)) == "train.trial v3 of plan v2"
    assert set(FIRST_NAMES) <= {name for task in TASKS.values() if task.since == 1 for name in names_of(task)}


def test_a_later_version_does_the_calls_of_those_before_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = TASKS["ops.probe"]
    monkeypatch.setitem(TASKS, "ops.probe", replace(probe, version=3, since=2))
    assert names_of(TASKS["ops.probe"]) == ("ops.probe@2", "ops.probe@3")
    assert as_done_here(call("a").model_copy(update={"version": 2})).version == 3
    assert as_done_here(call("a").model_copy(update={"version": 4})).version == 4  # never claimed here


def test_flower_shows_the_task_and_celery_its_version(redis: redis_py.Redis, settings: Settings) -> None:
    hand = Hand(Ledger(redis, settings))
    bell = hand.submit(call("a").model_copy(update={"version": 2})).bells[0]
    message = json.loads(str(redis.rpop(hand.ledger.keys.broker("ops"))))
    headers = message["headers"]
    assert (bell.task, headers["task"], headers["shadow"]) == ("ops.probe@2", "ops.probe@2", "ops.probe")
    assert hand.record(bell.run).stages[0].task == "ops.probe"


def test_a_message_of_an_earlier_generation_claims_no_other_task(redis: redis_py.Redis, settings: Settings) -> None:
    hand = Hand(Ledger(redis, settings))
    bell = hand.submit(call("a")).bells[0]
    who = {"worker": "ops@here", "host": "here", "pid": 1, "stamp": bell.stamp}
    assert hand.ledger.claim(bell.run, "a", task="ops.probe@2", **who) is None  # type: ignore[arg-type]
    assert redis.zcard(hand.ledger.keys("bells:ops")) == 1  # its own message is still waited for
    assert hand.ledger.claim(bell.run, "a", task=bell.task, **who) is not None  # type: ignore[arg-type]


def test_a_manifest_of_a_later_version_is_named_so_whatever_its_shape() -> None:
    data = json.dumps({"version": RECORD_VERSION + 1, "run": "churn-1", "stages": "elsewhere"}).encode()
    with pytest.raises(InvalidInput, match="the manifest of churn-1 is of a newer version of Cyclery"):
        parse_manifest(data)


def test_calls_that_a_newer_release_planned_are_one_line(redis: redis_py.Redis, settings: Settings) -> None:
    hand = Hand(Ledger(redis, settings))
    run = hand.submit(call("a")).run
    calls = hand.ledger.keys.run(run, "calls")
    redis.hset(calls, "a", str(redis.hget(calls, "a")).replace("{", '{"invented_later":1,', 1))
    session = Session(settings)
    try:
        with pytest.raises(Outdated, match=f"{run} was planned by another release"):
            calls_of(session, run)
    finally:
        session.close()


def test_a_namespace_of_a_later_format_is_left_alone(redis: redis_py.Redis, settings: Settings) -> None:
    hand = Hand(Ledger(redis, settings))
    bell = hand.submit(call("a")).bells[0]
    assert redis.get(hand.ledger.keys("format")) == str(FORMAT)
    redis.set(hand.ledger.keys("format"), FORMAT + 1)
    before = redis.dump(hand.ledger.keys.run(bell.run, "stages"))
    for act in (
        lambda: hand.claim(bell),
        lambda: hand.submit(call("b")),
        lambda: hand.ledger.cancel(bell.run, "tester"),
        lambda: hand.ledger.repair(10, 0),
        lambda: Registry(redis, settings).rollback("model", by="tester"),
        lambda: Session(settings).redis,
    ):
        with pytest.raises(Outdated, match=rf"of format {FORMAT + 1}, which a newer release of Cyclery wrote"):
            act()
    assert redis.dump(hand.ledger.keys.run(bell.run, "stages")) == before


def test_every_process_ends_with_one_line_at_a_namespace_of_a_later_format(world: World) -> None:
    host = world.add_host("younger", pools=OPS)
    host.start()
    run = submitted(world, version=1, plan=PLAN_VERSION, seconds=3600)
    wait_until(lambda: state(world, run) == "running", 60)
    world.ledger.redis.set(world.ledger.keys("format"), FORMAT + 1)
    wait_until(lambda: "was given to another worker" in host.log.read_text(), 60)
    assert state(world, run) == "running"  # as it stood: nobody of this release changes it
    wait_until(lambda: not world.service.running, 60)  # it was connected before
    assert world.service.log.read_text().splitlines()[-1].endswith("or another CYCLERY_NAMESPACE")
    said = world.say("runs")
    assert said.code == 5
    assert said.err.count("\n") == 1
    assert f"of format {FORMAT + 1}" in said.err
    host.stop()
    told = host.log.read_text().count(f"of format {FORMAT + 1}")
    host.start(wait=False)
    wait_until(lambda: host.log.read_text().count(f"of format {FORMAT + 1}") > told, 60)
    assert "Traceback" not in host.log.read_text()

"""Stores that are full, read-only, slow, or answer with errors, halves and garbage: waited for, and never believed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.errors import Unreachable
from orchestrator.store.artifacts import WHOLE, ArtifactStore, store_config
from orchestrator.store.objects import Objects
from tests.faults.hosts.disk import SmallDisk
from tests.faults.hosts.gate import SICKNESSES, Sickness, StoreGate
from tests.faults.hosts.scenario import LIGHT, Scenario, scenario
from tests.faults.world import World
from tests.servers import S3Server
from tests.waiting import wait_until
from workers.runtime.patience import PatientStore

PATIENCE_S = 120.0


@dataclass
class Site(Scenario):
    """A world whose store is behind a gate; its host has a small disk for its cache."""

    gate: StoreGate
    disk: SmallDisk


LONG = WHOLE + 1000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    small = SmallDisk(tmp_path / "disk", 24)
    try:
        yield small.start()
    finally:
        small.close()


@pytest.fixture
def gate(s3_server: S3Server) -> Iterator[StoreGate]:
    here = StoreGate(s3_server)
    yield here
    here.close()


def meanwhile(ask: Callable[[], Any], then: Callable[[], object]) -> Any:
    """The answer to a question that is asked before something happens."""
    with ThreadPoolExecutor(1) as asked:
        answer = asked.submit(ask)
        then()
        return answer.result(timeout=PATIENCE_S)


def remote(gate: StoreGate, cache: Path, kind: type[ArtifactStore] = PatientStore) -> ArtifactStore:
    config = {"endpoint": gate.endpoint, "region": "us-east-1", "access_key_id": "test", "secret_access_key": "test"}
    return kind(f"{gate.server.url}/{cache.name}", cache, 2**30, config)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [100_000, LONG])
def test_a_full_disk_of_a_store_is_waited_for_and_holds_nothing_half_written(disk: SmallDisk, size: int) -> None:
    data = os.urandom(size)
    source = disk.folder.with_name("source")
    source.write_bytes(data)
    folder = disk.folder / "store"
    disk.fill()
    with pytest.raises(Unreachable, match=r"^the store .* is full \(.*No space left.*\): free some space there$"):
        ArtifactStore(str(folder), disk.folder.with_name("cache"), 2**30).put_file(source, Kind.FILE)
    assert files(folder) == []
    store = PatientStore(str(folder), disk.folder.with_name("cache"), 2**30)
    ref = meanwhile(lambda: store.put_file(source, Kind.FILE), disk.free)
    assert store.read(ref) == data
    assert [len(files(folder))] == [1]


def test_a_store_that_became_read_only_is_waited_for(disk: SmallDisk) -> None:
    folder, cache = disk.folder / "store", disk.folder.with_name("cache")
    old = ArtifactStore(str(folder), cache, 2**30).put_bytes(b"old", Kind.FILE)
    disk.freeze()
    with pytest.raises(Unreachable, match=r"^the store .* is read-only \(.*\): make it writable again$"):
        ArtifactStore(str(folder), cache, 2**30).put_bytes(b"new", Kind.FILE)
    store = PatientStore(str(folder), cache, 2**30)
    assert store.read(old) == b"old"
    assert store.read(meanwhile(lambda: store.put_bytes(b"new", Kind.FILE), disk.thaw)) == b"new"


@pytest.mark.parametrize("sickness", SICKNESSES)
@pytest.mark.parametrize("size", [1000, LONG])
def test_what_a_sick_store_says_is_asked_again(gate: StoreGate, tmp_path: Path, sickness: Sickness, size: int) -> None:
    data = os.urandom(size)
    here = remote(gate, tmp_path / "here")
    there = PatientStore(f"{gate.server.url}/here", tmp_path / "there", 2**30, here._objects._config)
    source = tmp_path / "source"
    source.write_bytes(data)

    def sick_for_a_moment() -> None:
        wait_until(lambda: gate.answered > 0, timeout=PATIENCE_S)
        gate.heal()

    gate.sickness = sickness
    ref = meanwhile(lambda: here.put_file(source, Kind.FILE), sick_for_a_moment)
    gate.answered, gate.sickness = 0, sickness
    assert meanwhile(lambda: there.read(ref), sick_for_a_moment) == data
    assert there.has(ref.digest)
    assert not [path for path in tmp_path.rglob("tmp/*") if path.is_file()]


# — whole runs


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("store")
    gate, disk = StoreGate(s3_server), SmallDisk(folder / "disk", 32)
    try:
        disk.start()
        world = World(folder, store_url=f"{s3_server.url}/world", settings=gate.settings())
        with scenario(world) as begun:
            world.start(host=False)
            world.add_host("host1", pools=LIGHT, environment={"CYCLERY_CACHE": str(disk.folder / "cache")}).start()
            yield Site(begun.world, gate, disk)
    finally:
        gate.close()
        disk.close()


def test_a_run_outlasts_an_outage_of_the_store(site: Site) -> None:
    """With less patience for each answer than the outage takes, stages go back, and no attempt is used up."""
    draft = site.draft()
    run = site.submit(draft, draft.own("a", "first"), draft.own("b", "then", "a"), draft.probe("c", "b"))
    site.gate.sickness = "error"
    wait_until(lambda: site.gate.answered > 20, timeout=PATIENCE_S)
    assert {stage.state for stage in site.record(run).stages} <= {"waiting", "ready", "running", "done"}
    site.gate.heal()
    assert {stage.attempt for stage in site.ended(run).stages} == {1}


def test_an_artifact_that_rots_in_a_bucket_is_made_again_by_a_retry(site: Site) -> None:
    draft = site.draft()
    run = site.submit(
        draft, draft.own("a", "first"), draft.own("wait", "first", seconds=2.0), draft.own("b", "join", "a", "wait")
    )
    ref = site.reaches(run, "a", "done").outputs["result"]
    objects = Objects(site.world.store_url, store_config(site.world.settings))
    path = f"artifacts/sha256/{ref.digest[7:9]}/{ref.digest[7:]}"
    objects.replace(path, b"x" * ref.size)
    for copy in (site.disk.folder / "cache").rglob(ref.digest[7:]):
        copy.unlink()
    failed = site.ended(run, "failed").stage("b")
    assert failed is not None
    assert failed.error is not None
    assert re.search(r"was damaged at s3://.*: `cyclery retry` of the run makes it again", failed.error.message)
    assert objects.size(path) is None
    assert site.world.say("retry", run, "--same-code", "--detach").code == 0
    record = site.ended(run)
    again = record.stage("a")
    assert again is not None
    assert not again.cached
    assert again.outputs["result"] == ref
    assert site.world.store.has(ref.digest)


def test_a_full_disk_of_a_host_is_waited_for(site: Site) -> None:
    draft = site.draft()
    site.disk.fill()
    run = site.submit(draft, draft.own("a", "first"), draft.own("b", "then", "a"))
    wait_until(lambda: "takes no more" in shown(site, run) or "cannot be used" in shown(site, run), timeout=PATIENCE_S)
    site.disk.free()
    site.ended(run)
    assert "Traceback" not in site.world.hosts["host1"].log.read_text()


def shown(site: Site, run: str) -> str:
    """What people may read of why a run does not move: errors of its stages, and lines of their logs."""
    errors = [stage.error.message for stage in site.record(run).stages if stage.error is not None]
    return "\n".join([*errors, *(line["line"] for _, line in site.world.history.live_log(run))])

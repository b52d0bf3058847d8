"""A project whose stack an older release started, when the newer command comes; and the other way round."""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.contracts.errors import Outdated
from orchestrator.engine.history import History
from orchestrator.local.lock import Lock
from orchestrator.local.place import Place
from orchestrator.local.state import STATE_VERSION, read_state, running
from tests.acceptance.project import ROOT, Project
from tests.upgrade.keep_release import keep
from tests.upgrade.release import KEPT, Release
from tests.waiting import wait_until


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project folder; its stack is down afterwards."""
    made = Project(tmp_path / "project")
    made.copy(ROOT / "orchestrator/starters/wine")
    try:
        yield made
    finally:
        assert made.say("down").code == 0


def releases(project: Project) -> list[str]:
    """Which releases the pools of the stack are of."""
    state = running(Place.of(project.folder / ".cyclery"))
    assert state is not None
    with redis_py.Redis.from_url(state.redis_url, decode_responses=True) as client:
        return [pool.version for pool in History(client, "cyclery").pools()]


def test_a_verb_that_runs_something_takes_an_older_stacks_place(project: Project, tmp_path: Path) -> None:
    before = Release.unpacked("0.1.0", tmp_path / "before")
    assert project.say("up", **before.path).code == 0
    begun = project.say("run", "wine.yaml", "--detach", "--json", **before.path)
    assert begun.code == 0, begun.err
    looked = project.say("runs")
    assert "The running stack is of Cyclery 0.1.0" in looked.err  # who only looks leaves it as it is
    assert "`cyclery up` renews it" in looked.err
    renewed = project.say("up")
    assert renewed.code == 0, renewed.err
    assert "The running stack is of Cyclery 0.1.0: restarting it with" in renewed.err
    wait_until(lambda: len(releases(project)) == 4, 60)
    assert "0.1.0" not in releases(project)
    assert project.document("watch", begun.json["run"])["status"] == "succeeded"
    again = project.say("run", "wine.yaml", **before.path)  # the older command with the newer stack
    assert again.code == 0, again.err
    assert "0.1.0" not in releases(project)


def test_the_stack_of_a_release_that_describes_it_otherwise_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path)
    state = {"version": STATE_VERSION + 1, "release": "9.0.0", "all": "else"}
    place.state.write_text(json.dumps(state))
    assert running(place) is None  # nobody lives
    with Lock(place.running, 0, "busy"), pytest.raises(Outdated, match=r"of a newer release of Cyclery \(9\.0\.0\)"):
        running(place)


def test_what_a_newer_release_says_more_of_its_stack_is_passed_over(tmp_path: Path) -> None:
    place = Place(tmp_path)
    process = {"name": "redis", "pid": 1, "restarts": 0, "since": 0.0, "later": True}
    known = {"pid": 1, "identity": "x", "release": "9.0.0", "redis_url": "unix:///x", "flower_url": None}
    place.state.write_text(json.dumps(known | {"version": STATE_VERSION, "processes": [process], "later": 1}))
    found = read_state(place)
    assert found is not None
    assert (found.release, found.processes[0].name) == ("9.0.0", "redis")


def test_a_release_is_kept_without_what_no_upgrade_needs(tmp_path: Path) -> None:
    wheel = tmp_path / "cyclery-0.1.0-py3-none-any.whl"
    named = ("orchestrator/service.py", "orchestrator/starters/wine/data/wine.csv", "cyclery-0.1.0.dist-info/RECORD")
    with zipfile.ZipFile(wheel, "w") as written:
        for name in named:
            written.writestr(name, name)
    with tarfile.open(keep(wheel, tmp_path / "kept")) as kept:
        assert kept.getnames() == ["orchestrator/service.py"]
    assert (KEPT / "cyclery-0.1.0.tar.xz").stat().st_size < 350 << 10

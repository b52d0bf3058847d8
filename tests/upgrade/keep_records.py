"""Keeps what a release leaves behind: `python -m tests.upgrade.keep_records 1.2.3`, once it is kept itself.

Real workers, a real service and the real command of that release run workflows of each kind; what then stands in Redis
and in the store is kept beside the release, with what its own command says of it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import redis as redis_py

from tests.acceptance.project import ROOT
from tests.faults.world import World
from tests.upgrade.release import Release
from tests.waiting import wait_until

FOLDER = Path(__file__).with_name("records")
SPEC = """\
name: {name}
objective: {{predict: cultivar, task: classification, metric: balanced_accuracy}}
data: {{sources: {{wines: {{file: wine.csv}}}}, checks: {{alcohol: {{min: 5, max: 20}}}}}}
split: {{test: 0.25, method: stratified}}
stages:
  - {{name: own, call: house:{call}, with: {{dropped: 0}}, after: prepare}}
train:
  candidates: [{{k_neighbors: {{grid: {{n_neighbors: [3, 7]}}}}}}]
  search: {{method: grid, folds: 2}}
gates: [balanced_accuracy >= 0.4]
approve: {{note: required}}
"""
TEAM = """\
import time
import pandas as pd

def kept(table: pd.DataFrame, *, dropped: int) -> pd.DataFrame:
    print("looking at", len(table), "rows")
    return table

def broken(table: pd.DataFrame, *, dropped: int) -> pd.DataFrame:
    raise ValueError("this stage is broken")

def slow(table: pd.DataFrame, *, dropped: int) -> pd.DataFrame:
    time.sleep(3600)
    return table
"""
READ = (("runs", "--limit", "50"), ("models",), ("model", "good@1"), ("approvals",))  # and the status of each run


def write_project(folder: Path) -> None:
    """The workflows, their data and the team's code."""
    shutil.copy(ROOT / "orchestrator/starters/wine/data/wine.csv", folder)
    (folder / "house.py").write_text(TEAM)
    for name, call in (
        ("good", "kept"),
        ("refused", "kept"),
        ("failing", "broken"),
        ("stopped", "slow"),
        ("held", "kept"),
    ):
        (folder / f"{name}.yaml").write_text(SPEC.format(name=name, call=call))


def live(world: World, **release: str) -> list[str]:
    """Run a workflow of each kind to its end, and one to where a person decides; their runs."""

    def document(*words: str, codes: tuple[int, ...] = (0,)) -> Any:
        said = world.say(*words, "--json", **release)
        assert said.code in codes, f"{words}: {said.code}\n{said.out}\n{said.err}"
        return said.json

    def run(*words: str) -> str:
        return str(document("run", *words, codes=(0, 1, 4))["run"])

    good = [run("good.yaml"), run("good.yaml", "--seed", "2")]
    for one in good:
        document("approve", one, "--note", "looks right")
        document("watch", one)
    for words in (("promote", "good@1"), ("promote", "good@2"), ("rollback", "good")):
        document(*words, "--note", "kept")
    rejected, failed = run("refused.yaml"), run("failing.yaml")
    document("reject", rejected, "--note", "not this one")
    document("watch", rejected, codes=(3,))
    document("retry", failed, "--same-code", codes=(1,))
    stopped = run("stopped.yaml", "--detach")
    wait_until(
        lambda: {one["id"]: one["status"] for one in document("status", stopped)["stages"]}["own"] == "running", 60
    )
    document("cancel", stopped)
    document("watch", stopped, codes=(7,))
    return [*good, rejected, failed, stopped, run("held.yaml")]


def stage_of(document: Any) -> dict[str, Any]:
    """The team's own stage in a run document."""
    return next(stage for stage in document["stages"] if stage["id"] == "own")


def keys_of(client: redis_py.Redis, prefix: str) -> dict[str, Any]:
    """Every key below a prefix: its kind and its value as JSON."""
    readers = {
        "string": client.get,
        "hash": client.hgetall,
        "set": lambda key: sorted(client.smembers(key)),  # type: ignore[arg-type]
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "list": lambda key: client.lrange(key, 0, -1),
        "stream": client.xrange,
    }
    found: dict[str, Any] = {}
    for key in sorted(client.scan_iter(match=prefix.replace("{", "\\{") + "*")):
        kind = str(client.type(key))
        found[key.removeprefix(prefix)] = {"kind": kind, "value": readers[kind](key)}
    return found


def keep(version: str, folder: Path = FOLDER) -> Path:
    """Make and write the records of a kept release; where they are."""
    with tempfile.TemporaryDirectory(prefix="cy-keep-") as place:
        world = World(Path(place))
        release = Release.unpacked(version, world.folder / "release")
        try:
            world.redis.start()
            service = release.service(world)
            service.start()
            release.host(world, "elder").start()
            write_project(world.project)
            runs = live(world, **release.path)
            wait_until(lambda: world.ledger.ended() == [], 60)  # their manifests are kept
            wait_until(lambda: world.ledger.redis.llen(world.ledger.keys("audit:outbox")) == 0, 60)
            read = [*READ, *(("status", run) for run in runs)]
            said = {" ".join(words): world.say(*words, "--json", **release.path).json for words in read}
            snapshots = {run: json.loads(said_by(release, world, run)) for run in runs}
            world.hosts["elder"].stop()
            service.stop()
            keys = keys_of(world.redis.client(), world.ledger.keys.prefix)
        finally:
            world.close()
        kept = world.folder / "kept"
        kept.mkdir()
        told = {"keys": keys, "said": said, "snapshots": snapshots}
        (kept / "records.json").write_text(json.dumps(told, indent=1, sort_keys=True))
        shutil.copytree(world.folder / "store", kept / "store")
        shutil.copytree(world.project, kept / "project", ignore=shutil.ignore_patterns(".cyclery", "__pycache__"))
        folder.mkdir(exist_ok=True)
        target = folder / f"{version}.tar.xz"
        with tarfile.open(target, "w:xz", preset=9) as packed:
            packed.add(kept, ".", filter=_anonymous)
        return target


def said_by(release: Release, world: World, run: str) -> str:
    """A run's record as the release itself reads it."""
    code = (
        "import sys; from orchestrator.settings import Settings; from orchestrator.store.connection import connect\n"
        "from orchestrator.engine.history import History; settings = Settings()\n"
        "print(History(connect(settings), settings.namespace).snapshot(sys.argv[1]).model_dump_json())"
    )
    return release.python(world, code, run)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    for named in sys.argv[1:]:
        written = keep(named)
        print(f"{written}: {written.stat().st_size // 1024} KB")  # noqa: T201  (what the person asked for)

"""What a kept release left behind, put back into a world: its Redis and its store as they were."""

from __future__ import annotations

import json
import shutil
import tarfile
from typing import Any

import redis as redis_py

from tests.faults.world import World
from tests.upgrade.keep_records import FOLDER


def put_back(version: str, world: World) -> Any:
    """Fill the world's Redis, store and project; what the release said of them."""
    place = world.folder / "kept"
    with tarfile.open(FOLDER / f"{version}.tar.xz") as kept:
        kept.extractall(place, filter="data")
    shutil.copytree(place / "store", world.store_url, dirs_exist_ok=True)
    shutil.copytree(place / "project", world.project, dirs_exist_ok=True)
    told = json.loads((place / "records.json").read_text())
    for name, key in told["keys"].items():
        _write(world.ledger.redis, world.ledger.keys(name), key["kind"], key["value"])
    return told


def _write(client: redis_py.Redis, key: str, kind: str, value: Any) -> None:
    match kind:
        case "string":
            client.set(key, value)
        case "hash":
            client.hset(key, mapping=value)
        case "set":
            client.sadd(key, *value)
        case "zset":
            client.zadd(key, dict(value))
        case "list":
            client.rpush(key, *value)
        case "stream":
            for position, entry in value:
                client.xadd(key, entry, id=position)


def missing(old: Any, new: Any, place: str = "") -> list[str]:
    """What an older release said that a newer one does not say alike; it may say more."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for name, value in old.items()
            for line in (missing(value, new[name], f"{place}.{name}") if name in new else [f"{place}.{name} is gone"])
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for at, pair in enumerate(zip(old, new, strict=True)) for line in missing(*pair, f"{place}[{at}]")]
    return [] if old == new else [f"{place}: {old!r} → {new!r}"]

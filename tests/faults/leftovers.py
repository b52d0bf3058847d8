"""What must not be left in Redis, in folders or as processes once all workflows of a world have ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from orchestrator.engine.garbage import Collector
from orchestrator.engine.ledger import Ledger
from orchestrator.store.cache import HostCache
from orchestrator.store.models import Registry
from tests.faults.processes import marked
from tests.faults.world import World

# Empty, or not there at all, when nothing is under way.
EMPTY = (
    "leases",
    "timers",
    "work",
    "active",
    "ended",
    "audit:outbox",
    "submitted",
    "deleting",
    "prep",
    "train",
    "evaluate",
    "ops",
)
# Of a run that has ended.
GONE = ("open", "roots", "work", "parked")
# What stays of a namespace that has forgotten all its runs: counters, pools, models, effects, Celery's bindings.
LASTING = re.compile(
    r"epoch|fences|stamp|ticked|settled|format|window|slots|heard|queues|environments|pools|pool:.+|runs|models|model:.+|looks:.+"
    r"|audit:drained|condemned|deleted|bound|cache:.+|_kombu\..+|unacked.*"
)
FILES = re.compile(r"artifacts/sha256/[0-9a-f/]*[0-9a-f]{64}|[a-z]+/[\w@.+-]+\.json")
CACHED = re.compile(r"(objects|derived)/../[0-9a-f]{64}|code/[^/]+/.+|locks/.+|usage")
NEVER = -1  # Redis's answer about the time to live of a key that has none; one that is gone meanwhile answers -2
Violations = Iterator[str]


def leftovers(world: World) -> Violations:
    """Orphaned entries in Redis, files and processes."""
    yield from in_ledger(world)
    yield from in_folders(world)
    yield from as_processes(world)


def in_ledger(world: World) -> Violations:
    """Leases, bells, timers, work, outbox entries, and keys of what never became a run."""
    redis, keys = world.ledger.redis, world.ledger.keys
    filled = [name for name in (*EMPTY, *_keys(world, "bells:*")) if redis.exists(keys(name))]
    yield from (f"{name} is not empty: {_sample(world, keys(name))}" for name in filled)
    yield from (f"{key} still leads to {redis.get(keys(key))!r}" for key in _keys(world, "identity:*"))
    for key in [*_keys(world, "staging:*"), *_keys(world, "cache:*")]:
        if redis.pttl(keys(key)) == NEVER and not _lasts(world, key):
            yield f"{key} would stay for ever"
    for run in world.history.run_ids():
        parts = [part for part in GONE if redis.exists(keys.run(run, part))]
        yield from (f"{run} has ended and its {part} is not empty" for part in parts)
    # A power loss may take an acknowledgement back. Celery delivers such a message again after the visibility timeout,
    # by this index; without an entry there it would stay for ever.
    delivered = cast("list[str]", redis.hkeys(keys("unacked")))
    forgotten = set(delivered) - set(cast("list[str]", redis.zrange(keys("unacked_index"), 0, -1)))
    yield from (f"the message {tag} is neither acknowledged nor delivered again" for tag in sorted(forgotten))


def in_folders(world: World) -> Violations:
    """Working folders of the dead; and files that cleaning would not know for what they are.

    What a killed process was writing stays until a pool of its host starts, or a day is over: that is done here.
    """
    for host in world.hosts.values():
        cache = Path(host.environment["CYCLERY_CACHE"])
        yield from (f"{host.name} still has {path}" for path in sorted((cache / "work").glob("*")))
        HostCache(cache, world.settings.cache_bytes).clean(0.0)
        yield from (f"{host.name} would keep {path} for ever" for path in _unknown(cache, CACHED))
    if "://" not in str(world.store_url):
        world.store.clean(0.0)
        yield from (f"the store would keep {path} for ever" for path in _unknown(Path(str(world.store_url)), FILES))


def as_processes(world: World) -> Violations:
    """Processes that belong to nothing that is meant to run."""
    known = {pid for host in world.hosts.values() for pid in host.pids()}
    known |= {program.pid for program in (world.service, world.collector) if program.running}
    for process in marked(world.marker):
        if process.pid not in known and process.is_running():
            yield f"process {process.pid} is left: {' '.join(process.cmdline())[:120]}"


def forget(world: World) -> Violations:
    """Let every run expire, and every cached result; then collect garbage: only the models' bytes may stay."""
    soon = Ledger(world.ledger.redis, world.settings.model_copy(update={"expire_s": 0.0}))
    for run in world.history.run_ids():
        soon.archive(run, int(cast("str", world.ledger.redis.hget(world.ledger.keys.run(run), "generation"))))
    while soon.expire():
        pass
    redis, keys = world.ledger.redis, world.ledger.keys
    for key in _keys(world, "*"):
        if redis.pttl(keys(key)) == NEVER and not LASTING.fullmatch(key):
            yield f"{key} stays after expiry"
        elif key.startswith("cache:") and not _lasts(world, key):
            redis.delete(keys(key))
    yield from (f"{name} is still listed" for name in ("runs", "expiring", "workflows") if redis.exists(keys(name)))
    world.collector.stop()
    redis.delete(keys("collecting"))  # of a collector that was killed: it would be over in some minutes
    collector = Collector(world.ledger, world.store, young_s=0.0, grace_s=0.0)
    collector.collect()
    collector.collect()
    kept = {artifact.digest for artifact in world.store.digests()}
    meant = collector.live()
    yield from (f"{digest} is garbage and stays" for digest in sorted(kept - meant))
    for version in Registry(redis, world.settings).list():
        for ref in (version.bundle, version.rows, version.signature, version.evaluation, version.ranking):
            if ref.digest not in kept:
                yield f"{version.name} lost {ref.digest}"


def _lasts(world: World, key: str) -> bool:
    """Whether a cached result is that of an effect that was applied: such a one never expires."""
    if not key.startswith("cache:"):
        return False
    text = str(world.ledger.redis.get(world.ledger.keys(key)))
    return "registration" in text or "spending" in text


def _keys(world: World, pattern: str) -> list[str]:
    prefix = world.ledger.keys.prefix
    escaped = prefix.replace("{", "\\{").replace("}", "\\}")
    return sorted(str(key).removeprefix(prefix) for key in world.ledger.redis.scan_iter(escaped + pattern, count=1000))


def _sample(world: World, key: str) -> Any:
    redis = world.ledger.redis
    kind = redis.type(key)
    if kind == "zset":
        return redis.zrange(key, 0, 2)
    if kind == "list":
        return [str(text)[:200] for text in cast("list[str]", redis.lrange(key, 0, 2))]
    return sorted(cast("set[str]", redis.smembers(key)))[:3] if kind == "set" else kind


def _unknown(folder: Path, known: re.Pattern[str]) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not known.fullmatch(path.relative_to(folder).as_posix()))

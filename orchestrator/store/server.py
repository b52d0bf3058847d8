"""What a Redis must be, so that it keeps what it accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.contracts.errors import Unreachable

if TYPE_CHECKING:
    import redis

STEPS_SINCE = (7, 0)  # the release from which a script may say that it runs while memory is full
WAITAOF_SINCE = (7, 2)  # the release from which one command can wait for the append-only file
NEARLY_FULL = 0.9


class NotRedis(Exception):
    """Something answers, in the words of another protocol."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a Redis says of itself, as far as Cyclery's promises rest on it."""

    product: str  # "Redis 8.2.1", "Valkey 9.1.2"
    version: tuple[int, ...]  # of the Redis protocol and commands, also for Valkey
    read_only: bool  # a replica that refuses writes
    cluster: bool
    loading: bool
    append_only: bool
    fsync: str | None  # everysec, always, no; None where it was not, or may not be, asked
    policy: str  # maxmemory-policy
    max_memory: int  # bytes; 0: unbounded
    used_memory: int = 0  # bytes
    writes_fail: bool = False  # the append-only file or the snapshot could not be written the last time


def inspect_server(client: redis.Redis, *, flushing: bool = False) -> ServerFacts:
    """Ask a Redis what it is, in one round trip; where it is old, or `flushing` is set, in another how it flushes.

    That second question is an administrator's: the users of roles may not ask it, and a refusal stands in Redis's log.
    Raises NotRedis where something else answers.
    """
    info: Any = client.info()
    if not isinstance(info, dict) or "redis_version" not in info:
        raise NotRedis(str(info) if info else "nothing")
    version = tuple(int(part) for part in str(info["redis_version"]).split(".") if part.isdigit())
    return ServerFacts(
        product=f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}",
        version=version,
        read_only=info.get("role") == "slave" and bool(info.get("slave_read_only", 1)),
        cluster=bool(info.get("cluster_enabled", 0)),
        loading=bool(info.get("loading", 0)),
        append_only=bool(info.get("aof_enabled", 0)),
        fsync=_fsync(client) if flushing or version < WAITAOF_SINCE else None,
        policy=str(info.get("maxmemory_policy", "noeviction")),
        max_memory=int(info.get("maxmemory", 0)),
        used_memory=int(info.get("used_memory", 0)),
        writes_fail="err" in (info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status")),
    )


def check(facts: ServerFacts, where: str) -> None:
    """Refuse a Redis that cannot keep what it accepts."""
    if facts.read_only:
        raise Unreachable(f"Redis at {where} is a read-only replica: point CYCLERY_REDIS_URL at its primary")
    if facts.cluster:
        raise Unreachable(f"Redis at {where} runs in cluster mode, which is not supported: use a server of its own")
    if facts.version < STEPS_SINCE:
        raise Unreachable(f"Redis at {where} is {facts.product}, which is too old: use Redis 7.2 or newer, or Valkey")
    if facts.version < WAITAOF_SINCE and not (facts.append_only and facts.fsync == "always"):
        raise Unreachable(
            f"Redis at {where} is {facts.product}: use Redis 7.2 or newer, or set appendonly yes and appendfsync always"
        )
    if facts.max_memory and facts.policy.startswith("allkeys"):
        raise Unreachable(
            f"Redis at {where} evicts keys ({facts.policy}), which would lose runs: set maxmemory-policy noeviction"
        )


def concerns(facts: ServerFacts) -> tuple[str, ...]:
    """What is not as it should be, though it works: one sentence each, for `doctor` and whoever submits."""
    found = []
    if not facts.append_only:
        found.append("Redis keeps no append-only file, so its restart loses all runs: start it with --appendonly yes")
    elif facts.fsync not in (None, "always"):
        found.append(
            f"Redis has appendfsync {facts.fsync}, so its host may lose what it has just accepted with its power: "
            "set always"
        )
    if facts.writes_fail:
        found.append("Redis could not write its file the last time: see whether its disk is full")
    if facts.max_memory and facts.used_memory > NEARLY_FULL * facts.max_memory:
        share = facts.used_memory / facts.max_memory
        found.append(f"Redis uses {100 * share:.0f} % of its maxmemory: raise it, before it refuses to take runs")
    if facts.policy != "noeviction":
        found.append(f"Redis has maxmemory-policy {facts.policy}: set noeviction, so that nothing is dropped")
    return tuple(found)


def _fsync(client: redis.Redis) -> str | None:
    import redis

    try:
        answer: dict[Any, Any] = client.config_get("appendfsync")
    except redis.ResponseError:  # a managed server may forbid CONFIG
        return None
    return str(answer["appendfsync"]) if "appendfsync" in answer else None

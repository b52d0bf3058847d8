"""What a Redis that does not serve answers → one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable

import redis

from orchestrator.contracts.errors import Unreachable
from orchestrator.contracts.text import first_line
from orchestrator.store.server import NotRedis

URL = "CYCLERY_REDIS_URL"
Line = Callable[[str, str], str]  # (where, what was answered) → the line


def refusal(error: Exception, where: str) -> Unreachable | None:
    """The one line for an answer of Redis, or of what stands in its place; None where the fault must be our own.

    All of them count as out of reach: a worker waits until somebody has put the server right.
    """
    said = first_line(error)
    for kind, line in _BY_KIND:
        if isinstance(error, kind):
            return Unreachable(line(where, said))
    if isinstance(error, (redis.ResponseError, redis.ConnectionError)):
        for word, line in _BY_WORD:
            if word in said:
                return Unreachable(line(where, said))
    return None


def hopeless(error: Exception) -> bool:
    """Whether waiting changes nothing: who answers refuses, or is not who was meant."""
    if isinstance(error, (redis.AuthenticationError, redis.InvalidResponse, NotRedis)):
        return True
    return any(word in str(error) for word in ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER"))


def silence(error: Exception, where: str) -> Unreachable:
    """The one line for a server that does not answer, or whose connection breaks as soon as it is made."""
    said = first_line(error)
    if where.startswith("rediss:") and "Timeout" in said:
        said += "; where Redis listens without TLS, write redis:// instead of rediss://"
    elif where.startswith("redis:") and ("closed by server" in said or "Connection reset" in said):
        said += "; where Redis wants TLS, write rediss:// instead of redis://"
    elif where.startswith("rediss:") and ("closed by server" in said or "Connection reset" in said):
        said += "; Redis may want a certificate of yours: add ?ssl_certfile=…&ssl_keyfile=…"
    return Unreachable(
        f"Redis at {where} does not answer ({said}): start it (the embedded one: `cyclery up`) or correct {URL}"
    )


def _forbidden(where: str, said: str) -> str:
    """Who may not do what: of a command its name, of keys and channels what the namespace needs."""
    user = re.search(r"User (\S+) has no permissions", said)
    command = re.search(r"run the '([^']+)' command", said)
    who = f"the Redis user {user.group(1)}" if user else "the Redis user"
    if command is None:
        return (
            f"{who} at {where} may not touch what is kept under CYCLERY_NAMESPACE ({said}): "
            "grant its keys (deploy/redis/users.acl), or correct the namespace"
        )
    return f"{who} at {where} may not run {command.group(1).upper()}: grant it +{command.group(1)} (ACL SETUSER)"


def _stranger(where: str, said: str) -> str:
    return f"something else than Redis answers at {where} ({said[:80]}): correct host and port in {URL}"


def _wrong_password(where: str, _: str) -> str:
    return f"Redis at {where} refuses the password: correct user and password in {URL}"


def loading(where: str, _: str = "") -> str:
    """The line for a Redis that reads its file."""
    return f"Redis at {where} is still loading its data: try again in a moment"


_BY_KIND: tuple[tuple[type[Exception], Line], ...] = (
    (NotRedis, _stranger),
    (redis.InvalidResponse, _stranger),
    (redis.exceptions.NoPermissionError, _forbidden),
    (redis.AuthenticationError, _wrong_password),
    (redis.OutOfMemoryError, lambda where, _: f"Redis at {where} is full: raise its maxmemory or free some"),
    (
        redis.ReadOnlyError,
        lambda where, _: f"Redis at {where} became a read-only replica: point {URL} at the primary",
    ),
    (
        redis.exceptions.ClusterError,
        lambda where, _: f"Redis at {where} runs in cluster mode, which is not supported: use a server of its own",
    ),
)

_BY_WORD: tuple[tuple[str, Line], ...] = (
    ("NOPERM", _forbidden),
    ("ACL failure in script", _forbidden),
    ("NOAUTH", _wrong_password),
    ("NOPROTO", _wrong_password),
    ("protected mode", lambda where, _: f"Redis at {where} has no password and serves only its own host: requirepass"),
    ("DB index", lambda where, _: f"Redis at {where} has no such database: correct the number at the end of {URL}"),
    (
        "max number of clients",
        lambda where, _: f"Redis at {where} has no room for another connection: raise its maxclients, or end clients",
    ),
    (
        "MISCONF",
        lambda where, said: f"Redis at {where} cannot write its file ({_reason(said)}): see whether its disk is full",
    ),
    (
        "NOREPLICAS",
        lambda where, _: f"Redis at {where} misses the replicas of its min-replicas-to-write: start them",
    ),
    ("LOADING", loading),
    ("loading the dataset", loading),
    ("BUSY", lambda where, _: f"Redis at {where} is busy with somebody's script: try again in a moment"),
    (
        "unknown command",
        lambda where, said: (
            f"Redis at {where} lacks a command ({said}): it is too old, or its administrator renamed it"
        ),
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        lambda where, said: (
            f"the certificate of Redis at {where} is not accepted ({_verdict(said)}): "
            f"name the authority that signed it (?ssl_ca_certs=FILE in {URL}), or renew it"
        ),
    ),
    (
        "WRONG_VERSION_NUMBER",
        lambda where, _: (
            f"what listens at {where} does not speak TLS: write redis:// for a Redis without it, "
            f"or correct host and port in {URL}"
        ),
    ),
)


def _reason(said: str) -> str:
    return said.removeprefix("MISCONF ").split(". ")[0]


def _verdict(said: str) -> str:
    found = re.search(r"verify failed: (.+?)\.? \(_ssl", said)
    return found.group(1) if found else said

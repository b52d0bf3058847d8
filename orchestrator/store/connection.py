"""The one way to Redis: patience with what may pass, and one line for what will not.

redis-py is imported when a connection is made, not before: verbs that need none start without its cost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.contracts.errors import InvalidInput, Unreachable
from orchestrator.settings import Settings
from orchestrator.store.server import ServerFacts, check, inspect_server

if TYPE_CHECKING:
    import redis

PROBE_TIMEOUT_S = 1.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 1.0


def connect(settings: Settings, patience_s: float = 3.0) -> redis.Redis:
    """A client of the Redis that the settings name, checked once: reachable, writable and durable enough.

    Raises `Unreachable` otherwise. Commands wait up to about `patience_s` for a Redis that went away and may be sent
    again, so each must bear that; services pass more. A command must not block longer than `redis_timeout_s`.
    """
    url = _url(settings)
    where = place(url)
    check(_facts(url, where, patience_s), where)
    return _client(url, settings.redis_timeout_s, _retries(patience_s))


def place(url: str) -> str:
    """A Redis URL as people may see it: without user, password and options."""
    try:
        parts = urlsplit(url)
        address = parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:  # its text could hold a piece of the password
        raise InvalidInput(
            "CYCLERY_REDIS_URL is not a URL: write redis://:PASSWORD@HOST:PORT/0, with special characters of "
            "the password percent-encoded"
        ) from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise InvalidInput(
            "CYCLERY_REDIS_URL begins with none of redis://, rediss://, unix://: "
            "write for example redis://:PASSWORD@HOST:6379/0"
        )
    return f"{parts.scheme}://{address}"


@contextmanager
def answering(client: redis.Redis) -> Iterator[None]:
    """Turn what redis-py raises about the connection, or a full server, into `Unreachable`."""
    import redis

    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise Unreachable(
            f"Redis at {_pool_place(client)} went away ({_first_line(error)}): see that it runs"
        ) from error
    except redis.OutOfMemoryError as error:
        raise Unreachable(f"Redis at {_pool_place(client)} is full: raise its maxmemory or free some") from error
    except redis.ReadOnlyError as error:
        client.connection_pool.disconnect(inuse_connections=False)  # its name may lead to another server by now
        raise Unreachable(
            f"Redis at {_pool_place(client)} became a read-only replica: point CYCLERY_REDIS_URL at the primary"
        ) from error


def _url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise Unreachable("no Redis is set: start the embedded stack with `cyclery up`, or set CYCLERY_REDIS_URL")
    return settings.redis_url.get_secret_value()


def _client(url: str, timeout_s: float, retries: int) -> redis.Redis:
    import redis
    from redis.backoff import ExponentialBackoff
    from redis.retry import Retry

    options: dict[str, Any] = {} if url.startswith("unix") else {"socket_keepalive": True}
    try:
        client = redis.Redis.from_url(
            url,
            decode_responses=True,
            protocol=2,  # the same shapes of answers from redis-py 6 to 8
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, PROBE_TIMEOUT_S),
            retry=Retry(ExponentialBackoff(cap=LONGEST_BACKOFF_S, base=FIRST_BACKOFF_S), retries),
            **options,
        )
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # tells of unknown options; connects to nothing
    except (ValueError, TypeError):  # its text could hold the password
        raise InvalidInput("CYCLERY_REDIS_URL has an option that redis-py does not know: see its URL options") from None
    return client


def _retries(patience_s: float) -> int:
    """How many attempts of doubling backoff fill the patience."""
    doubling = math.ceil(math.log2(LONGEST_BACKOFF_S / FIRST_BACKOFF_S))
    return doubling + max(0, math.ceil(patience_s - 2 * LONGEST_BACKOFF_S))


def _facts(url: str, where: str, patience_s: float) -> ServerFacts:
    """The server's facts, once it answers and has loaded its data; `Unreachable` when it does not in time."""
    import redis

    deadline = time.monotonic() + patience_s
    while True:
        try:
            with _client(url, PROBE_TIMEOUT_S, retries=0) as probe:
                facts = inspect_server(probe)
            if not facts.loading:
                return facts
            problem = Unreachable(f"Redis at {where} is still loading its data: try again in a moment")
        except (redis.AuthenticationError, redis.ResponseError) as error:
            raise _refusal(error, where) from None
        except (redis.ConnectionError, redis.TimeoutError) as error:
            problem = Unreachable(
                f"Redis at {where} does not answer ({_first_line(error)}): start it "
                "(the embedded one: `cyclery up`) or correct CYCLERY_REDIS_URL"
            )
        if time.monotonic() + 2 * FIRST_BACKOFF_S > deadline:
            raise problem
        time.sleep(2 * FIRST_BACKOFF_S)


def _refusal(error: redis.RedisError, where: str) -> Unreachable:
    import redis

    if isinstance(error, redis.exceptions.NoPermissionError):
        return Unreachable(f"the Redis user at {where} may not run INFO: grant it +info (ACL SETUSER)")
    if isinstance(error, redis.AuthenticationError) or str(error).startswith(("NOAUTH", "WRONGPASS", "NOPROTO")):
        return Unreachable(f"Redis at {where} refuses the password: correct the one in CYCLERY_REDIS_URL")
    return Unreachable(f"Redis at {where} refuses the connection ({_first_line(error)}): correct CYCLERY_REDIS_URL")


def _pool_place(client: redis.Redis) -> str:
    details = client.connection_pool.connection_kwargs
    if "path" in details:
        return f"unix://{details['path']}"
    return f"{details.get('host', 'localhost')}:{details.get('port', 6379)}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")

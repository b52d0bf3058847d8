"""The one way to Redis: patience with what may pass, and one line for what will not.

redis-py is imported when a connection is made, not before: verbs that need none start without its cost.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.contracts.errors import InvalidInput, Unreachable
from orchestrator.contracts.text import first_line
from orchestrator.settings import Settings
from orchestrator.store.server import NotRedis, ServerFacts, check, inspect_server
from orchestrator.store.tls import tls_options

if TYPE_CHECKING:
    import redis

    from orchestrator.store.patience import Told

PROBE_TIMEOUT_S = 1.0
PROBE_EVERY_S = 0.1
# Of TCP connections: a peer that was cut off is noticed, whether it owes an answer or not, long before the kernel's
# own two hours. What a system has no name for is left out.
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 15_000}
START_S = 3.0  # for a server to answer for the first time: with all that a verb does before, five seconds


def connect(
    settings: Settings, patience_s: float = START_S, *, lasting_s: float | None = None, told: Told | None = None
) -> redis.Redis:
    """A client of the Redis that the settings name, checked once: reachable, writable and durable enough.

    Raises `Unreachable` otherwise. Later commands wait up to `lasting_s` (else `patience_s`) for a Redis that went
    away, whoever waits is `told`, and may be sent again, so each must bear that; services pass more. A command must
    not block longer than `redis_timeout_s`.
    """
    url = _url(settings)
    where = place(url)
    tls_options(url)  # refuses what would leave the server unchecked
    check(_facts(url, where, patience_s), where)
    from orchestrator.store.patience import Patience, silent

    lasting = patience_s if lasting_s is None else lasting_s
    return _client(url, settings.redis_timeout_s, Patience(lasting, f"Redis at {where}", told or silent))


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
        sentinel = "; Sentinel is not supported: name the primary" if "sentinel" in parts.scheme else ""
        raise InvalidInput(
            "CYCLERY_REDIS_URL begins with none of redis://, rediss://, unix://: "
            f"write for example redis://:PASSWORD@HOST:6379/0{sentinel}"
        )
    if parts.scheme != "unix" and not (parts.path.strip("/") or "0").isdecimal():
        raise InvalidInput("CYCLERY_REDIS_URL ends with no database number: write for example redis://HOST:6379/0")
    return f"{parts.scheme}://{address}"


@contextmanager
def answering(client: redis.Redis) -> Iterator[None]:
    """Turn what redis-py raises about the connection, or the state of the server, into `Unreachable`."""
    import redis

    from orchestrator.store.refusals import refusal

    try:
        yield
    except redis.RedisError as error:
        where = _pool_place(client)
        if isinstance(error, redis.ReadOnlyError):
            client.connection_pool.disconnect(inuse_connections=False)  # its name may lead to another server by now
        known = refusal(error, where)
        if known is None and isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
            known = Unreachable(f"Redis at {where} went away ({first_line(error)}): see that it runs")
        if known is None:
            raise
        raise known from error


def keepalive() -> dict[str, Any]:
    """Options of redis-py, and of Celery's transport, that have the kernel notice a peer that was cut off."""
    known = {getattr(socket, name): value for name, value in KEEPALIVE.items() if hasattr(socket, name)}
    return {"socket_keepalive": True, "socket_keepalive_options": known}


def clock(client: redis.Redis) -> float:
    """Seconds since the epoch on Redis's clock, which all records go by: this host's may be wrong, or be set."""
    with answering(client):
        seconds, micros = client.time()
    return seconds + micros / 1e6


def _url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise Unreachable("no Redis is set: start the embedded stack with `cyclery up`, or set CYCLERY_REDIS_URL")
    return settings.redis_url.get_secret_value()


def _client(url: str, timeout_s: float, patience: Any) -> redis.Redis:
    import redis

    options: dict[str, Any] = {} if url.startswith("unix") else keepalive()
    try:
        client = redis.Redis.from_url(
            url,
            decode_responses=True,
            protocol=2,  # the same shapes of answers from redis-py 6 to 8
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, PROBE_TIMEOUT_S),
            retry=patience,
            **options,
        )
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # tells of unknown options; connects to nothing
    except (ValueError, TypeError):  # its text could hold the password
        raise InvalidInput("CYCLERY_REDIS_URL has an option that redis-py does not know: see its URL options") from None
    return client


def _facts(url: str, where: str, patience_s: float) -> ServerFacts:
    """The server's facts, once it answers and has loaded its data; `Unreachable` when it does not in time."""
    import redis

    from orchestrator.store.patience import Patience
    from orchestrator.store.refusals import hopeless, loading, refusal, silence

    deadline = time.monotonic() + patience_s
    while True:
        try:
            with _client(url, PROBE_TIMEOUT_S, Patience(0.0, where)) as probe:
                _resolve(probe, patience_s)
                facts = inspect_server(probe)
            if not facts.loading:
                return facts
            problem = Unreachable(loading(where))
        except (redis.RedisError, NotRedis) as error:
            known = refusal(error, where)
            if isinstance(error, redis.ResponseError) or hopeless(error):
                raise known or Unreachable(f"Redis at {where} refuses the connection ({error})") from None
            problem = known or silence(error, where)
        if time.monotonic() + PROBE_EVERY_S > deadline:
            raise problem
        time.sleep(PROBE_EVERY_S)


def _resolve(client: redis.Redis, patience_s: float) -> None:
    """Ask for the host's address in good time: a name server that is silent takes longer than any patience.

    Raises redis.ConnectionError.
    """
    import redis

    host = client.connection_pool.connection_kwargs.get("host")
    if host is None:
        return
    answered = threading.Event()

    def ask() -> None:
        with suppress(OSError):  # connecting says it better
            socket.getaddrinfo(host, None)
        answered.set()

    threading.Thread(target=ask, daemon=True, name="resolve").start()
    if not answered.wait(max(patience_s, PROBE_TIMEOUT_S)):
        raise redis.ConnectionError(f"the name server does not say where {host} is")


def _pool_place(client: redis.Redis) -> str:
    details = client.connection_pool.connection_kwargs
    if "path" in details:
        return f"unix://{details['path']}"
    return f"{details.get('host', 'localhost')}:{details.get('port', 6379)}"

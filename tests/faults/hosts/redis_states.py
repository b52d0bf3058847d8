"""What a Redis may come to without dying: full, read-only, stalled."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import RedisServer


@contextmanager
def full(redis: RedisServer) -> Iterator[None]:
    """No byte is left of the memory that it may use."""
    fill(redis)
    try:
        yield
    finally:
        empty(redis)


def fill(redis: RedisServer) -> None:
    """Its memory is full from now on, whatever is freed."""
    with redis.client() as client:
        client.config_set("maxmemory", 1)


def empty(redis: RedisServer) -> None:
    """It has room again."""
    with redis.client() as client:
        client.config_set("maxmemory", 0)


@contextmanager
def read_only(redis: RedisServer) -> Iterator[None]:
    """It became a replica of a server that is not there, as after a failover."""
    demote(redis)
    try:
        yield
    finally:
        lead_again(redis)


def demote(redis: RedisServer) -> None:
    """From now on it refuses writes."""
    with redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")


def lead_again(redis: RedisServer) -> None:
    """It takes writes again."""
    with redis.client() as client:
        client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def stalled(redis: RedisServer) -> Iterator[None]:
    """It is there, and answers nobody."""
    halt(redis)
    try:
        yield
    finally:
        go_on(redis)


def halt(redis: RedisServer) -> None:
    """It answers nobody from now on."""
    assert redis.process is not None
    redis.process.send_signal(signal.SIGSTOP)


def go_on(redis: RedisServer) -> None:
    """It answers again, also what it was asked meanwhile."""
    assert redis.process is not None
    redis.process.send_signal(signal.SIGCONT)

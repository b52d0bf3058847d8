"""Fixtures that every test may use; the servers behind them are real and start once per (xdist) process.

`redis_server` · `redis_url` · `redis` · `namespace` · `settings` · `s3_server`; waiting: `tests.waiting.wait_until`.
A test that crashes or fills its Redis makes a `RedisServer` of its own (`tests.servers`).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.settings import Settings
from tests.servers import RedisServer, S3Server

# As in the pools: tests that run side by side must not fight for the cores by many threads each.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """A developer's own CYCLERY_* variables do not reach the tests."""
    for name in [name for name in os.environ if name.startswith("CYCLERY_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real Redis with an append-only file and a password on a private unix socket."""
    server = RedisServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of `redis_server`, password included."""
    return redis_server.url


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[redis_py.Redis]:
    """A redis-py client (decode_responses=True); tests keep apart by `namespace`, never by FLUSHALL."""
    with redis_server.client() as client:
        yield client


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def settings(tmp_path: Path, redis_url: str, namespace: str) -> Settings:
    """Settings of a project of its own: unique namespace, store, home and cache below tmp_path."""
    return Settings(
        redis_url=redis_url,
        namespace=namespace,
        home=tmp_path / "home",
        store=str(tmp_path / "store"),
        cache=tmp_path / "cache",
        author="tester",
    )


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 HTTP server with one bucket; its address and credentials are passed, not put in the environment."""
    server = S3Server()
    try:
        yield server.start()
    finally:
        server.close()

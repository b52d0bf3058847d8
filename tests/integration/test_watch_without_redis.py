"""A watching command whose Redis goes away says that the run goes on, waits, and goes on by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from orchestrator.engine.ledger import Ledger
from orchestrator.settings import Settings
from tests.integration.ledger_case import Hand, call
from tests.servers import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that a test may take away."""
    started = RedisServer().start()
    yield started
    started.close()


def begin(words: list[str], server: RedisServer, namespace: str, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"CYCLERY_REDIS_URL": server.url, "CYCLERY_NAMESPACE": namespace}
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("cyclery")), *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until(stream: IO[str] | None, words: str) -> str:
    """What is said up to the line with these words."""
    assert stream is not None
    said = ""
    for line in stream:
        said += line
        if words in line:
            return said
    raise AssertionError(f"{words!r} was not said:\n{said}")


def test_watch_sits_through_an_outage(server: RedisServer, tmp_path: Path, namespace: str) -> None:
    settings = Settings(redis_url=server.url, namespace=namespace, home=tmp_path)  # type: ignore[arg-type]
    with server.client() as client:
        ledger = Ledger(client, settings)
        run = Hand(ledger).submit(call("a")).run
        watching = begin(["watch", run], server, namespace, tmp_path)
        assert "nobody works on queue ops: 1 stage waits" in until(watching.stderr, "nobody works")
        server.kill()
        assert f"{run} goes on, and so does this command" in until(watching.stderr, "goes on")
        server.start()
        ledger.cancel(run, "tester")
        _, told = watching.communicate(timeout=60)
    assert "Connected again" in told
    assert watching.returncode == 7
    assert "Traceback" not in told


def test_logs_go_on_where_an_outage_broke_them_off(server: RedisServer, tmp_path: Path, namespace: str) -> None:
    settings = Settings(redis_url=server.url, namespace=namespace, home=tmp_path)  # type: ignore[arg-type]
    with server.client() as client:
        ledger = Ledger(client, settings)
        run = Hand(ledger).submit(call("a")).run
        ledger.log(run, "a", 1, ["one", "two"])
        reading = begin(["logs", run, "-f"], server, namespace, tmp_path)
        assert until(reading.stdout, "two") == "a  one\na  two\n"
        server.kill()
        until(reading.stderr, "goes on")
        server.start()
        ledger.log(run, "a", 1, ["three"])
        ledger.cancel(run, "tester")
        told, _ = reading.communicate(timeout=60)
    assert told == "a  three\n"
    assert reading.returncode == 0


def test_a_broken_settings_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cyclery.toml").write_text("namespace = \n")
    command = [str(Path(sys.executable).with_name("cyclery")), "runs"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stderr.startswith("cyclery.toml is not TOML")
    assert len(said.stderr.splitlines()) == 1

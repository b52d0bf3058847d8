"""The embedded stack as verbs that read start it: its Redis, its supervisor, and what a kill or a removal leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.contracts.errors import InvalidInput, Unreachable
from orchestrator.local import down, ensure_up, find, status, up
from orchestrator.local import stack as stack_module
from orchestrator.local.place import Place
from orchestrator.local.processes import members
from orchestrator.settings import Settings
from orchestrator.store.keys import Keys
from orchestrator.store.steps import process_of, settle
from tests.waiting import wait_until


def silent(_: str) -> None:
    """An announcement that nobody reads."""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a home without any Redis; whatever starts in it is stopped afterwards."""
    settings = Settings(home=tmp_path / "home")
    yield settings
    down(settings, silent)


def client(settings: Settings) -> redis_py.Redis:
    """A client of the Redis that the settings name."""
    assert settings.redis_url is not None
    return redis_py.Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True)


def left_of(home: Path) -> list[psutil.Process]:
    """Processes that belong to this home."""
    return members(Place(home).marker())


def test_a_reader_gets_a_redis_that_keeps_what_it_is_told(alone: Settings) -> None:
    said: list[str] = []
    with client(ensure_up(alone, said.append, pools=False)) as redis:
        redis.set("a", "1")
        assert redis.config_get("appendonly") == {"appendonly": "yes"}
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert len(said) == 1
    assert down(alone, silent)
    with client(ensure_up(alone, silent, pools=False)) as redis:
        assert redis.get("a") == "1"


def test_it_is_closed_to_those_without_the_password(alone: Settings) -> None:
    ensure_up(alone, silent, pools=False)
    socket = Place(alone.home).socket()
    assert socket is not None
    assert socket.stat().st_mode & 0o077 == 0
    once = Retry(NoBackoff(), 0)
    with (
        redis_py.Redis(unix_socket_path=str(socket), retry=once) as stranger,
        pytest.raises(redis_py.AuthenticationError),
    ):
        stranger.get("a")
    assert Place(alone.home).state.stat().st_mode & 0o077 == 0


def test_a_second_call_finds_the_first_ones_stack(alone: Settings) -> None:
    first = ensure_up(alone, silent, pools=False)
    said: list[str] = []
    assert ensure_up(alone, said.append, pools=False) == first
    assert said == []
    assert find(alone) == first


def test_two_at_once_make_one_stack(alone: Settings) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestrator.local import ensure_up, status;"
        "from orchestrator.settings import Settings; s = Settings(home=Path(sys.argv[1]));"
        "ensure_up(s, print, pools=False); print(status(s).pid)"
    )
    command = [sys.executable, "-c", code, str(alone.home)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=30)[0].splitlines() for process in both]
    assert answers[0][-1] == answers[1][-1]
    assert sum("Starting" in answer[0] for answer in answers) == 1


def test_two_homes_do_not_meet(alone: Settings, tmp_path: Path) -> None:
    other = Settings(home=tmp_path / "other")
    try:
        with client(ensure_up(alone, silent, pools=False)) as one, client(ensure_up(other, silent, pools=False)) as two:
            one.set("a", "1")
            assert two.get("a") is None
            down(other, silent)
            assert one.get("a") == "1"
    finally:
        down(other, silent)


def test_down_leaves_no_process_no_socket_and_no_lock(alone: Settings) -> None:
    ensure_up(alone, silent, pools=False)
    socket = Place(alone.home).socket()
    assert socket is not None
    assert len(left_of(alone.home)) == 3  # supervisor, warden, Redis
    assert down(alone, silent)
    assert left_of(alone.home) == []
    assert not socket.exists()
    assert {entry.name for entry in alone.home.iterdir()} == {"logs", "redis"}
    assert find(alone) is None
    assert not down(alone, silent)


def test_what_it_accepts_is_on_the_disk_before_it_answers(alone: Settings, tmp_path: Path) -> None:
    """By count of the server's fdatasync calls: a Valkey whose file is flushed every second tells WAITAOF too early."""
    accepted = 20
    with client(ensure_up(alone, silent, pools=False)) as redis:
        state = status(alone)
        assert state is not None
        log = tmp_path / "flushes"
        command = ["strace", "-f", "-e", "trace=fdatasync", "-o", str(log), "-p", str(state.processes[0].pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watch:
            assert watch.stderr is not None
            assert "attached" in watch.stderr.readline()
            before = log.read_text().count("fdatasync(")
            try:
                for _ in range(accepted):
                    settle(redis, Keys("case"), process_of(redis))
                wait_until(lambda: log.read_text().count("fdatasync(") - before >= accepted)
            finally:
                watch.terminate()


def test_a_killed_redis_comes_back_with_its_data(alone: Settings) -> None:
    with client(ensure_up(alone, silent, pools=False)) as redis:
        redis.set("a", "1")
        redis.execute_command("WAITAOF", 1, 0, 1000)
        before = status(alone)
        assert before is not None
        assert before.processes[0].pid is not None
        os.kill(before.processes[0].pid, signal.SIGKILL)
        wait_until(lambda: (now := status(alone)) is not None and now.processes[0].restarts == 1)

        def answer() -> str | None:
            try:
                return str(redis.get("a"))
            except redis_py.ConnectionError:
                return None

        assert wait_until(answer) == "1"


def test_a_killed_supervisor_takes_its_processes_with_it(alone: Settings) -> None:
    ensure_up(alone, silent, pools=False)
    state = status(alone)
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    wait_until(lambda: not left_of(alone.home))
    assert find(alone) is None
    assert ensure_up(alone, silent, pools=False).redis_url is not None


def test_what_a_killed_supervisor_and_warden_left_is_cleared_by_the_next_start(alone: Settings) -> None:
    ensure_up(alone, silent, pools=False)
    before = left_of(alone.home)
    redis = next(process for process in before if "server" in process.name())
    for process in before:
        if process != redis:
            process.suspend()  # so that neither sees the other die
    for process in before:
        if process != redis:
            process.kill()
    wait_until(lambda: left_of(alone.home) == [redis])
    assert find(alone) is None
    with client(ensure_up(alone, silent, pools=False)) as fresh:
        assert fresh.ping()
    assert redis not in left_of(alone.home)


def test_a_state_file_from_before_a_reboot_is_not_believed(alone: Settings) -> None:
    ensure_up(alone, silent, pools=False)
    place = Place(alone.home)
    stale = json.loads(place.state.read_text())
    down(alone, silent)
    stale["pid"] = os.getpid()  # a pid that lives, but is somebody else's by now
    place.state.write_text(json.dumps(stale))
    place.running.touch()
    assert find(alone) is None
    down(alone, silent)  # and does not kill us
    assert not place.state.exists()


def test_a_stack_whose_home_is_removed_stops_by_itself(alone: Settings) -> None:
    ensure_up(alone, silent, pools=False)
    processes = left_of(alone.home)
    shutil.rmtree(alone.home)
    wait_until(lambda: not any(process.is_running() and process.status() != "zombie" for process in processes))


def test_a_redis_that_cannot_start_is_told_in_one_line(alone: Settings) -> None:
    ensure_up(alone, silent, pools=False)
    down(alone, silent)
    manifest = next(Place(alone.home).redis.glob("appendonlydir/*.manifest"))
    manifest.write_text("nonsense\n")
    with pytest.raises(Unreachable, match=r"^Redis did not start: .+") as caught:
        ensure_up(alone, silent, pools=False)
    assert "\n" not in str(caught.value)
    assert left_of(alone.home) == []


def test_a_redis_of_ones_own_is_left_alone(alone: Settings, redis_url: str) -> None:
    settings = Settings(home=alone.home, redis_url=redis_url)
    assert ensure_up(settings, silent) is settings
    assert find(settings) is settings
    with pytest.raises(InvalidInput, match="CYCLERY_REDIS_URL is set"):
        up(settings, silent)
    assert not alone.home.exists()


def test_missing_libraries_of_the_workers_are_named(alone: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "_HEAVY", ("json", "no_such_library", "no_such.part"))
    with pytest.raises(Unreachable, match=r"no_such_library, no_such\.part.*pip install 'cyclery\[workers\]'"):
        up(alone, silent)
    assert not alone.home.exists()

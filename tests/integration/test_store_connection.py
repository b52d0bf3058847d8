"""The connection to Redis: what it bears, and the one line for what it does not."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.contracts.errors import InvalidInput, Unreachable
from orchestrator.settings import Settings
from orchestrator.store.connection import answering, connect, place
from orchestrator.store.keys import Keys
from orchestrator.store.server import ServerFacts, check, concerns, inspect_server
from orchestrator.store.steps import process_of, settle
from tests.servers import RedisServer, free_port

Start = Callable[..., RedisServer]
PASSWORD = "s3cret-Pa55"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server of the test's own, with further options."""
    servers: list[RedisServer] = []

    def _start(*options: str) -> RedisServer:
        servers.append(RedisServer(port=free_port(), options=options, password=PASSWORD))
        return servers[-1].start()

    yield _start
    for server in servers:
        server.close()


def reach(url: str, **more: object) -> Settings:
    return Settings(redis_url=url, redis_timeout_s=1.0, **more)


def refusal(url: str, patience_s: float = 0.0) -> str:
    """The one line that refuses this URL; it never shows the password."""
    with pytest.raises(Unreachable) as raised:
        connect(reach(url), patience_s)
    assert "\n" not in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert raised.value.exit_code == 5
    return str(raised.value)


def test_a_good_redis_answers_over_every_kind_of_url(start: Start) -> None:
    server = start()
    for url in (server.url, server.tcp_url):
        with connect(reach(url)) as client:
            client.set("k", "v")
            assert client.get("k") == "v"


def test_a_server_that_is_not_there_is_named_quickly() -> None:
    began = time.monotonic()
    port = free_port()
    line = refusal(f"redis://:{PASSWORD}@127.0.0.1:{port}/0", patience_s=0.3)
    assert line.startswith(f"Redis at redis://127.0.0.1:{port} does not answer")
    assert "cyclery up" in line
    assert time.monotonic() - began < 3


def test_a_socket_that_is_not_there_is_named() -> None:
    assert "unix:///nowhere/redis.sock does not answer" in refusal(f"unix://:{PASSWORD}@/nowhere/redis.sock")


def test_a_server_that_accepts_and_says_nothing_is_given_up_within_five_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert "does not answer" in refusal(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", patience_s=3)
        assert time.monotonic() - began < 5


def test_a_server_that_comes_late_is_waited_for(start: Start) -> None:
    server = start()
    server.kill()
    with ThreadPoolExecutor() as pool:
        connecting = pool.submit(connect, reach(server.url), 20.0)
        server.start()
        with connecting.result(timeout=20) as client:
            assert client.ping()


@pytest.mark.parametrize("userinfo", [f":{PASSWORD}x@", "", f"nobody:{PASSWORD}@"])
def test_a_wrong_password_is_said_at_once(redis_server: RedisServer, userinfo: str) -> None:
    assert "refuses the password" in refusal(f"unix://{userinfo}{redis_server.socket}?db=0", patience_s=10)


def test_a_user_who_may_not_ask_is_told_what_to_grant(start: Start) -> None:
    server = start()
    with server.client() as admin:
        admin.acl_setuser("app", enabled=True, passwords=["+pw"], commands=["+@all", "-info"], keys=["*"])
    assert "+info" in refusal(f"redis://app:pw@127.0.0.1:{server.port}/0")


def test_a_read_only_replica_is_refused(start: Start, redis_server: RedisServer) -> None:
    replica = start("--replicaof", "127.0.0.1", "1")
    assert "read-only replica" in refusal(replica.url)


def test_a_redis_that_evicts_is_refused_and_one_that_could_is_a_concern(start: Start) -> None:
    server = start("--maxmemory-policy", "allkeys-lru")
    with connect(reach(server.url)) as client:
        assert any("noeviction" in line for line in concerns(inspect_server(client)))
        client.config_set("maxmemory", "100mb")
    assert "allkeys-lru" in refusal(server.url)


def test_a_redis_without_a_file_works_and_is_a_concern(start: Start) -> None:
    server = start("--appendonly", "no")
    with connect(reach(server.url)) as client:
        assert any("append-only" in line for line in concerns(inspect_server(client)))
        settle(client, Keys("case"), process_of(client))


def test_a_redis_that_answers_before_it_flushes_is_a_concern_where_one_may_ask(start: Start) -> None:
    server = start("--appendfsync", "everysec")
    with connect(reach(server.url)) as client:
        assert any("set always" in line for line in concerns(inspect_server(client, flushing=True)))
        client.acl_setuser("app", enabled=True, passwords=["+pw"], commands=["+@all", "-config"], keys=["*"])
    with connect(reach(server.url.replace("unix://:", "unix://app:").replace(server.password, "pw"))) as client:
        assert concerns(inspect_server(client, flushing=True)) == ()


def test_a_cluster_is_refused(start: Start) -> None:
    server = start("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    assert "cluster mode" in refusal(server.url)


def test_a_good_redis_gives_no_concern(redis: redis_py.Redis) -> None:
    assert concerns(inspect_server(redis, flushing=True)) == ()
    settle(redis, Keys("case"), process_of(redis))


def facts(version: tuple[int, ...], fsync: str | None, *, append_only: bool = True) -> ServerFacts:
    return ServerFacts("Redis x", version, False, False, False, append_only, fsync, "noeviction", 0)


@pytest.mark.parametrize(
    ("given", "fine"),
    [
        (facts((7, 2, 4), None), True),
        (facts((10, 0), None), True),
        (facts((7, 0, 15), "everysec"), False),
        (facts((7, 0, 15), "always"), True),
        (facts((7, 0, 15), None), False),
        (facts((6, 2), "always", append_only=False), False),
        (facts((6, 2), "always"), False),  # its scripts know no flags
    ],
)
def test_old_servers_must_flush_always(given: ServerFacts, fine: bool) -> None:
    if fine:
        check(given, "redis://h:1")
        return
    with pytest.raises(Unreachable, match=r"7\.2 or newer"):
        check(given, "redis://h:1")


def test_no_url_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="cyclery up"):
        connect(Settings(home=tmp_path))


@pytest.mark.parametrize(
    "url", [f"http://{PASSWORD}@h/", f"redis://:{PASSWORD}/x@h:1/0", f"redis://:{PASSWORD}@h:1/0?nonsense=1"]
)
def test_urls_that_are_none_are_input_errors(url: str) -> None:
    with pytest.raises(InvalidInput, match="CYCLERY_REDIS_URL") as raised:
        connect(reach(url))
    assert PASSWORD not in str(raised.value)


def test_places_never_show_who_and_how() -> None:
    assert place("rediss://ada:pw@db.example:7000/3?ssl_cert_reqs=none") == "rediss://db.example:7000"
    assert place("unix://:pw@/run/redis.sock?db=0") == "unix:///run/redis.sock"
    assert place("redis://") == "redis://localhost:6379"


def test_commands_survive_a_restart(start: Start) -> None:
    server = start()
    with connect(reach(server.url), patience_s=20) as client, ThreadPoolExecutor() as pool:
        client.set("k", "v")
        settle(client, Keys("case"), process_of(client))
        server.kill()
        reading = pool.submit(client.get, "k")
        server.start()
        assert reading.result(timeout=20) == "v"


def test_a_redis_that_went_away_is_one_line(start: Start) -> None:
    server = start()
    with connect(reach(server.url), patience_s=0) as client:
        server.kill()
        with pytest.raises(Unreachable, match="went away") as raised, answering(client):
            client.get("k")
    assert "\n" not in str(raised.value)


def test_a_full_redis_is_one_line(start: Start) -> None:
    server = start()
    with connect(reach(server.url)) as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(Unreachable, match="full"), answering(client):
            client.set("k", "v")

"""TLS to Redis, by certificates made on the fly: the server's is always checked, and what is wrong is one line.

That everything works over TLS is shown where a whole lifecycle runs over it: test_redis_users.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from orchestrator.contracts.errors import CycleryError, InvalidInput, Unreachable
from orchestrator.engine.app import make_app
from orchestrator.settings import Settings
from orchestrator.store.connection import connect
from tests.acceptance.project import Project
from tests.security.certificates import Authority, server_context
from tests.security.relay import Relay
from tests.servers import RedisServer, free_port


@dataclass
class Doors:
    """One Redis behind doors of every kind, and the authorities."""

    redis: RedisServer
    team: Authority
    ports: dict[str, int]

    def url(self, door: str, options: str | None = None, *, scheme: str = "rediss") -> str:
        """The URL of a door; by default it names the team's authority."""
        query = f"ssl_ca_certs={self.team.file}" if options is None else options
        return f"{scheme}://:{self.redis.password}@127.0.0.1:{self.ports[door]}/0" + (f"?{query}" if query else "")


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("certificates")
    team, stranger = Authority(folder), Authority(folder, "stranger")
    redis = RedisServer(port=free_port()).start()
    relays = {
        "sound": Relay(redis.port, server_context(team.sign("redis"))),
        "elsewhere": Relay(redis.port, server_context(team.sign("other", host="redis.example"))),
        "expired": Relay(redis.port, server_context(team.sign("old", expired=True))),
        "foreign": Relay(redis.port, server_context(stranger.sign("foreign"))),
        "mutual": Relay(redis.port, server_context(team.sign("mutual"), clients=team)),
    }
    try:
        yield Doors(redis, team, {name: relay.port for name, relay in relays.items()} | {"plain": redis.port})
    finally:
        for relay in relays.values():
            relay.close()
        redis.close()


def ledger(url: str) -> None:
    """What commands, the service and workers' ledgers do first."""
    with connect(Settings(redis_url=url)) as client:
        client.ping()


def celery(url: str) -> None:
    """What Celery does first."""
    app = make_app(Settings(redis_url=url))
    with app.connection() as connection:
        connection.ensure_connection(max_retries=1, timeout=1)
        connection.default_channel.client.ping()  # kombu's own


BOTH = pytest.mark.parametrize("use", [ledger, celery])


@BOTH
def test_a_certificate_of_the_named_authority_is_accepted(doors: Doors, use: Callable[[str], None]) -> None:
    use(doors.url("sound"))


@BOTH
def test_a_client_certificate_opens_what_wants_one(doors: Doors, use: Callable[[str], None]) -> None:
    own = doors.team.sign("client")
    use(doors.url("mutual", f"ssl_ca_certs={doors.team.file}&ssl_certfile={own.certificate}&ssl_keyfile={own.key}"))


@BOTH
@pytest.mark.parametrize(
    ("door", "options", "why"),
    [
        ("sound", "", "unable to get local issuer"),  # the system's authorities do not know the team's
        ("foreign", None, "unable to get local issuer"),
        ("elsewhere", None, "not valid for '127.0.0.1'"),
        ("expired", None, "expired"),
    ],
)
def test_any_other_certificate_is_not(
    doors: Doors, use: Callable[[str], None], door: str, options: str | None, why: str
) -> None:
    with pytest.raises((Unreachable, OperationalError), match=why):
        use(doors.url(door, options))


@BOTH
@pytest.mark.parametrize(
    "options", ["ssl_cert_reqs=none", "ssl_cert_reqs=CERT_OPTIONAL", "ssl_check_hostname=false", "ssl_check_hostname=0"]
)
def test_nobody_switches_the_check_off(doors: Doors, use: Callable[[str], None], options: str) -> None:
    with pytest.raises(InvalidInput, match="switches off the check"):
        use(doors.url("sound", options))


@BOTH
@pytest.mark.parametrize(
    ("options", "why"),
    [("ssl_ca_certs=/nowhere/ca.pem", "cannot be read"), ("ssl_ciphers=ALL", "has the option ssl_ciphers")],
)
def test_what_cannot_be_used_is_said(doors: Doors, use: Callable[[str], None], options: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        use(doors.url("sound", options))


def test_a_client_without_the_certificate_that_is_wanted_is_told(doors: Doors) -> None:
    with pytest.raises(Unreachable, match="ssl_certfile"):
        ledger(doors.url("mutual"))


@pytest.mark.parametrize(("scheme", "door", "why"), [("redis", "sound", "rediss://"), ("rediss", "plain", "redis://")])
def test_who_speaks_the_other_way_is_told(doors: Doors, scheme: str, door: str, why: str) -> None:
    with pytest.raises(CycleryError, match=f"write {why}"):
        ledger(doors.url(door, "", scheme=scheme))


@pytest.mark.parametrize("words", [("runs",), ("doctor",), ("run", "x.yaml")])
def test_the_command_says_it_in_one_line(doors: Doors, tmp_path: Path, words: tuple[str, ...]) -> None:
    project = Project(tmp_path)
    project.write("x.csv", "a,b\n1,x\n2,y\n")
    project.write(
        "x.yaml", "name: x\nobjective: {predict: b, task: classification}\ndata: {sources: {s: {file: x.csv}}}\n"
    )
    said = project.say(*words, CYCLERY_REDIS_URL=doors.url("expired"))
    assert said.code == 5
    told = [line for line in (said.out + said.err).splitlines() if "certificate has expired" in line]
    assert len(told) == 1
    assert doors.redis.password not in said.out + said.err
    assert "Traceback" not in said.err


def test_celery_is_told_nothing_of_tls_where_there_is_none() -> None:
    app: Any = make_app(Settings(redis_url="redis://:secret@127.0.0.1:6379/0"))
    assert app.conf.broker_use_ssl is None

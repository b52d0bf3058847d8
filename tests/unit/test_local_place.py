"""Where a home keeps its files, and what happens where it cannot."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from orchestrator.contracts.errors import Unreachable
from orchestrator.local.place import Place, write_private
from orchestrator.local.ports import remembered_port


def test_the_socket_lies_in_the_home_when_its_path_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = Place.of(Path("h"))
    place.prepare()
    expected = tmp_path / "h" / "redis" / "redis.sock"
    if len(str(expected)) <= 100:
        assert place.socket() == expected


@pytest.mark.parametrize("name", ["long" * 40, "with blank", "naïve"])
def test_a_long_or_odd_path_gets_a_short_private_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    short = Path("/tmp") / f"cy-{os.getpid()}-{tmp_path.name[-8:]}"  # noqa: S108  (short on purpose)
    short.mkdir()
    request.addfinalizer(lambda: [path.rmdir() for path in (*short.iterdir(), short)])
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    place = Place.of(tmp_path / name)
    place.prepare()
    found = place.socket()
    assert found is not None
    assert len(os.fsencode(found)) <= 100
    assert found.parent.parent == short
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_may_enter_is_not_used_for_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = Place.of(tmp_path / "with blank")
    place.prepare()
    (tmp_path / f"cyclery-{place.marker()}").mkdir(mode=0o755)
    assert place.socket() is None


def test_a_home_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match=r"file/home: cannot be written .*CYCLERY_HOME"):
        Place.of(tmp_path / "file" / "home").prepare()


def test_two_homes_have_two_markers_and_a_renamed_one_keeps_its_own(tmp_path: Path) -> None:
    one, other = Place.of(tmp_path / "one"), Place.of(tmp_path / "other")
    one.prepare()
    other.prepare()
    marker = one.marker()
    assert marker != other.marker()
    assert Place(one.home.rename(tmp_path / "renamed")).marker() == marker


def test_the_password_is_made_once_and_is_private(tmp_path: Path) -> None:
    place = Place.of(tmp_path)
    place.prepare()
    assert place.password() == place.password() != ""
    assert stat.S_IMODE((place.redis / "password").stat().st_mode) == 0o600


def test_a_private_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_private(path, "old")
    write_private(path, "new")
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_a_port_is_remembered_until_somebody_takes_it(tmp_path: Path) -> None:
    memory = tmp_path / "port"
    port = remembered_port(memory)
    assert remembered_port(memory) == port
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", port))
        taker.listen()
        assert remembered_port(memory) not in (port, 0)

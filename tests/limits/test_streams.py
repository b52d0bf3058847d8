"""The command where its output cannot be written, read or spelled: one line at most, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.engine.ledger import Ledger
from orchestrator.settings import Settings
from tests.acceptance.project import COMMAND
from tests.integration.ledger_case import Hand, call
from tests.servers import RedisServer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project folder whose Redis knows a run."""
    here = tmp_path_factory.mktemp("streams")
    server = RedisServer().start()
    settings = Settings(redis_url=server.url, home=here / ".cyclery")  # type: ignore[arg-type]
    with server.client() as client:
        Hand(Ledger(client, settings)).submit(call("a"))
    (here / "cyclery.toml").write_text(f'redis_url = "{server.url}"\n')
    yield here
    server.close()


def shell(folder: Path, line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a line in which `cyclery` is the command; pipes answer with the command's own code."""
    text = f'set -o pipefail; cyclery() {{ {COMMAND} "$@"; }}; {line}'
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CYCLERY_")}
    return subprocess.run(
        ["bash", "-c", text], cwd=folder, env=kept | more, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("line", ["cyclery runs", "cyclery runs --json", "cyclery status last", "cyclery --help"])
def test_a_full_disk_is_one_line(folder: Path, line: str) -> None:
    said = shell(folder, f"{line} > /dev/full")
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        "what it says cannot be written (No space left on device): see where its output goes"
    ]


@pytest.mark.parametrize("line", ["cyclery runs", "cyclery schema", "cyclery status last", "cyclery --help"])
def test_a_pipe_that_ends_is_no_fault(folder: Path, line: str) -> None:
    said = shell(folder, f"{line} | true")
    assert (said.returncode, said.stderr) == (0, "")


def test_closed_streams_are_no_fault(folder: Path) -> None:
    assert shell(folder, "cyclery runs >&-").returncode == 0
    assert shell(folder, "cyclery runs <&- >&- 2>&-").returncode == 0
    assert shell(folder, "cyclery check nosuch.yaml >&- 2>&-").returncode == 2
    assert shell(folder, "cyclery check nosuch.yaml 2> /dev/full").returncode == 1


def test_ascii_shows_what_it_can_and_keeps_json_whole(folder: Path) -> None:
    plain = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "CYCLERY_AUTHOR": "Zoë"}
    assert "? a" in shell(folder, "cyclery status last", **plain).stdout
    (folder / "wine.yaml").write_text("näme: x\n")
    said = shell(folder, "cyclery check wine.yaml --json", **plain)
    assert said.returncode == 2
    assert "näme" in json.dumps(json.loads(said.stdout), ensure_ascii=False)


def test_a_narrow_terminal_breaks_lines_and_not_words(folder: Path) -> None:
    said = shell(folder, "cyclery runs", COLUMNS="20").stdout
    assert "running" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("verb", ["runs", "run wine.yaml", "up", "down", "doctor", "models"])
def test_a_home_below_a_file_is_one_line(tmp_path: Path, verb: str) -> None:
    (tmp_path / "file").write_text("")
    shell(tmp_path, "cyclery init . --example wine")
    said = shell(tmp_path, f"cyclery {verb}", CYCLERY_HOME=str(tmp_path / "file" / "home"))
    assert said.returncode == (5 if verb in ("run wine.yaml", "up", "doctor") else 0)
    if verb in ("run wine.yaml", "up"):
        assert said.stderr.startswith(f"{tmp_path}/file/home: cannot be written (Not a directory); set CYCLERY_HOME")
        assert len(said.stderr.splitlines()) == 1


def test_a_report_that_cannot_be_written_is_one_line(folder: Path) -> None:
    (folder / ".cyclery").mkdir(exist_ok=True)
    (folder / ".cyclery" / "reports").write_text("")
    said = shell(folder, "cyclery report last")
    assert said.returncode == 5
    assert "reports" in said.stderr
    assert "cannot be used (Not a directory)" in said.stderr
    assert len(said.stderr.splitlines()) == 1

"""What people look at: no text from a run speaks to the terminal, and no script runs in a report."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from orchestrator.cli.terminal import json_plain, plain
from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.records import StageError
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.html import write_report
from tests.acceptance.project import COMMAND, Project
from tests.unit.report_case import Kept, record

EVIL = "a\x1b]0;title\x07\x1b[2J\x1b[31mred\x9b31m\r\x08\x00b\u202ereversed"
SCRIPT = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"></td></svg>"


def speaks(shown: bytes) -> bool:
    """Whether there is anything that a terminal would obey in what the text brought."""
    return any(
        mark in shown for mark in (b"\x1b]", b"\x1b[2J", b"\x07", b"\x9b".decode("latin-1").encode(), b"\x08", b"\x00")
    )


def test_control_characters_are_spelled_out() -> None:
    shown = plain(EVIL)
    assert not speaks(shown.encode())
    assert "\\x1b]0;title" in shown
    assert plain("tab\tline\nü → •") == "tab\tline\nü → •"
    assert plain("\x1b[32mgreen\x1b[0m") == "green"
    assert json.loads(json_plain(json.dumps({"a": EVIL}, ensure_ascii=False))) == {"a": EVIL}


def on_a_terminal(project: Project, *words: str) -> bytes:
    """What a terminal is told by a command."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *words], cwd=project.folder, env=project.environment(TERM="xterm"), stdin=theirs, stdout=theirs,
        stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    told = io.BytesIO()
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side is gone
            break
        if not piece:
            break
        told.write(piece)
    os.close(ours)
    process.wait(60)
    return told.getvalue()


@pytest.mark.parametrize("verb", ["check", "plan", "run"])
def test_names_in_a_file_do_not_speak_to_the_terminal(tmp_path: Path, verb: str) -> None:
    project = Project(tmp_path)
    project.write("x.csv", "a,b\n1,x\n2,y\n")
    name = json.dumps(EVIL)  # YAML reads it
    project.write(
        "x.yaml",
        f"name: x\nobjective: {{predict: {name}, task: classification}}\n{name}: 1\n"
        f"data: {{sources: {{{name}: {{file: {name}}}}}}}\n",
    )
    told = on_a_terminal(project, verb, "x.yaml", "--set", f"train.{EVIL[:4]}=1".replace("\x00", ""))
    assert told
    assert not speaks(told), told


def test_a_log_does_not_speak_to_the_terminal(tmp_path: Path) -> None:
    code = (
        "from orchestrator.cli.output import Output\nfrom rich.text import Text\nimport sys\n"
        f"evil = {EVIL!r}\nout = Output(as_json=False)\n"
        "out.show(evil, Text(evil)); out.table((evil,), [(evil,), (Text(evil, 'red'),)]); out.say(evil)\n"
        "Output(as_json=True).document({evil: evil})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not speaks(done.stdout + done.stderr), done


def test_no_script_runs_in_a_report(tmp_path: Path) -> None:
    kept = Kept()
    failed = {"train[svc#1]": StageState.FAILED}
    errors = {"train[svc#1]": StageError(family="user", message=SCRIPT, frames=(SCRIPT,))}
    one = record(kept, status=RunStatus.FAILED, upto="features", states=failed, errors=errors)
    evil = one.model_copy(update={
        "run": "evil", "workflow": SCRIPT, "author": SCRIPT, "notes": (SCRIPT,), "spec": _poisoned(one.spec),
        "stages": tuple(stage.model_copy(update={"params": _poisoned(stage.params), "worker": SCRIPT})
                        for stage in one.stages),
    })  # fmt: skip
    page_file = write_report(evil, kept.read, tmp_path)
    text = page_file.read_text()
    assert "Content-Security-Policy" in text
    assert "default-src 'none'" in text
    assert "<script>document" not in text
    assert "<img src=x" not in text
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(page_file.as_uri())
        assert page.title() != "owned"
        assert page.locator("script").count() == 0
        assert [url for url in asked if url != page_file.as_uri()] == []
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran=1\">')")
        assert page.evaluate("window.ran") is None  # by the policy, even where a text were not escaped
        browser.close()


def _poisoned(value: object) -> object:
    """The same with the script in every text."""
    if isinstance(value, dict):
        return {name: _poisoned(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_poisoned(item) for item in value]
    return f"{value}{SCRIPT}" if isinstance(value, str) else value


BOMBS = {
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)),
    "itself": "a: &a [*a]\nname: x\n",
    "deep": "name: " + "[" * 5000 + "]" * 5000,
    "huge scalar": "name: " + "x" * 9_000_000,
    "huge number": "name: " + "9" * 1_000_000,
    "huge": "name: x\n" + "# " + "x" * 20_000_000,
    "object": "name: !!python/object/apply:os.mkdir ['owned']",
    "tag": "name: !evil x",
    "merge": "<<: &a {<<: [*a, *a]}\nname: x",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_yaml_bomb_is_a_few_lines_and_little_memory(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path)
    project.write("bomb.yaml", BOMBS[name])
    limited = f"ulimit -v {2 << 20}; exec {COMMAND} check bomb.yaml"
    done = subprocess.run(
        ["bash", "-c", limited], cwd=tmp_path, env=project.environment(), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-500:]
    assert "Traceback" not in done.stderr
    assert 0 < len(done.stderr) < 5000
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("file", "text"),
    [("cyclery.toml", "a = " + "[" * 3000), ("cyclery.toml", "\x00\xff"), ("cyclery.toml", "namespace = '../../x'"),
     (".env", "CYCLERY_NAMESPACE=../../x\n"), (".env", "CYCLERY_LEASE_S=" + "9" * 5000 + "x\n"),
     (".env", "\x00" * 1000)],
)  # fmt: skip
def test_settings_from_files_are_judged(tmp_path: Path, file: str, text: str) -> None:
    project = Project(tmp_path)
    project.write(file, text)
    said = project.say("runs")
    assert said.code in (0, 2, 5), said
    assert "Traceback" not in said.err
    assert len(said.err) < 5000


def test_a_report_writes_nowhere_else(tmp_path: Path) -> None:
    kept = Kept()
    evil = record(kept).model_copy(update={"run": "../../outside"})
    with pytest.raises(CycleryError, match="no name of a run"):
        write_report(evil, kept.read, tmp_path / "deep" / "home")
    assert [path for path in tmp_path.rglob("report.html") if "home" not in path.parts] == []

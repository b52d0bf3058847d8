"""The documentation says what is there: links lead somewhere, commands exist, tables agree with the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orchestrator.cli.main import cyclery
from orchestrator.cli.verbs import GROUPS, VERBS
from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.status import EXIT_CODES
from orchestrator.contracts.tasks import TASKS
from orchestrator.settings import Settings
from orchestrator.spec.loading import load
from orchestrator.spec.starter import write_starter
from tests.pages import ROOT, steps, text_of

FOLDERS = ("*.md", "docs/**/*.md", "deploy/*.md", "examples/**/*.md")
PAGES = sorted({path.relative_to(ROOT).as_posix() for pattern in FOLDERS for path in ROOT.glob(pattern)})
EVERY_VERB = {"--json", "--debug", "--help"}  # said once, at the top of the page
PROGRAMS = {"make", "docker", "sed", "ls", "mkdir", "cd", ".", "python", "rsync"}  # of the reader's machine


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What may stand after # in a link to a page, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = prose(text_of(page))
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for link in links:
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(path), f"{page}: {link}"


def test_pictures_are_small_and_of_nobody_in_particular():
    for path in (ROOT / "docs" / "images").glob("*.svg"):
        svg = path.read_text(encoding="utf-8")
        assert len(svg) < 100_000
        assert set(re.findall(r"/home/\w+", svg)) <= {"/home/you"}
        assert not re.search(r"url\(['\"]?http|<image|/tmp/|/work/", svg)
    for path in (ROOT / "docs" / "images").glob("*.png"):
        assert path.stat().st_size < 300_000


def shell_lines() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL):
            yield from ((page, line) for line in block.splitlines() if line.strip() and not line.startswith("#"))


@pytest.mark.parametrize(("page", "line"), list(shell_lines()))
def test_commands_that_are_shown_exist(page, line):
    for part in re.split(r"&&|\|", line):
        words = [word for word in shlex.split(part, comments=True) if not re.match(r"\w+=", word)]
        if words and words[0].removeprefix(".venv/bin/") == "cyclery":
            parse(words[1:])
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", text_of("Makefile"), re.MULTILINE), line
        else:
            program = re.sub(r"^(\.\./cyclery/|\.venv/bin/)", "", words[0])
            assert program in PROGRAMS or (ROOT / program).is_file(), f"{page}: {line}"


def parse(words: list[str]) -> None:
    """Read the arguments as the command does, without doing anything."""
    verb = command(words[0])
    if isinstance(verb, click.Group) and len(words) > 1:
        verb, words = verb.commands[words[1]], words[1:]
    verb.make_context(words[0], words[1:])


def command(name: str) -> click.Command:
    found = cyclery.get_command(click.Context(cyclery), name)
    assert found is not None, name
    return found


def sections() -> Iterator[tuple[str, str]]:
    """Heading and table of options of each verb, as docs/commands.md has to have them."""
    for name in VERBS:
        verb = command(name)
        if isinstance(verb, click.Group):
            for sub in verb.commands.values():
                yield section(f"{name} {sub.name}", sub)
        else:
            yield section(name, verb)


def section(name: str, verb: click.Command) -> tuple[str, str]:
    context = click.Context(verb, info_name=name)
    usage = [piece for piece in verb.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    rows = []
    for option in verb.get_params(context):
        record = option.get_help_record(context)
        if isinstance(option, click.Option) and record is not None and not EVERY_VERB & set(option.opts):
            form, about = (" ".join(part.replace("|", "\\|").split()) for part in record)
            rows.append(f"| `{form}` | {about} |")
    return f"### `{' '.join([name, *usage])}`", "\n".join(["| option | |", "|---|---|", *rows]) if rows else ""


def test_every_verb_is_described_with_its_options():
    page = text_of("docs/commands.md")
    described = re.split(r"^(### .*)$", page, flags=re.MULTILINE)
    found = dict(zip(described[1::2], described[2::2], strict=True))
    expected = dict(sections())
    assert list(found) == list(expected)
    for heading, table in expected.items():
        stands = "\n".join(line for line in found[heading].splitlines() if line.startswith("|"))
        assert stands == table, f"{heading} in docs/commands.md needs\n{table}"
    assert re.findall(r"^## (.*)$", page, re.MULTILINE)[-len(GROUPS) :] == list(GROUPS)


def test_the_demo_runs_where_its_next_command_is_true():
    """`init demo` prints `cd demo && cyclery run cancer.yaml`: elsewhere it would start a second stack."""
    recipe = text_of("Makefile").split("\ndemo:")[1].split("\n\n")[0]
    assert re.search(r"cd demo && \S+cyclery run cancer.yaml", recipe)
    assert re.search(r"^cd demo && .*\n(.*\n)*?cyclery run cancer.yaml", text_of("README.md"), re.MULTILINE)


def test_the_readme_names_every_verb_once():
    table = text_of("README.md").split("## The verbs")[1].split("\n\n")[1]
    assert re.findall(r"`(\w+)`", table) == list(VERBS)


def families(base: type[CycleryError]) -> Iterator[type[CycleryError]]:
    yield base
    for family in base.__subclasses__():
        yield from families(family)


def test_every_exit_code_is_explained():
    codes = {str(family.exit_code) for family in families(CycleryError)} | {str(code) for code in EXIT_CODES.values()}
    codes.add("130")
    listed = re.findall(r"^\| (\d+) \|", text_of("docs/commands.md"), re.MULTILINE)
    assert sorted(listed, key=int) == sorted(codes, key=int)


def settings_table() -> str:
    rows = ["| variable | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = {"author": "your login"}.get(name, "" if field.default is None else f"`{field.default}`")
        rows.append(f"| `CYCLERY_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def test_the_table_of_settings_agrees_with_the_code():
    assert settings_table() in text_of("docs/operations.md"), f"docs/operations.md needs\n{settings_table()}"


def test_every_task_is_named_as_flower_shows_it():
    assert {name for name in TASKS if name != "custom"} <= set(re.findall(r"`([\w.]+)`", text_of("docs/operations.md")))


def test_the_files_of_the_walk_load(tmp_path):
    """Each workflow of docs/your-own-workflow.md as it stands at that point of the walk."""
    write_starter(tmp_path, "wine")
    for name, text in steps("docs/your-own-workflow.md"):
        if not name:
            continue
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
        if name == "wrong.yaml":
            with pytest.raises(CycleryError) as refused:
                load(tmp_path / name, environment={})
            shown = str(refused.value).replace(f"{tmp_path}/", "").splitlines()
            assert all(line in text_of("docs/your-own-workflow.md") for line in shown), shown
        elif name.endswith(".yaml"):
            load(tmp_path / name, environment={})

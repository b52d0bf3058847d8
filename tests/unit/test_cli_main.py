"""The command itself: its verbs, its help, and how errors come out."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import click
import pytest

from orchestrator.cli import main as entry
from orchestrator.cli.verbs import VERBS, Verb
from orchestrator.contracts.errors import (
    DataError,
    InvalidInput,
    NotPermitted,
    SpecError,
    StageFailed,
    Unreachable,
)


def answer(*words: str) -> int:
    return entry.answer(list(words))


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_is_where_the_table_says_with_help_json_and_debug(name):
    command = getattr(import_module(f"orchestrator.cli.{VERBS[name].module}"), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    commands = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
    for one in commands:
        options = {option for parameter in one.params for option in parameter.opts}
        assert {"--json", "--debug"} <= options, name
        assert one.help
        assert all(option.help for option in one.params if isinstance(option, click.Option)), name


def test_help_imports_no_verb_and_nothing_heavy(capsys):
    program = (
        "import sys\n"
        "from orchestrator.cli import main\n"
        "main.answer(['--help'])\n"
        "heavy = {'pydantic', 'redis', 'celery', 'rich', 'yaml', 'asyncio', 'orchestrator.settings'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(f"  {name} " in done.stdout for name in VERBS)


def test_reading_verbs_start_without_celery_the_planner_or_the_spec():
    program = (
        "import sys\n"
        "from orchestrator.cli import main\n"
        "main.answer(['runs'])\n"
        "heavy = {'celery', 'kombu', 'yaml', 'orchestrator.spec.models', 'obstore', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert done.stderr.strip() == "[]"
    assert "No runs yet" in done.stdout


def test_an_unknown_verb_is_answered_with_the_one_that_was_meant(capsys):
    assert answer("rnu", "x") == 2
    assert "there is no verb 'rnu' (did you mean 'run'?)" in capsys.readouterr().err


def test_wrong_usage_is_one_line_and_exit_2(capsys):
    assert answer("status") == 2
    assert capsys.readouterr().err == "missing argument 'RUN'; see `cyclery status --help`\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StageFailed("x"), 1),
        (InvalidInput("x"), 2),
        (DataError("x"), 2),
        (Unreachable("x"), 5),
        (NotPermitted("x"), 6),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_each_family_of_errors_has_its_exit_code_and_is_one_line(monkeypatch, capsys, error, code):
    raising(monkeypatch, error)
    assert answer("boom") == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert answer("boom", "--json") == code
    assert json.loads(capsys.readouterr().out)["exit_code"] == code


def raising(monkeypatch, error):
    """A verb that fails."""
    module = type(sys)("orchestrator.cli.failing_in_a_test")

    @click.command()
    @click.option("--json", is_flag=True)
    @click.option("--debug", is_flag=True)
    def boom(**_):
        raise error

    module.boom = boom
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(VERBS, "boom", Verb("failing_in_a_test", "Fails."))


def test_all_problems_of_a_spec_are_in_the_document(monkeypatch, capsys):
    raising(monkeypatch, SpecError(["a.yaml:1:1: one", "a.yaml:2:1: two"]))
    assert answer("boom", "--json") == 2
    said = capsys.readouterr()
    assert said.err.splitlines() == ["a.yaml:1:1: one", "a.yaml:2:1: two"]
    assert json.loads(said.out)["problems"] == ["a.yaml:1:1: one", "a.yaml:2:1: two"]


def test_tracebacks_are_for_those_who_ask(monkeypatch):
    raising(monkeypatch, ZeroDivisionError("division by zero"))
    with pytest.raises(ZeroDivisionError):
        entry.answer(["boom", "--debug"])

"""init, check, plan offline, schema, completion: the verbs that need nothing running."""

from __future__ import annotations

import json
import subprocess

import jsonschema
import pytest

from tests.unit.test_cli_main import answer


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_starter_is_written_checked_and_planned(capsys):
    assert answer("init", "here", "--example", "wine") == 0
    assert "Next: cd here && cyclery run wine.yaml" in capsys.readouterr().out
    assert answer("check", "here/wine.yaml") == 0
    assert "wine is fine" in capsys.readouterr().out
    assert answer("plan", "here/wine.yaml", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["workflow"] == "wine"
    assert {stage["cached"] for stage in plan["stages"]} == {None}
    assert set(plan["stages"][0]) >= {"id", "task", "queue", "after", "cached", "key"}
    assert answer("plan", "here/wine.yaml") == 0
    assert "ingest[" in capsys.readouterr().out


def test_a_starter_does_not_overwrite(capsys):
    assert answer("init") == 0
    assert answer("init") == 2
    assert "exists already" in capsys.readouterr().err


def test_problems_that_only_planning_sees_stand_at_their_place_in_the_file(tmp_path, capsys):
    answer("init")
    capsys.readouterr()
    (tmp_path / "own.py").write_text("import pandas as pd\ndef f(cases: pd.DataFrame) -> pd.DataFrame: ...\n")
    text = (tmp_path / "cancer.yaml").read_text()
    extra = "stages:\n  - {name: own, call: own:f, after: split, before: prepare}\n"
    (tmp_path / "cancer.yaml").write_text(text + extra)
    line = len(text.splitlines()) + 2
    assert answer("check", "cancer.yaml") == 2
    assert capsys.readouterr().err.startswith(f"cancer.yaml:{line}:")
    assert answer("check", "cancer.yaml", "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert document["valid"] is False
    assert len(document["problems"]) >= 1


def test_checking_leaves_nothing_behind(tmp_path):
    answer("init")
    before = sorted(tmp_path.rglob("*"))
    answer("check", "cancer.yaml")
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.suffix != ".json"] in (
        [],
        [tmp_path / ".cyclery"],
    )


def test_the_schema_knows_the_starters(tmp_path, capsys):
    import yaml

    answer("init")
    capsys.readouterr()
    assert answer("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(yaml.safe_load((tmp_path / "cancer.yaml").read_text()), schema)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(shell, capsys):
    assert answer("completion", shell) == 0
    assert "_CYCLERY_COMPLETE" in capsys.readouterr().out


def test_the_completion_of_bash_is_bash(tmp_path, capsys):
    answer("completion", "bash")
    script = tmp_path / "completion.sh"
    script.write_text(capsys.readouterr().out)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_verbs_that_read_say_so_when_there_is_nothing_and_start_nothing(tmp_path, capsys):
    for words, said in (
        (["runs"], "No runs yet"),
        (["models"], "No models yet"),
        (["approvals"], "Nothing waits"),
        (["data", "list"], "No data yet"),
    ):
        assert answer(*words) == 0
        assert said in capsys.readouterr().out
        assert answer(*words, "--json") == 0
        assert json.loads(capsys.readouterr().out) == []
    assert answer("status", "last") == 2
    assert answer("workers") == 5
    assert answer("flower") == 5
    assert list(tmp_path.iterdir()) == []


def test_with_a_redis_elsewhere_flower_is_where_that_stack_publishes_it(monkeypatch, capsys):
    monkeypatch.setenv("CYCLERY_REDIS_URL", "redis://127.0.0.1:1/0")
    assert answer("flower") == 5
    said = capsys.readouterr().err
    assert "CYCLERY_REDIS_URL is set" in said
    assert "http://127.0.0.1:5555" in said
    assert "cyclery up" not in said


def test_a_wrong_setting_is_one_line(monkeypatch, capsys):
    monkeypatch.setenv("CYCLERY_LEASE_S", "soon")
    assert answer("runs") == 2
    assert capsys.readouterr().err.startswith("CYCLERY_LEASE_S: ")

"""`pip install cyclery` is light: the command and the orchestrator side do without the libraries that touch data."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import orchestrator

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "pandas", "pyarrow", "scipy", "sklearn", "skops")


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that has Cyclery's wheel with its light dependencies, as the lock pins them."""
    folder = tmp_path_factory.mktemp("light")
    uv = Path(sys.executable).with_name("uv")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    wheel = next(folder.glob("*.whl"))
    subprocess.run([str(uv), "venv", "-q", "--python", sys.executable, str(folder / "env")], check=True, timeout=60)
    python = folder / "env" / "bin" / "python"
    subprocess.run(
        [str(uv), "pip", "install", "-q", "--python", str(python), "-c", str(ROOT / "requirements.lock"), str(wheel)],
        check=True,
        timeout=240,
    )
    return python.parent


def run(light: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the light environment, away from the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CYCLERY_", "PYTHON"))}
    command = [str(light / words[0]), *words[1:]]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_heavy_libraries_are_not_there(light: Path, tmp_path: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {HEAVY!r} if u.find_spec(n)])"
    assert run(light, tmp_path, "python", "-c", code).stdout == "[]\n"


def test_every_module_of_the_orchestrator_can_be_imported(light: Path, tmp_path: Path) -> None:
    names = [found.name for found in pkgutil.walk_packages(orchestrator.__path__, "orchestrator.")]
    assert len(names) > 50
    code = (
        "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(orchestrator.__file__)"
    )
    done = run(light, tmp_path, "python", "-c", f"import orchestrator\n{code}", *names)
    assert done.returncode == 0, done.stderr
    assert str(light.parent) in done.stdout


def test_the_command_checks_and_plans_a_workflow(light: Path, tmp_path: Path) -> None:
    assert run(light, tmp_path, "cyclery", "--help").returncode == 0
    made = run(light, tmp_path, "cyclery", "init", "demo", "--example", "wine")
    assert made.returncode == 0, made.stderr
    spec = next((tmp_path / "demo").glob("*.yaml"))
    checked = run(light, tmp_path, "cyclery", "check", str(spec))
    assert checked.returncode == 0, checked.stderr
    planned = run(light, tmp_path, "cyclery", "plan", str(spec), "--json")
    assert planned.returncode == 0, planned.stderr
    stages = {stage["task"] for stage in json.loads(planned.stdout)["stages"]}
    assert {"data.ingest", "train.trial", "release.register"} <= stages


def test_what_needs_the_workers_says_how_to_get_them(light: Path, tmp_path: Path) -> None:
    done = run(light, tmp_path, "cyclery", "up")
    assert done.returncode == 5
    assert "pip install 'cyclery[workers]'" in done.stderr
    assert "Traceback" not in done.stderr

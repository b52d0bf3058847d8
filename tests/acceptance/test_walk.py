"""What the documentation tells people to type, typed: the walk through a workflow of one's own, and the CI job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.project import Project
from tests.pages import ROOT, steps, text_of

PAGE = "docs/your-own-workflow.md"
JUDGE = ROOT / "examples" / "ci" / "judge"
SPEC = """\
name: quick
objective: {predict: cultivar, task: classification, metric: accuracy}
data: {sources: {wines: {file: data/wine.csv}}}
train: {candidates: [gaussian_nb]}
gates: [accuracy >= BOUND]
"""


def typed(project: Project, line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of a shell, with the command on its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=project.environment(PATH=path), capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip


def test_the_walk_goes_as_it_is_told(project: Project, request: pytest.FixtureRequest) -> None:
    """Every file written, every line typed, every exit code as the page says it."""
    folder = project.folder
    request.addfinalizer(lambda: typed(project, "cyclery down", folder))
    for name, text in steps(PAGE):
        if name:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
            continue
        line, _, code = text.partition("# exit code ")
        done = typed(project, line, folder)
        assert done.returncode == int(code or 0), f"{line}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        if entered := re.search(r"&& cd (\w+)", line):
            folder /= entered[1]
    assert "cultivar_1       0.982324" in text_of(PAGE)
    assert "cultivar_1       0.982324" in typed(project, "python raw.py", folder).stdout


@pytest.mark.parametrize(("bound", "code", "word"), [("0.8", 0, "passed:"), ("0.999", 3, "REFUSED:")])
def test_the_ci_job_answers_as_the_gates_do(project: Project, bound: str, code: int, word: str) -> None:
    folder = project.folder / "ci"
    typed(project, "cyclery init ci --example wine", project.folder)
    (folder / "quick.yaml").write_text(SPEC.replace("BOUND", bound))
    done = typed(project, f"{JUDGE} quick.yaml found", folder)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    assert word in done.stdout
    assert "<!doctype html>" in (folder / "found" / "report.html").read_text(encoding="utf-8").lower()
    assert typed(project, "cyclery flower", folder).returncode == 5  # nothing was left running


def test_the_ci_job_stops_at_a_wrong_file(project: Project) -> None:
    folder = project.folder / "ci"
    typed(project, "cyclery init ci --example wine", project.folder)
    (folder / "wrong.yaml").write_text(SPEC.replace("gates", "gaits"))
    done = typed(project, f"{JUDGE} wrong.yaml found", folder)
    assert done.returncode == 2
    assert "wrong.yaml:5:1: unknown key 'gaits' (did you mean 'gates'?)" in done.stdout + done.stderr

"""Flower in a real browser: every stage of a run stands there by a name that means something."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.acceptance.project import ROOT, Project, stages

NAMES = {
    "data.ingest", "data.prepare", "data.split", "custom.ratios", "features.build", "train.trial", "train.select",
    "evaluate.model", "evaluate.gates", "release.package", "release.register",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(project: Project) -> dict[str, object]:
    """A run with own code, on workers that Flower watches."""
    project.copy(ROOT / "examples" / "own_code")
    assert project.say("up").code == 0
    document: dict[str, object] = project.document("run", "wine.yaml")
    return document


def _rows(page: Page, url: str) -> list[str]:
    page.goto(f"{url}/tasks?limit=100")
    page.wait_for_selector("#tasks-table tbody tr td:nth-child(2)")
    page.select_option("select[name=tasks-table_length]", "100")
    page.wait_for_function("document.querySelectorAll('#tasks-table tbody tr').length > 10")
    return page.locator("#tasks-table tbody tr").all_inner_texts()


def test_every_stage_is_in_flower_under_its_name(project: Project, run: dict[str, object]) -> None:
    url = project.document("flower")["url"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        shown = "\n".join(_rows(page, url))
        page.goto(f"{url}/task/{run['run']}:split:1")
        details = page.locator("body").inner_text()
        browser.close()
    assert {name for name in NAMES if name in shown} == NAMES
    alone = [stage for stage in stages(run) if not stage.startswith("train[")]  # small trials share messages
    assert [stage for stage in alone if f"{run['run']}:{stage}:1" not in shown] == []
    assert f"{{'run': '{run['run']}', 'stages': ['split']}}" in details


def test_the_model_of_own_code_predicts_alone(project: Project, run: dict[str, object]) -> None:
    assert run["status"] == "succeeded"
    assert project.say("model", "wine-own-code@1", "--export", "out").code == 0
    assert (project.folder / "out" / "bundle.zip").is_file()

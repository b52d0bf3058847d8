"""The report in a real browser: nothing is asked of the network, everything is drawn, and it can be read anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from orchestrator.contracts.records import StageError
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.html import write_report
from tests.unit.report_case import Kept, record
from tests.unit.search_report_case import searched
from tests.unit.segment_case import routed

CHROMIUM = "/usr/bin/chromium"

CONTRAST = """
() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *:not(svg *)')) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, element.tagName + ' ' + element.textContent.slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0])[0];
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    kept = Kept()
    states = {"train[svc#1]": StageState.FAILED, "select": StageState.SKIPPED}
    errors = {"train[svc#1]": StageError(family="user", message="C must be positive", frames=("clf.py:3",))}
    given = {
        "succeeded": record(kept),
        "refused": record(kept, status=RunStatus.REFUSED, passed=False),
        "searched": searched(kept, method="bayesian", trials=40),
        "failed": record(kept, status=RunStatus.FAILED, upto="features", states=states, errors=errors),
        "routed": routed(kept),
    }
    home = tmp_path_factory.mktemp("home")
    return {name: write_report(one.model_copy(update={"run": name}), kept.read, home) for name, one in given.items()}


def opened(browser: Browser, path: Path, *, scheme: str = "light", width: int = 1200) -> tuple[Page, list[str]]:
    """The page, and everything that it complained of or asked for beyond itself."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda asked: None if asked.url == path.as_uri() else troubles.append(asked.url))
    page.goto(path.as_uri())
    return page, troubles


@pytest.mark.parametrize("name", ["succeeded", "refused", "failed", "searched"])
def test_the_page_is_quiet_and_asks_for_nothing(browser: Browser, reports: dict[str, Path], name: str) -> None:
    page, troubles = opened(browser, reports[name])
    assert page.locator("h1").is_visible()
    assert [one for one in troubles if not one.startswith("data:")] == []


def test_the_headline_the_ranking_and_the_landmarks(browser: Browser, reports: dict[str, Path]) -> None:
    page, _ = opened(browser, reports["succeeded"])
    assert "predicts diagnosis with a ROC AUC of 0.993" in page.locator("h1").inner_text()
    for landmark in ("banner", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1  # type: ignore[arg-type]
    means = [float(cell) for cell in page.locator("table.ranking tbody td:nth-child(4)").all_inner_texts()]
    assert len(means) == 3
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("name", ["succeeded", "failed", "routed", "searched"])
@pytest.mark.parametrize("width", [390, 1200])
def test_every_drawing_has_a_size_and_nothing_runs_over(
    browser: Browser, reports: dict[str, Path], name: str, width: int
) -> None:
    page, _ = opened(browser, reports[name], width=width)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    drawings = page.locator("svg:visible").all()
    assert drawings  # a narrow page leaves the timeline out
    for drawing in drawings:
        box = drawing.bounding_box()
        assert box is not None
        assert box["width"] > 10, drawing.get_attribute("aria-label")
        assert box["height"] > 10, drawing.get_attribute("aria-label")


@pytest.mark.parametrize("name", ["succeeded", "routed", "searched"])
def test_no_label_of_a_chart_is_cut_off(browser: Browser, reports: dict[str, Path], name: str) -> None:
    page, _ = opened(browser, reports[name])
    cut = page.evaluate("""() => [...document.querySelectorAll('.chart svg')].flatMap(svg => {
      const frame = svg.getBoundingClientRect();
      return [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
          || box.bottom > frame.bottom + 1;
      }).map(text => text.textContent);
    })""")
    assert cut == []


@pytest.mark.parametrize("name", ["succeeded", "refused", "failed", "routed", "searched"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_night(browser: Browser, reports: dict[str, Path], name: str, scheme: str) -> None:
    page, _ = opened(browser, reports[name], scheme=scheme)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert dark == (scheme == "dark")
    least, where = page.evaluate(CONTRAST)
    assert least >= 4.5, where


@pytest.mark.parametrize("name", ["succeeded", "routed", "searched"])
@pytest.mark.parametrize("media", ["screen", "print"])
def test_no_number_sticks_out_of_its_table(
    browser: Browser, reports: dict[str, Path], name: str, media: Literal["screen", "print"]
) -> None:
    page, _ = opened(browser, reports[name], width=1200 if media == "screen" else 690)
    page.emulate_media(media=media)
    out = page.evaluate("""() => [...document.querySelectorAll('td')].filter(cell => {
      const written = document.createRange();
      written.selectNodeContents(cell);
      return written.getBoundingClientRect().right > cell.closest('table').getBoundingClientRect().right + 1;
    }).map(cell => cell.textContent)""")
    assert out == []


def test_on_paper_it_is_light_whole_and_folded_open(browser: Browser, reports: dict[str, Path]) -> None:
    page, _ = opened(browser, reports["succeeded"], scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    folded = page.locator(".lineage + details pre")
    assert (folded.bounding_box() or {"height": 0})["height"] > 10
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    assert 2 <= paper.count(b"/Type /Page\n") <= 12

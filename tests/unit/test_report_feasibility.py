"""The verdict on a target in a run's document and report."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.contracts.documents.evaluation import Verdict, Verdicts
from orchestrator.contracts.feasibility import Baseline, Enough, Feasibility, Forecast, LearningCurve
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.report.document import run_document
from orchestrator.report.evidence import Evidence
from orchestrator.report.feasibility import cost, feasibility_document, feasibility_section
from orchestrator.report.html import render
from orchestrator.report.learning import learning_chart
from tests.unit.report_case import Kept, record


def curve(model: str, last: float) -> LearningCurve:
    return LearningCurve(
        model=model, rows=(50, 100, 200, 400), scores=(last - 0.09, last - 0.05, last - 0.02, last),
        spread=(0.03, 0.02, 0.02, 0.01), exponent=0.5, limit=last + 0.02,
        now=Forecast(rows=452, value=last + 0.002, low=last - 0.02, high=last + 0.02),
        more=Forecast(rows=4520, value=last + 0.01, low=last - 0.02, high=last + 0.03),
    )  # fmt: skip


def feasibility(**changed: Any) -> Feasibility:
    fields: dict[str, Any] = {
        "metric": "roc_auc", "greater_is_better": True, "target": 0.99, "verdict": "out of reach",
        "reasons": ("even with ten times the rows <b> is short", "452 training rows: enough"), "rows": 452,
        "features": 30, "curves": (curve("boosted model", 0.9), curve("linear model", 0.85)),
        "enough": (Enough(subject="rows", have=452, needed=100, enough=True, sentence="enough"),),
        "baselines": (Baseline(model="majority class", mean=0.5, std=0.0, scores=(0.5, 0.5)),),
    }  # fmt: skip
    return Feasibility(**(fields | changed))


def asked(kept: Kept, found: Feasibility, *, required: bool = False, **measured: Any) -> RunRecord:
    """A run with the stage; where it was required, one that ended there."""
    stage = StageRecord(
        id="feasibility", task="train.feasibility", queue="train", state=StageState.DONE,
        outputs={"feasibility": kept.put(found)}, measured={"fit_seconds": {"a": 0.5, "b": 2.0}} | measured,
    )  # fmt: skip
    if not required:
        whole = record(kept)
        return whole.model_copy(update={"stages": (*whole.stages[:5], stage, *whole.stages[5:])})
    verdict = Verdict(gate="require: realistic", passed=False, sentence="roc_auc: the target is out of reach")
    judged = StageRecord(
        id="require", task="train.require", queue="train", state=StageState.DONE,
        outputs={"verdicts": kept.put(Verdicts(verdicts=(verdict,), passed=False))},
    )  # fmt: skip
    whole = record(kept, status=RunStatus.REFUSED, upto="features")
    return whole.model_copy(update={"stages": (*whole.stages[:5], stage, judged, *whole.stages[5:])})


def test_the_document_and_the_page_tell_the_verdict_with_its_reasons():
    kept = Kept()
    found = asked(kept, feasibility())
    told = run_document(found, kept.read)["feasibility"]
    assert (told["verdict"], told["metric"], told["target"]) == ("out of reach", "roc_auc", 0.99)
    page = render(found, kept.read)
    assert "ROC AUC of 0.990 is out of reach." in page
    assert "even with ten times the rows &lt;b&gt; is short" in page.lower()
    assert 'id="chart-learning"' in page
    assert run_document(record(kept), kept.read)["feasibility"] is None
    assert 'id="feasibility"' not in render(record(kept), kept.read)


def test_a_run_that_ended_before_its_search_says_so():
    kept = Kept()
    found = asked(kept, feasibility(), required=True)
    assert [gate["gate"] for gate in run_document(found, kept.read)["gates"]] == ["require: realistic"]
    page = render(found, kept.read)
    assert "Nothing was searched for: the target is out of reach." in page
    assert "cyclery trials" not in page


@pytest.mark.parametrize("changed", [{"target": None, "verdict": None}, {"curves": ()}, {"metric": "rmse"}])
def test_what_is_not_known_is_not_drawn(changed):
    kept = Kept()
    found = feasibility(**changed)
    page = render(asked(kept, found), kept.read)
    assert 'id="feasibility"' in page
    assert ('id="chart-learning"' in page) == bool(found.curves)
    assert ("target 0.990" in page) == (found.target is not None and bool(found.curves))


def test_the_chart_lies_within_its_frame():
    chart = learning_chart(feasibility())
    assert chart is not None
    places = [(x, y) for x, y, _ in chart.points]
    assert all(chart.plot.left <= x <= chart.plot.inner_right for x, _ in places)
    assert all(chart.plot.top <= y <= chart.plot.inner_bottom for _, y in places)
    assert ["".join(filter(str.isdigit, tick.label)) for tick in chart.plot.x_ticks] == [
        "50", "100", "200", "500", "1000", "2000", "5000",
    ]  # fmt: skip


def test_the_cost_is_fits_times_trials_by_the_processes_of_the_pool():
    kept = Kept()
    evidence = Evidence(asked(kept, feasibility()), kept.read)
    found = cost(evidence, {"a": 10, "b": 3, "own": 2}, folds=5, workers=2)
    assert found["fit_seconds"] == 55.0  # 0.5 · 10 · 5 + 2 · 3 · 5
    assert found["seconds"] == 27.5
    assert found["untimed"] == ["own"]
    assert found["trials"] == 15
    assert cost(evidence, {"a": 10, "b": 3}, folds=5, workers=2, share=0.2)["seconds"] == 5.5
    assert cost(evidence, {"a": 10, "b": 3}, folds=5, workers=2, budget_s=20.0)["seconds"] == 20.0
    document = feasibility_document(evidence, {"a": 1}, folds=2, workers=1)
    assert document is not None
    assert document["cost"]["seconds"] == 1.0
    assert feasibility_document(Evidence(record(kept), kept.read), {"a": 1}, 2, 1) is None


def test_the_cost_of_models_of_segments_is_that_of_the_fits_in_all_of_them_too():
    kept = Kept()
    evidence = Evidence(asked(kept, feasibility(), segments_fit_seconds={"a": 10.0}), kept.read)
    found = cost(evidence, {"a": 10, "b": 3}, folds=5, workers=2)
    assert found["fit_seconds"] == 555.0  # (0.5 + 10) · 10 · 5 + 2 · 3 · 5
    assert [one["segments_fit_s"] for one in found["candidates"]] == [10.0, None]


def test_the_page_calls_the_metric_by_its_readable_name():
    kept = Kept()
    reasons = ("short", "mae of a boosted model went from 88", "cross-validated mae: mean 125", "human remade: enough")
    section = feasibility_section(Evidence(asked(kept, feasibility(metric="mae", reasons=reasons)), kept.read))
    assert section is not None
    assert section.seen == [
        "MAE of a boosted model went from 88.", "Cross-validated MAE: mean 125.", "Human remade: enough.",
    ]  # fmt: skip

"""The page of segments: one summary however many models there are."""

from __future__ import annotations

import pytest

from orchestrator.contracts.documents.evaluation import SegmentsEvidence
from orchestrator.report.document import run_document
from orchestrator.report.evidence import Evidence
from orchestrator.report.headline import headline
from orchestrator.report.html import render
from orchestrator.report.segments import gain_words, segments_section
from orchestrator.report.trials import segment_rows
from tests.unit.report_case import Kept, record
from tests.unit.segment_case import judged, routed, summary


def test_the_section_counts_every_kind_of_segment_and_names_the_unserved():
    kept = Kept()
    section = segments_section(Evidence(routed(kept), kept.read))
    assert section is not None
    assert section.lead.startswith("970 of 1 000 values of ward have models of their own.")
    assert "answers for the 30 others, for values that training never saw" in section.lead
    facts = dict(section.facts)
    assert facts["fewer than 100 training rows"] == "25"
    assert facts["training rows of smaller values"] == "800"
    assert facts["training rows without a value"] == "40"
    assert section.champions[0] == ("logistic_regression", "600", "62 %")
    assert section.unserved[0] == ("w0100", "failed", "candidate svc#1 failed: <script>")
    assert section.more == 3
    assert section.chart is not None
    assert "Of 940 segments half have a ROC AUC below 0.830" in section.chart.told


def test_what_was_picked_out_of_many_is_told_as_such():
    kept = Kept()
    section = segments_section(Evidence(routed(kept), kept.read))
    assert section is not None
    weakest, best = section.tables
    assert weakest.legend == (
        "The weakest of 940 segments with 20 test rows or more; among so many some stand out by chance alone. "
        "1 of these differs from all together by more than that. "
        "The intervals hold for all 940 at once (each is one of 99.9947 %); "
        "the vertical mark is the ROC AUC on all rows that segments' own models answer."
    )
    assert "None of these differs from all together" in best.legend
    assert weakest.rows[0].strip is not None
    assert best.rows[0].strip is not None
    assert weakest.rows[0].strip.mark == best.rows[0].strip.mark  # one scale for both


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.05, "Models of their own are better (95 % interval of what is gained: 0.010 to 0.050)."),
        (-0.05, -0.01, "Models of their own are worse"),
        (-0.01, 0.05, "The difference may be chance"),
        (None, None, "The rows are too few to say which is better."),
    ],
)
def test_what_own_models_gain_is_said_in_words(low, high, said):
    found = judged()
    assert found.gain is not None
    changed = found.gain.model_copy(update={"low": low, "high": high})
    told = gain_words(found.model_copy(update={"gain": changed}))
    assert told is not None
    assert said in told
    assert gain_words(found.model_copy(update={"routed": None})) is None


def test_the_page_escapes_names_and_stays_short_however_many_segments_there_are():
    kept = Kept()
    page = render(routed(kept), kept.read)
    assert '<section id="segments"' in page
    assert "<script>" not in page
    assert len(page) - len(render(record(kept), kept.read)) < 25_000
    assert '<section id="segments"' not in render(record(kept), kept.read)


def test_headline_and_document_say_that_there_is_a_model_per_segment():
    kept = Kept()
    one = routed(kept)
    assert headline(Evidence(one, kept.read)).claim.startswith("One model per ward predicts diagnosis with a ROC AUC")
    found = run_document(one, kept.read)["segments"]
    assert found["own"] == 970
    assert found["evidence"]["judged"] == 940
    assert run_document(record(kept), kept.read)["segments"] is None


def test_the_trials_of_one_segment_are_found_by_its_value():
    kept = Kept()
    evidence = Evidence(routed(kept), kept.read)
    rows = segment_rows(evidence, "w0007")
    assert rows is not None
    assert [(row["rank"], row["candidate"], row["score"]) for row in rows] == [(1, "svc", 0.8), (None, "dummy", None)]
    assert rows[1]["error"] == "no"
    assert segment_rows(evidence, "w9999") is None


def test_with_one_segment_nothing_is_drawn_and_words_agree():
    kept = Kept()
    found = judged().model_copy(update={"judged": 1, "best": judged().best[:1], "weakest": ()})
    assert isinstance(found, SegmentsEvidence)
    few = summary().model_copy(update={"segments": 2, "own": 1, "champions": {"svc": 1}})
    section = segments_section(Evidence(routed(kept, few, found), kept.read))
    assert section is not None
    assert section.lead.startswith(
        "1 of 2 values of ward has a model of its own. One model of all rows answers for the other,"
    )
    assert section.chart is None
    assert len(section.tables) == 1

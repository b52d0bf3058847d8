"""Runs side by side."""

from __future__ import annotations

from orchestrator.contracts.status import RunStatus
from orchestrator.report.comparison import comparison, differences
from orchestrator.report.evidence import Evidence
from tests.unit.report_case import Kept, record

SPEC = {
    "name": "cancer",
    "objective": {"metric": "roc_auc", "goal": None},
    "train": {
        "candidates": [
            {"name": "svc", "grid": {"C": [1, 10]}},
            {"name": "ridge", "estimator": "Ridge", "grid": {}, "final": None},
        ],
        "search": {"folds": 5},
    },
    "gates": [],
}


def test_only_what_differs_is_told_under_dotted_keys():
    other = {
        "name": "cancer",
        "objective": {"metric": "roc_auc", "goal": 0.9},
        "train": {"candidates": [{"name": "svc", "grid": {"C": [1]}}], "search": {"folds": 5.0}},
        "gates": [],
        "seed": 3,
    }
    assert differences([SPEC, SPEC, other]) == [
        {"key": "objective.goal", "values": [None, None, 0.9]},
        {"key": "train.candidates.svc.grid.C", "values": [[1, 10], [1, 10], [1]]},
        {"key": "train.candidates.ridge.estimator", "values": ["Ridge", "Ridge", None]},
        {"key": "seed", "values": [None, None, 3]},
    ]
    assert differences([SPEC, SPEC]) == []


def test_runs_stand_side_by_side_with_what_came_of_each():
    kept = Kept()
    good, bad = record(kept, spec=SPEC), record(kept, spec=SPEC, run="cancer-2", status=RunStatus.REFUSED, passed=False)
    document = comparison([Evidence(good, kept.read), Evidence(bad, kept.read)])
    first, second = document["runs"]
    assert (first["run"], second["run"]) == ("cancer-7f3a", "cancer-2")
    assert (first["status"], second["status"]) == ("succeeded", "refused")
    assert first["champion"]["metrics"]["roc_auc"]["low"] == 0.981
    assert [gate["passed"] for gate in second["gates"]] == [False, True]
    assert first["data"][0]["digest"] == second["data"][0]["digest"] == kept.put(b"a,b\n1,2\n").digest
    assert first["trials"] == len(first["ranking"]) == 3
    assert document["metric"] == "roc_auc"
    assert document["same_data"]
    assert document["differences"] == []


def test_other_data_is_told():
    kept = Kept()
    here, there = record(kept), record(kept, run="cancer-2")
    ingest = there.stages[0].model_copy(update={"sources": {"file": kept.put(b"other")}})
    there = there.model_copy(update={"stages": (ingest, *there.stages[1:])})
    document = comparison([Evidence(here, kept.read), Evidence(there, kept.read)])
    assert not document["same_data"]
    assert not document["comparable"]


def test_a_run_that_came_to_nothing_is_compared_as_far_as_it_came():
    kept = Kept()
    failed = record(kept, status=RunStatus.FAILED, upto="check")
    document = comparison([Evidence(record(kept), kept.read), Evidence(failed, kept.read)])
    assert document["runs"][1]["champion"] is None
    assert document["runs"][1]["split"] is None
    assert not document["comparable"]

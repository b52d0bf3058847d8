"""Versions of tasks: what a task makes of the same inputs changes only together with its version."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from orchestrator.contracts.calls import Purity
from orchestrator.contracts.tasks import TASKS
from tests.unit.task_behaviour import Described, behaviour, complaints, recorded

# A team's own code has its digest instead of a version; the probe echoes what it was given; no two times are alike.
WITHOUT = {"custom", "ops.probe", "release.measure"}


@pytest.mark.filterwarnings("default")  # what a library warns of is no behaviour
def test_every_pure_task_does_what_its_version_is_recorded_to_do(tmp_path: Path) -> None:
    found = behaviour(tmp_path)
    assert {name.partition("@")[0] for name in found} == {
        task.name for task in TASKS.values() if task.purity is Purity.PURE
    } - WITHOUT
    assert complaints(found, recorded()) == []


THEN: Described = {
    "data.split@1": {"wines/split": {"asked": "a", "outputs": {"summary": {"train_rows": 130}}}},
    "train.trial@3": {"wines/train[ridge#1]": {"asked": "b", "outputs": {"result": {"mean": 0.8125}}}},
}


def changed(rows: int, mean: float) -> Described:
    found = copy.deepcopy(THEN)
    found["data.split@1"]["wines/split"]["outputs"]["summary"]["train_rows"] = rows
    found["train.trial@3"]["wines/train[ridge#1]"]["outputs"]["result"]["mean"] = mean
    return found


def test_another_behaviour_asks_for_another_version_and_only_of_the_task_that_changed() -> None:
    split, trial = complaints(changed(rows=131, mean=0.5), THEN)
    assert split == (
        "data.split behaves otherwise than version 1 did (wines/split.summary.train_rows: 130 → 131): raise its "
        "version in orchestrator/contracts/tasks.py, then python -m tests.unit.task_behaviour"
    )
    assert trial.startswith("train.trial@3 was asked something else")


def test_a_raised_version_wants_a_record() -> None:
    found = {"data.split@2": THEN["data.split@1"]}
    assert complaints(found, THEN) == ["data.split@2 has no record: python -m tests.unit.task_behaviour"]


def test_the_last_digits_of_another_blas_are_no_behaviour() -> None:
    assert complaints(changed(rows=130, mean=0.8125 + 1e-6), THEN) == []
    assert len(complaints(changed(rows=130, mean=0.8145), THEN)) == 1

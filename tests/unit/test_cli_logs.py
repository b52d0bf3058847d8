"""What `cyclery logs` says above and before the lines of a stage."""

from __future__ import annotations

import pytest

from orchestrator.cli.looking import heading
from orchestrator.client.logs import Line, stages_of
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import RunRecord


def test_a_cached_stage_made_no_attempt() -> None:
    assert [heading(0), heading(2)] == ["cached: written when it ran", "attempt 2"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (None, "train[x#1/2]"),
        ("train[x#1]", "train[x#1/2]"),
        ("train[x#1", "train[x#1/2]"),
        ("train[x#1/2]", ""),
        ("train[x#1/", ""),
    ],
)
def test_a_line_names_its_stage_unless_that_is_the_one_asked_for(asked: str | None, told: str) -> None:
    assert Line("train[x#1/2]", 1, "three neighbours").of(asked) == told


def test_the_beginning_of_a_trials_name_names_it_with_its_folds() -> None:
    folds = [f"train[x#1/{number}]" for number in (1, 2)]
    stages = [{"id": one, "task": "train.fold", "queue": "train", "state": "done"} for one in folds]
    joined = {"id": "train[x#1]", "task": "train.joined", "queue": "ops", "state": "done", "after": folds}
    other = {"id": "train[x#10]", "task": "train.trial", "queue": "train", "state": "done"}
    made = {"run": "w-1", "workflow": "w", "status": "succeeded", "created": 1.0, "plan_digest": "d", "plan_version": 1}
    record = RunRecord.model_validate(made | {"stages": [*stages, joined]})
    assert [one.id for one in stages_of(record, "train[x#1")] == [*folds, "train[x#1]"]
    assert [one.id for one in stages_of(record, "train[x#1/2")] == ["train[x#1/2]"]
    with pytest.raises(InvalidInput, match=r"begins several stages: train\[x#1/1\], train\[x#1/2\]$"):
        stages_of(record, "train[x#1/")
    record = RunRecord.model_validate(made | {"stages": [*stages, joined, other]})
    with pytest.raises(InvalidInput, match=r"begins several stages: train\[x#1\], train\[x#10\]$"):
        stages_of(record, "train[x#1")

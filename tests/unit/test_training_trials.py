"""Several trials in one stage: each as if it were alone, whatever becomes of the others."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from orchestrator.contracts.errors import RequirementMissing
from orchestrator.contracts.training import Setting, TrialsParams
from tests.unit.training_case import Case, case
from workers.runtime.interruption import StageCancelled
from workers.training.trial import trial
from workers.training.trials import TrialsOutputs, trials

NEIGHBOURS = "sklearn.neighbors.KNeighborsClassifier"


def shared(made: Case, path: str, *settings: dict[str, Any]) -> TrialsParams:
    common = {name: one for name, one in made.trial(path) if name in TrialsParams.model_fields}
    return TrialsParams(
        **common, settings=tuple(Setting(index=place, params=one) for place, one in enumerate(settings, 3))
    )


def run(made: Case, params: TrialsParams, context=None) -> TrialsOutputs:
    return trials(
        made.frame, made.rows, made.preparation, made.summary, params=params, context=context or made.context()
    )


@pytest.mark.parametrize(
    ("kind", "path", "settings"),
    [
        ("binary", "sklearn.tree.DecisionTreeClassifier", [{"max_features": 1}, {"max_features": 2}]),
        ("multiclass", NEIGHBOURS, [{"n_neighbors": 3}, {"n_neighbors": 9}]),
        ("regression", "sklearn.linear_model.SGDRegressor", [{"alpha": 0.1, "max_iter": 3}, {"max_iter": 3}]),
    ],
)
def test_each_is_the_very_trial_that_it_is_alone(kind: str, path: str, settings: list, tmp_path: Path) -> None:
    made = case(tmp_path, kind, weighted=True)
    params = shared(made, path, *settings)
    alone = [
        trial(made.frame, made.rows, made.preparation, made.summary, params=one, context=made.context()).result
        for one in params.each()
    ]
    found = run(made, params).results
    assert list(found.results) == alone
    assert [one.index for one in alone] == [3, 4]
    assert any(one.warnings for one in alone) == (kind != "binary")


def test_one_that_fails_is_recorded_and_the_others_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = case(tmp_path, "binary")
    context = made.context()
    wanted = [{"n_neighbors": 3}, {"n_neighbors": 999}, {"n_neighbours": 5}, {"n_neighbors": 5}]
    with caplog.at_level(logging.WARNING):
        found = run(made, shared(made, NEIGHBOURS, *wanted), context).results
    assert [one.params["n_neighbors"] for one in found.results] == [3, 5]
    assert [(one.index, one.family) for one in found.failures] == [(4, "user"), (5, "data")]
    assert "some#4 (n_neighbors=999) failed on fold 1: ValueError" in found.failures[0].message
    assert "has no parameter 'n_neighbours'" in found.failures[1].message
    assert [record.message for record in caplog.records] == [one.message for one in found.failures]
    assert context.measured["failed"] == 2
    assert context.kept
    taken = context.measured["trials"]
    assert len(taken) == 4
    assert all(whole >= fit + score > 0 for whole, fit, score in (taken[0], taken[3]))
    assert [fit for _, fit, _ in taken[1:3]] == [0, 0]
    assert context.measured["fit_seconds"] == pytest.approx(sum(fit for _, fit, _ in taken), abs=1e-5)


class Large(DummyClassifier):
    """Finds no memory."""

    def fit(self, *_: object) -> None:
        raise MemoryError


def test_what_failed_for_want_of_memory_is_done_again(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    context = made.context()
    found = run(made, shared(made, f"{__name__}:Large", {}), context).results
    assert [one.family for one in found.failures] == ["memory"]
    assert not context.kept


def test_what_is_no_trials_own_fault_fails_the_stage(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    with pytest.raises(RequirementMissing, match="no_such_package"):
        run(made, shared(made, "no_such_package.Model", {}, {}))


def test_a_cancelled_stage_stops_between_trials(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    context = made.context()
    told: list[float] = []

    class Impatient:
        """Whoever stops the run once three fits are done."""

        def progress(self, share: float) -> None:
            told.append(share)

        @property
        def cancelled(self) -> bool:
            return len(told) == 3

    context.watcher = Impatient()
    with pytest.raises(StageCancelled):
        run(made, shared(made, NEIGHBOURS, {}, {"p": 1}), context)
    assert told == [1 / 8, 2 / 8, 3 / 8]

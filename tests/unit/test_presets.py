"""Presets: one word is a list of candidates that fit the task, and every one of them can be trained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from orchestrator.plan.candidates import expand
from orchestrator.plan.search import grows
from orchestrator.spec.presets import PRESETS
from tests.unit.spec_case import found, loaded, problems
from tests.unit.training_case import case
from tests.unit.whole_case import BINARY, DATA, whole
from workers.training.trial import trial

REGRESSION = "objective: {predict: income, task: regression}\ndata: {sources: {people: {file: people.csv}}}\n"


@pytest.mark.parametrize(("name", "trials"), [("fast", 6), ("balanced", 30), ("thorough", 120)])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_preset_is_a_list_of_candidates_and_a_budget(name: str, trials: int, task: str, tmp_path: Path) -> None:
    assert name in PRESETS
    objective = "--" if task == "classification" else "objective={predict: income, task: regression}"
    sets = [] if objective == "--" else [objective]
    spec = loaded(tmp_path, f"train: {{candidates: {name}}}\n", *sets)
    drawn = expand(spec.train)
    assert len(drawn) == trials
    assert len(Counter(one.candidate.name for one in drawn)) == len(spec.train.candidates)
    assert ("Regressor" in drawn[-1].candidate.estimator) is (task == "regression")
    assert spec.train.search.method == ("grid" if name == "fast" else "random")


def test_a_budget_and_the_method_of_ones_own_stand(tmp_path: Path) -> None:
    spec = loaded(tmp_path, "train: {candidates: thorough, search: {trials: 9}}\n")
    assert len(expand(spec.train)) == 9
    assert found(tmp_path, "train: {candidates: balanced, search: {method: grid}}\n") == [
        "3:9: a range is drawn from: set `search: {method: random, trials: 20}`"
    ]


def test_a_preset_goes_with_any_search_and_a_budget_of_time_bounds_it_by_itself(tmp_path: Path) -> None:
    searches = ("{method: asha}", "{method: halving}", "{patience: 9}", "{time: 30m}", "{time: 30m, trials: 9}")
    specs = [loaded(tmp_path, f"train: {{candidates: thorough, search: {search}}}\n") for search in searches]
    assert [spec.train.search.trials for spec in specs] == [120, 120, 120, 1000, 9]
    assert all(grows(spec.train.search) for spec in specs)
    assert {len(expand(spec.train)) for spec in specs[:3]} == {120}


def test_a_word_that_is_no_preset_is_refused(tmp_path: Path) -> None:
    assert found(tmp_path, "train: {candidates: thorogh}\n") == [
        "3:21: candidates are a list or a preset, and 'thorogh' is none (did you mean 'thorough'?)"
    ]
    missing = "objective: {predict: bought}\ndata: {sources: {people: {file: people.csv}}}\ntrain: {candidates: fast}\n"
    assert problems(tmp_path, missing) == ["1:12: 'task' is missing in objective"]


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
@pytest.mark.filterwarnings("ignore")
def test_every_candidate_of_the_widest_preset_trains(kind: str, tmp_path: Path) -> None:
    made = case(tmp_path, kind)
    sets = ["objective={predict: income, task: regression}"] if kind == "regression" else []
    spec = loaded(tmp_path, "train: {candidates: thorough, search: {trials: 8}}\n", *sets)
    for one in {drawn.candidate.name: drawn for drawn in expand(spec.train)}.values():
        small = {name: 5 for name in ("n_estimators", "max_iter") if name in one.params}
        if one.candidate.name == "voting":
            small = {"random_forest__n_estimators": 5, "hist_gradient_boosting__max_iter": 5}
        params = made.trial(one.candidate.estimator, {**one.params, **small}, candidate=one.candidate.name)
        scored = trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context())
        assert len(scored.result.scores) == 4


def test_the_fast_preset_runs_as_a_whole(tmp_path: Path) -> None:
    run = whole(tmp_path, BINARY + DATA + "train: {candidates: fast, search: {folds: 2}}\n", "select")
    assert {one["candidate"] for one in run.document("select", "ranking")["trials"]} == {
        *("logistic_regression", "random_forest", "hist_gradient_boosting")
    }

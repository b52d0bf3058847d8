"""A Bayesian search: proposals that follow from the records alone, and what they are worth."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from statistics import mean
from typing import Any

import pytest

from orchestrator.contracts.documents.training import SearchTrial
from orchestrator.contracts.errors import RequirementMissing
from orchestrator.contracts.spaces import Between, Space
from orchestrator.contracts.training import TrialParams
from tests.unit.search_case import SVC, run, steps
from workers.training.bayesian import propose

RIDGE: dict[str, Any] = {
    "ridge_classifier": {
        "range": {
            "alpha": {"low": 0.001, "high": 100.0, "log": True},
            "max_iter": {"low": 1, "high": 100, "int": True},
        }
    }
}


def landscape(asked: TrialParams) -> float:
    """Best for an svc with the rbf kernel, C = 10 and gamma = 0.01: 0.95."""
    given = asked.params
    if asked.candidate == "ridge_classifier":
        return 0.8 - 0.05 * abs(math.log10(given["alpha"]) - 1) - abs(given["max_iter"] - 50) / 500
    score = 0.85 - 0.05 * abs(math.log10(given["C"]) - 1)
    return score + (0.1 - 0.05 * abs(math.log10(given["gamma"]) + 2) if given["kernel"] == "rbf" else 0.0)


def trial(index: int, x: float, *, score: float | None = None, failed: bool = False) -> SearchTrial:
    return SearchTrial(
        stage=f"train[one#{index}]", candidate="one", index=index, params={"x": x}, step=1, score=score, failed=failed
    )


LINE = Space("one", between={"x": Between(0.0, 1.0)})


def nearer(trials: list[SearchTrial], to: float, *, seeds: int = 12, maximize: bool = True) -> float:
    """The mean distance of proposals from a place, over seeds; of random ones from 0.5 it is 0.25."""
    return mean(
        abs(propose([LINE], trials, 1, maximize=maximize, seed=seed)[0].params["x"] - to) for seed in range(seeds)
    )


# — what it is worth


def test_it_finds_better_settings_than_random_draws_do():
    def best(**search: Any) -> float:
        found = [run(steps([RIDGE, SVC], trials=60, seed=seed, **search), landscape) for seed in range(6)]
        return mean(max(one.score for one in each.state.trials if one.score is not None) for each in found)

    assert best(method="bayesian") > best(method="random", patience=1000) + 0.02


def test_a_metric_of_errors_is_searched_from_below():
    known = [trial(place, place / 20, score=abs(place / 20 - 0.2)) for place in range(21)]
    assert nearer(known, 0.2, maximize=False) < 0.1 < nearer(known, 0.2, maximize=True)


# — priors


def test_parameters_are_drawn_as_they_are_declared_and_conditional_ones_only_where_their_condition_holds():
    found = run(steps([RIDGE, SVC], method="bayesian", trials=60), landscape)
    assert {one.candidate for one in found.state.trials[:2]} == {"ridge_classifier", "svc"}
    for one in found.state.trials:
        if one.candidate == "ridge_classifier":
            assert isinstance(one.params["max_iter"], int)
            assert 1 <= one.params["max_iter"] <= 100
            assert 0.001 <= one.params["alpha"] == float(f"{one.params['alpha']:.6g}") <= 100
        else:
            assert one.params["max_iter"] == 1000
            assert one.params["class_weight"] in (None, "balanced")
            assert ("gamma" in one.params) is (one.params["kernel"] == "rbf")
    assert any("gamma" in one.params for one in found.state.trials[30:])


def test_a_condition_on_a_conditional_parameter_is_followed():
    space = Space(
        "one",
        choices={"a": (1, 2), "b": ("x", "y"), "c": (True, False)},
        when={"a": {"b": ("x",)}, "b": {"c": (True,)}},
    )
    proposals = propose([space], [], 40, maximize=True, seed=0)
    given = {tuple(sorted(one.params)) for one in proposals}
    assert given == {("c",), ("b", "c"), ("a", "b", "c")}
    assert all(space.held(one.params) == one.params for one in proposals)


# — many at once, again, after failures


def test_the_same_records_lead_to_the_same_proposals_in_another_process_too():
    known = [trial(place, place / 20, score=-abs(place / 20 - 0.2)) for place in range(15)]
    known += [trial(16, 0.9), trial(17, 0.8, failed=True)]
    first = propose([LINE], known, 3, maximize=True, seed=7)
    assert propose([LINE], known, 3, maximize=True, seed=7) == first
    assert propose([LINE], known, 3, maximize=True, seed=8) != first
    code = (
        "from tests.unit.test_training_bayesian import RIDGE, SVC, landscape, run, steps\n"
        "print(run(steps([RIDGE, SVC], method='bayesian', trials=24), landscape, order=5).asked)"
    )
    here = run(steps([RIDGE, SVC], method="bayesian", trials=24), landscape).asked
    there = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == str(here)


def test_what_is_under_way_is_not_asked_for_again():
    known = [trial(place, place / 20, score=-abs(place / 20 - 0.2)) for place in range(21)]
    alone = nearer(known, 0.2)
    crowd = [trial(30 + place, 0.17 + place / 200) for place in range(12)]
    assert nearer(known + crowd, 0.2) > 1.5 * alone
    batch = [one.params["x"] for one in propose([LINE], known, 6, maximize=True, seed=1)]
    assert len(set(batch)) == 6


def test_failed_trials_say_nothing_of_what_is_good():
    known = [trial(place, place / 20, score=-abs(place / 20 - 0.2)) for place in range(21)]
    failures = [trial(30 + place, 0.2, failed=True) for place in range(10)]
    for seed in range(5):
        assert propose([LINE], known + failures, 1, maximize=True, seed=seed) == propose(
            [LINE], known, 1, maximize=True, seed=seed
        )


def test_it_begins_with_the_draws_of_a_random_search_and_tries_no_setting_twice():
    plain = run(steps([RIDGE, SVC], method="random", trials=60, patience=1000), landscape)
    found = run(steps([RIDGE, SVC], method="bayesian", trials=60), landscape)
    params, drawn = ([one.params for one in each.state.trials] for each in (found, plain))
    assert params[:16] == drawn[:16]  # the fifth step is the first to know ten scores
    assert all(one not in drawn for one in params[16:20])


def test_a_short_one_proposes_once_a_quarter_of_its_scores_is_known():
    plain = run(steps([RIDGE], method="random", trials=16, patience=1000), landscape)
    found = run(steps([RIDGE], method="bayesian", trials=16, batch=1), landscape)
    params, drawn = ([one.params for one in each.state.trials] for each in (found, plain))
    assert [one in drawn for one in params] == [True] * 5 + [False] * 11  # the sixth step is the first to know four


def test_a_small_space_is_tried_whole():
    few = {"svc": {"grid": {"C": (1, 2, 3), "kernel": ("linear", "rbf", "poly")}}}
    small = run(steps([few, {"dummy": {}}], method="bayesian", trials=60), lambda asked: asked.params.get("C", 0) / 10)
    assert small.state.ended == "all 10 settings were tried"
    assert len({str(one.params) for one in small.state.trials}) == len(small.state.trials) == 10


@pytest.mark.parametrize("score", [lambda _: 0.5, lambda _: None])
def test_equal_scores_and_failures_only_do_not_stop_it(score: Any) -> None:
    found = run(steps([RIDGE, SVC], method="bayesian", trials=30), score)
    assert found.state.ended == "all 30 settings were tried"


def test_a_pool_without_optuna_says_so_once_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "workers.training.bayesian")
    with pytest.raises(RequirementMissing, match=r"needs Optuna on the pool ops .*: install cyclery\[workers\] there"):
        run(steps([RIDGE], method="bayesian", trials=20), landscape)

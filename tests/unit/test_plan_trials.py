"""Trials: grids in order, random draws that stay the same."""

from __future__ import annotations

import math

import pytest

from orchestrator.contracts.spaces import Between, Space, grid_trials, random_trials


def test_a_grid_is_every_combination_in_the_order_of_the_spec_without_repetitions():
    space = Space("x", {"fit": True}, {"C": (1, 10, 1), "penalty": ("l1", "l2")})
    assert grid_trials([space]) == [
        [
            {"fit": True, "C": 1, "penalty": "l1"},
            {"fit": True, "C": 1, "penalty": "l2"},
            {"fit": True, "C": 10, "penalty": "l1"},
            {"fit": True, "C": 10, "penalty": "l2"},
        ]
    ]


def test_a_candidate_without_parameters_is_one_trial():
    assert grid_trials([Space("x")]) == [[{}]]
    assert random_trials([Space("x")], 20, 0) == [[{}]]


def test_draws_are_these_on_every_platform_and_python():
    space = Space("hgb", between={"rate": Between(0.01, 0.3, log=True), "depth": Between(2, 9, whole=True)})
    assert random_trials([space], 3, 7) == [
        [{"depth": 5, "rate": 0.0205386}, {"depth": 6, "rate": 0.0371077}, {"depth": 9, "rate": 0.0106323}]
    ]


def test_more_trials_keep_the_earlier_draws_and_other_seeds_and_names_draw_others():
    space = Space("a", between={"x": Between(0, 1)})
    ten = random_trials([space], 10, 1)[0]
    assert random_trials([space], 20, 1)[0][:10] == ten
    assert random_trials([space], 10, 2)[0] != ten
    assert random_trials([Space("b", between={"x": Between(0, 1)})], 10, 1)[0] != ten


def test_the_order_in_which_parameters_are_written_draws_nothing_else():
    one = Space("a", {}, {"k": (1, 2, 3), "b": ("u", "v")}, {"x": Between(0, 1)})
    other = Space("a", {}, {"b": ("u", "v"), "k": (1, 2, 3)}, {"x": Between(0, 1)})
    assert random_trials([one], 9, 3) == random_trials([other], 9, 3)


def test_a_total_is_shared_in_turns_and_each_candidate_gets_one_at_least():
    wide = Space("wide", between={"x": Between(0, 1)})
    small = Space("small", choices={"k": (1, 2)})
    assert [len(trials) for trials in random_trials([wide, small, Space("none")], 10, 0)] == [7, 2, 1]
    assert [len(trials) for trials in random_trials([wide, small, Space("none")], 1, 0)] == [1, 1, 1]


def test_no_combination_is_drawn_twice_even_where_the_space_is_smaller_than_asked():
    trials = random_trials([Space("x", between={"k": Between(1, 4, whole=True)})], 100, 0)[0]
    assert sorted(params["k"] for params in trials) == [1, 2, 3, 4]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("log", [True, False])
def test_draws_stay_between_both_ends(whole, log):
    space = Space("x", between={"v": Between(1, 50, log, whole)})
    values = [params["v"] for params in random_trials([space], 45, 5)[0]]
    assert min(values) >= 1
    assert max(values) <= 50
    assert all(isinstance(value, int if whole else float) for value in values)
    below_middle = sum(value < math.sqrt(50) for value in values) / len(values)
    assert (below_middle > 0.35) is (log and not whole) or whole


def test_a_parameter_with_a_condition_is_given_only_where_it_holds():
    space = Space(
        "svc",
        choices={"kernel": ("linear", "rbf", "poly"), "shift": (0, 1)},
        between={"gamma": Between(0.1, 1.0), "degree": Between(2, 5, whole=True)},
        when={"gamma": {"kernel": ("rbf", "poly")}, "degree": {"kernel": ("poly",)}, "shift": {"degree": (3,)}},
    )
    trials = random_trials([space], 60, 1)[0]
    for params in trials:
        assert ("gamma" in params) is (params["kernel"] != "linear")
        assert ("degree" in params) is (params["kernel"] == "poly")
        assert ("shift" in params) is (params.get("degree") == 3)
    assert {params["kernel"] for params in trials} == {"linear", "rbf", "poly"}
    assert trials.count({"kernel": "linear"}) == 1  # what is dropped makes no other trial


def test_a_listed_space_with_conditions_has_each_combination_once():
    space = Space("svc", choices={"kernel": ("linear", "rbf"), "gamma": (1, 2)}, when={"gamma": {"kernel": ("rbf",)}})
    drawn = random_trials([space], 50, 0)[0]
    assert sorted(map(str, drawn)) == sorted(
        map(str, [{"gamma": 1, "kernel": "rbf"}, {"gamma": 2, "kernel": "rbf"}, {"kernel": "linear"}])
    )

"""The keys of a search, and parameters that depend on one another."""

from __future__ import annotations

import pytest

from orchestrator.plan.candidates import expand
from orchestrator.spec.models import Spec
from tests.unit.spec_case import found, loaded

SEARCHED = "train: {candidates: [{hist_gradient_boosting: {fixed: {max_iter: 90}}}], search: {%s}}\n"


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("time: 30m", "`time` is for searches that draw: set `method: random`"),
        ("patience: 5", "`patience` is for searches that draw: set `method: random`"),
        ("factor: 3", "`factor` is for the methods halving, asha and hyperband"),
        ("method: random, resource: max_iter", "`resource` is for the methods halving, asha and hyperband"),
        (
            "method: halving, patience: 5",
            "`patience` is not for halving, which decides rung by rung (`method: asha` takes it)",
        ),
        ("method: asha, min_resource: 20", "the least share of the rows lies between 0 and 1, not 20"),
        (
            "method: asha, resource: max_iter, min_resource: 100",
            "the least max_iter is above what hist_gradient_boosting is given in full, 90",
        ),
        (
            "method: asha, resource: n_estimators",
            (
                "n_estimators is the search's resource: give hist_gradient_boosting all of it, "
                "`fixed: {n_estimators: 300}`"
            ),
        ),
    ],
)
def test_keys_of_a_search_go_with_its_method(tmp_path, search, expected):
    (line,) = found(tmp_path, SEARCHED % search)
    assert line.endswith(f": {expected}")
    assert line.startswith("3:")


@pytest.mark.parametrize(
    "search",
    [
        "method: random, time: 30m, worker_time: 2h, patience: 10, tolerance: 0.001, batch: 16",
        "method: halving, min_resource: 0.05, time: 30m",
        "method: asha, resource: max_iter, min_resource: 10, trials: 40, patience: 3",
    ],
)
def test_a_search_that_decides_as_it_goes_is_fine(tmp_path, search):
    assert found(tmp_path, SEARCHED % search) == []


CONDITIONAL = (
    "train: {candidates: [{svc: {grid: {kernel: [linear, rbf]}, range: {gamma: {choices: [1], when: %s}}}}]}\n"
)


def test_a_range_may_depend_on_another_parameter(tmp_path):
    for when in ("{kernel: rbf}", "{kernel: [rbf, linear]}"):
        (candidate,) = loaded(tmp_path, CONDITIONAL % when).train.candidates
        assert candidate.range["gamma"].when["kernel"][0] == "rbf"


def test_a_value_of_a_grid_may_depend_on_another_parameter(tmp_path):
    text = (
        "train: {candidates: [{svc: {grid: {kernel: [linear, rbf], C: [1, 10, 100], "
        "gamma: {choices: [0.1, 1], when: {kernel: rbf}}}}}]}\n"
    )
    spec = loaded(tmp_path, text)
    assert spec.train.search.method == "grid"
    params = [trial.params for trial in expand(spec.train)]
    assert len(params) == 3 + 3 * 2
    assert all(("gamma" in one) is (one["kernel"] == "rbf") for one in params)
    written = spec.model_dump(mode="json")["train"]["candidates"][0]["grid"]
    assert written["C"] == [1, 10, 100]
    assert written["gamma"] == {"choices": [0.1, 1], "when": {"kernel": ["rbf"]}}
    assert Spec.model_validate(spec.model_dump(mode="json")).train == spec.train


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (
            "{kernel: [linear], gamma: {choices: [1], when: {kernel: rbf}}}",
            '3:91: kernel is never "rbf" (it is one of: "linear")',
        ),
        ("{kernel: [linear], gamma: {choices: [yes]}}", "3:72: gamma of svc should be"),
        ("{kernel: [linear, 3]}", "3:53: kernel of svc should be"),
        (
            "{C: 3}",
            "3:39: a grid lists the values of a parameter: [0.1, 1], or {choices: [0.1, 1], when: {OTHER: VALUE}}",
        ),
        ("{C: {choices: []}}", "the grid of 'C' has no value"),
        (
            "{C: {choices: [1, 2], when: {tol: 1}}, tol: {choices: [1], when: {C: 2}}}",
            "3:57: C depends on tol, and so on itself",
        ),
    ],
)
def test_what_is_wrong_with_a_grid_is_said_at_its_place(tmp_path, grid, expected):
    assert any(expected in line for line in found(tmp_path, f"train: {{candidates: [{{svc: {{grid: {grid}}}}}]}}\n"))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{kernel: poly}", 'kernel is never "poly" (it is one of: "linear", "rbf")'),
        ("{kernal: rbf}", "gamma depends on 'kernal', which the candidate does not set (did you mean 'kernel'?)"),
        ("{gamma: 1}", "gamma depends on 'gamma', which the candidate does not set"),
    ],
)
def test_a_condition_that_can_never_hold_is_a_mistake(tmp_path, when, expected):
    (line,) = found(tmp_path, CONDITIONAL % when)
    assert line.startswith("3:")
    assert expected in line

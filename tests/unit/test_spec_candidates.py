"""Candidates and stages of a spec: they exist, and take what they are given."""

from __future__ import annotations

import pytest

from tests.unit.spec_case import found, loaded


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (
            "hist_gradient_bosting",
            "8: unknown estimator 'hist_gradient_bosting' (did you mean 'hist_gradient_boosting'?)",
        ),
        ("lasso", "8: lasso is for regressions; objective.task is classification"),
        ("sklearn.svm.SVR", "8: sklearn.svm.SVR is for regressions; objective.task is classification"),
        (
            "stacking",
            "8: stacking needs others inside it: {stacking: {of: [NAME, …]}}",
        ),
        ("xgboost.XGBRegressor", "8: xgboost.XGBRegressor is for regressions; objective.task is classification"),
        ("nope:Ours", "8: there is no module 'nope' in "),
        ("svc: {grid: {c: [1]}}", "20: svc has no parameter 'c' (did you mean 'C'?)"),
        ("svc: {grid: {C: [1, 0]}}", "27: C of svc should be a number > 0, not 0"),
        ("svc: {grid: {C: []}}", "23: the grid of 'C' has no value"),
        ("svc: {fixed: {kernel: rbv}}", "29: kernel of svc should be "),
        ("svc: {fixed: {C: 1}, grid: {C: [1]}}", "35: 'C' is in `fixed` already"),
        ("svc: {range: {C: {low: 1}}}", "24: a range needs `low` and `high`, or `choices`"),
        ("svc: {range: {C: {low: 2, high: 1}}}", "24: `low` 2 is not below `high` 1"),
        ("svc: {range: {C: {low: 0, high: 1, log: true}}}", "24: a logarithmic range needs a `low` above 0"),
        ("svc: {range: {degree: {low: 0.5, high: 3, int: true}}}", "29: a range of whole numbers has whole ends"),
        ("svc: {range: {C: {low: 1, choices: [1]}}}", "24: `choices` stands alone"),
        ("svc: {range: {C: {choices: [1, -1]}}}", "38: C of svc should be a number > 0, not -1"),
        ("svc: {range: {C: {low: -1, high: 2}}}", "30: C of svc should be a number > 0, not -1"),
    ],
)
def test_candidates_exist_and_take_their_parameters(tmp_path, candidate, expected):
    shift = 2 if ": " in candidate else 0  # the braces around a mapping
    written = f"{{{candidate}}}" if shift else candidate
    lines = found(tmp_path, f"train: {{candidates: [{written}]}}\n")
    column, _, words = expected.partition(": ")
    assert any(line.startswith(f"3:{int(column) + 14 + shift}: {words}") for line in lines), lines


def test_a_range_wants_a_random_search_and_gets_it_by_default(tmp_path):
    ranged = "train: {candidates: [{svc: {range: {C: {low: 1, high: 2}}}}]%s}\n"
    assert loaded(tmp_path, ranged % "").train.search.method == "random"
    assert found(tmp_path, ranged % ", search: {method: grid}") == [
        "3:29: a range is drawn from: set `search: {method: random, trials: 20}`"
    ]


def test_one_estimator_may_stand_twice_under_two_names(tmp_path):
    twice = "train: {candidates: [svc, {%s: {estimator: svc, fixed: {C: 2}}}]}\n"
    assert [c.name for c in loaded(tmp_path, twice % "hard").train.candidates] == ["svc", "hard"]
    assert found(tmp_path, twice % "svc") == [
        "3:27: there are two candidates 'svc' (give one a name: {NAME: {estimator: …}})"
    ]
    assert found(tmp_path, "train: {candidates: []}\n") == ["3:9: there is no candidate"]


OWN = """
from workers import stage
from sklearn.base import BaseEstimator

class Ours(BaseEstimator):
    def __init__(self, depth=3): ...

@stage("enrich", queue="train")
def enrich(table, other=None, *, radius_km: float = 5, unit): ...
"""


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("{name: a, call: 'own:enrich', after: prepare, with: {unit: m}}", []),
        ("{name: a, call: 'own:enrich', after: prepare}", ["10: own:enrich needs 'unit': give it in `with:`"]),
        (
            "{name: a, call: 'own:enrich', after: prepare, with: {unit: m, radius: 5}}",
            ["72: own:enrich has no keyword parameter 'radius' (did you mean 'radius_km'?)"],
        ),
        (
            "{name: a, call: 'own:enrich', after: prepare, with: {unit: m, other: 5}}",
            ["72: own:enrich has no keyword parameter 'other' (it is an input; values of `with:` stand after `*`"],
        ),
        (
            "{name: a, call: 'own:enrich', after: prepar, with: {unit: m}}",
            ["47: 'a' stands after a stage 'prepar' that does not exist (did you mean 'prepare'?)"],
        ),
        (
            "{name: a, call: 'own:enrich', after: a, with: {unit: m}}",
            ["47: 'a' stands after itself"],
        ),
        (
            "{name: split, call: 'own:enrich', after: prepare, with: {unit: m}}",
            ["17: 'split' is a stage of Cyclery's own: choose another name"],
        ),
        (
            "{name: a, call: 'own:enrich', inputs: {tabel: prepare.table}, with: {unit: m}}",
            ["49: own:enrich has no input 'tabel' (did you mean 'table'?)"],
        ),
        (
            "{name: a, call: 'own:enrich', inputs: {table: prepar.table}, with: {unit: m}}",
            ["56: 'prepar.table' is not an output of a stage (did you mean 'prepare'?)"],
        ),
        ("{name: a, call: 'own:enrch', after: prepare}", ["26: own has no 'enrch' (own.py does not define it)"]),
        ("{name: a, call: 'own:Ours', after: prepare}", ["26: own:Ours is not a plain function"]),
        ("{name: a, call: 'gone:f', after: prepare}", ["26: there is no module 'gone' in "]),
    ],
)
def test_stages_of_ones_own_are_read_without_running_them(tmp_path, stage, expected):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    lines = found(tmp_path, f"stages: [{stage}]\n")
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(f"3:{start}"), line


def test_two_stages_of_one_name_are_a_problem(tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    stage = "{name: a, call: 'own:enrich', after: prepare, with: {unit: m}}"
    assert found(tmp_path, f"stages:\n - {stage}\n - {stage}\n") == ["5:11: there are two stages 'a'"]


def test_an_estimator_of_ones_own_is_read_without_running_it(tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    spec = loaded(tmp_path, "train: {candidates: [{'own:Ours': {grid: {depth: [1, 2]}}}]}\n")
    assert (spec.train.candidates[0].name, spec.train.candidates[0].own) == ("Ours", True)
    assert found(tmp_path, "train: {candidates: [{'own:Ours': {grid: {depht: [1, 2]}}}]}\n") == [
        "3:43: own:Ours has no parameter 'depht' (did you mean 'depth'?)"
    ]


def test_a_stage_that_changes_the_table_leaves_later_columns_open(tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    later = "features: {derive: {r: made * 2}}\n"
    stage = "stages: [{name: a, call: 'own:enrich', after: %s, with: {unit: m}}]\n"
    assert found(tmp_path, later) != []
    assert found(tmp_path, later + stage % "prepare") == []
    assert found(tmp_path, "prepare: {drop: made}\n" + stage % "ingest") == []
    assert found(tmp_path, "prepare: {drop: made}\n" + stage % "prepare") == [
        "3:17: the data has no column 'made' (there are: id, age, income, city, when, bought)"
    ]
    assert found(tmp_path, later + stage % "evaluate") != []

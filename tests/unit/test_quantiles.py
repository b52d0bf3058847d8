"""A quantile as objective: what a spec may ask, which candidates are told to fit it, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.metrics import d2_pinball_score, mean_pinball_loss

from orchestrator.plan.candidates import expand
from orchestrator.spec.presets import PRESETS
from tests.unit.plan_case import plan_of
from tests.unit.spec_case import loaded, problems
from tests.unit.whole_case import DATA, people, whole

QUANTILE = "objective: {predict: spent, task: regression, quantile: 0.9}\ncolumns: {ignore: bought}\n"
FEW = "train: {candidates: [%s], search: {folds: 3}}\n"


def candidates(folder: Path, line: str) -> dict[str, dict[str, Any]]:
    """The parameters of each candidate's first trial."""
    (folder / "ours.py").write_text("class Own:\n    def __init__(self, *, quantile=0.5, depth=1): ...\n")
    spec = loaded(
        folder, f"train: {{candidates: {line}}}\n", "objective={predict: income, task: regression, quantile: 0.9}"
    )
    return {one.candidate.name: one.params for one in reversed(expand(spec.train))}


def noted(folder: Path, objective: str, rest: str = "") -> list[str]:
    return problems(folder, f"objective: {objective}\ndata: {{sources: {{people: {{file: people.csv}}}}}}\n{rest}")


def test_candidates_are_told_the_quantile_and_what_they_say_themselves_stands(tmp_path: Path) -> None:
    found = candidates(
        tmp_path,
        "[quantile, hist_gradient_boosting, {gradient_boosting: {fixed: {max_depth: 2}}}, dummy, "
        "catboost.CatBoostRegressor, lightgbm.LGBMRegressor, xgboost.XGBRegressor, "
        "{near: {estimator: hist_gradient_boosting, grid: {quantile: [0.85, 0.9]}}}, "
        "{own: {estimator: 'ours:Own'}}, {mine: {estimator: 'ours:Own', fixed: {quantile: 0.8}}}, "
        "{forest: {estimator: xgboost.XGBRFRegressor, fixed: {objective: 'reg:absoluteerror'}}}, "
        "{cat: {estimator: catboost.CatBoostRegressor, fixed: {objective: MAE}}}]",
    )
    assert found == {
        "quantile": {"quantile": 0.9},
        "hist_gradient_boosting": {"loss": "quantile", "quantile": 0.9},
        "gradient_boosting": {"max_depth": 2, "loss": "quantile", "alpha": 0.9},
        "dummy": {"strategy": "quantile", "quantile": 0.9},
        "CatBoostRegressor": {"loss_function": "Quantile:alpha=0.9"},
        "LGBMRegressor": {"objective": "quantile", "alpha": 0.9},
        "XGBRegressor": {"objective": "reg:quantileerror", "quantile_alpha": 0.9},
        "near": {"loss": "quantile", "quantile": 0.85},
        "own": {"quantile": 0.9},
        "mine": {"quantile": 0.8},
        "forest": {"objective": "reg:absoluteerror", "quantile_alpha": 0.9},
        "cat": {"objective": "MAE"},
    }


def test_estimators_inside_an_ensemble_are_told_too(tmp_path: Path) -> None:
    found = candidates(
        tmp_path,
        "[{voting: {of: [quantile, {bagging: {of: hist_gradient_boosting}}]}}, "
        "{stacking: {of: [ridge, dummy], final: quantile}}]",
    )
    linear, bagging = found["voting"]["of"]
    assert linear["params"] == {"quantile": 0.9}
    assert bagging["params"]["of"][0]["params"] == {"loss": "quantile", "quantile": 0.9}
    ridge, dummy = found["stacking"]["of"]
    assert (ridge["params"], dummy["params"]["strategy"]) == ({}, "quantile")
    assert found["stacking"]["final"]["params"] == {"quantile": 0.9}


@pytest.mark.parametrize(
    "line",
    ["ridge", "random_forest", "bagging: {of: ridge}", "voting: {of: [quantile, ridge]}", "stacking: {of: [quantile]}",
     "ada_boost: {of: quantile}"],
)  # fmt: skip
def test_what_fits_no_quantile_is_refused_in_one_line(line: str, tmp_path: Path) -> None:
    objective, name = "{predict: income, task: regression, quantile: 0.9}", line.partition(":")[0]
    (problem,) = noted(tmp_path, objective, f"train:\n  candidates:\n    - {line}\n")
    assert problem.startswith(f"5:7: {name} fits no quantile: take quantile, hist_gradient_boosting, ")


@pytest.mark.parametrize(
    ("objective", "rest", "problem"),
    [
        ("{predict: bought, task: classification, quantile: 0.9}", "",
         "1:52: `quantile` is for regressions; objective.task is classification"),
        ("{predict: income, task: regression, quantile: 90}", "",
         "1:58: a quantile lies between 0 and 1 (0.9 for the 90 % quantile), not 90"),
        ("{predict: income, task: regression, metric: pinball}", "",
         "1:56: the metric pinball needs to know which quantile: `objective: {quantile: 0.9}`"),
        ("{predict: income, task: regression, quantile: 0.9, metric: rmse}", "",
         "1:71: the metric rmse does not fit a regression of a quantile (choose from: pinball, d2_pinball, coverage)"),
        ("{predict: income, task: regression, quantile: 0.9, metric: coverage}", "",
         "1:71: candidates are not ranked by coverage, which is right at one value: rank by pinball"),
        ("{predict: income, task: regression, quantile: 0.9, target: -1}", "",
         "1:71: pinball is 0 at best; -1 is out of reach of any model"),
        ("{predict: income, task: regression}", "gates: [coverage >= 0.8]\n",
         "3:9: the metric coverage needs to know which quantile: `objective: {quantile: 0.9}`"),
        ("{predict: income, task: regression, quantile: 0.9}", "gates: [coverage >= 90]\n",
         "3:9: coverage lies between 0 and 1; 90 can never be judged"),
        ("{predict: income, task: regression, quantile: 0.9}", "gates: [pinball >= 2]\n",
         "3:9: pinball is better when it is smaller: write 'pinball <= 2'"),
    ],
)  # fmt: skip
def test_what_a_quantile_cannot_be_is_said(objective: str, rest: str, problem: str, tmp_path: Path) -> None:
    assert noted(tmp_path, objective, rest) == [problem]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_hold_what_fits_quantiles_of_many_rows(name: str, tmp_path: Path) -> None:
    objective = "objective={predict: income, task: regression, quantile: 0.9}"
    drawn = expand(loaded(tmp_path, f"train: {{candidates: {name}}}\n", objective).train)
    assert len(drawn) == {"fast": 6, "balanced": 30, "thorough": 120}[name]
    assert {one.candidate.name for one in drawn} >= {"additive", "hist_gradient_boosting"}
    own = [one.params for one in drawn if one.candidate.name != "bagging"]
    assert {(params["loss"], params["quantile"]) for params in own} == {("quantile", 0.9)}
    left_out = loaded(tmp_path, "", objective)
    assert [one.name for one in left_out.train.candidates] == ["additive", "hist_gradient_boosting"]
    assert left_out.objective.metric == "pinball"


def test_another_quantile_leaves_the_stages_before_the_search_alone() -> None:
    plans = [
        plan_of(objective={"predict": "income", "task": "regression", **said})
        for said in ({"quantile": 0.9}, {"quantile": 0.5}, {})
    ]
    asked = [{one.id: one.params for one in plan.stages} for plan in plans]
    for stage in ("split", "features"):
        assert asked[0][stage] == asked[1][stage] == asked[2][stage]
    assert asked[0]["select"]["objective"]["quantile"] == 0.9
    assert "quantile" not in asked[2]["select"]["objective"]


def test_a_run_fits_judges_and_packages_the_quantile(tmp_path: Path) -> None:
    table = people(tmp_path, 500)
    gates = "gates: [pinball <= 0.5, coverage >= 0.75, coverage <= 0.99, beats: dummy, pinball <= 0.01]\n"
    listed = "dummy, {quantile: {fixed: {alpha: 0.001}}}"
    run = whole(tmp_path, QUANTILE + DATA + FEW % listed + gates + "evaluation: {slices: [city]}\n", "gates")
    ranking, evaluation = run.document("select", "ranking"), run.document("evaluate", "evaluation")
    assert ranking["metric"] == "pinball"
    assert ranking["champion"]["candidate"] == "quantile"
    rows = run.table("split", "rows")
    train, test = (table["spent"].to_numpy()[np.flatnonzero(rows["part"] == name)] for name in ("train", "test"))
    answers = run.table("evaluate", "predictions")
    truth, answer = answers["truth"], answers["prediction"]
    dummy = (
        DummyRegressor(strategy="quantile", quantile=0.9)
        .fit(np.zeros((len(train), 1)), train)
        .predict(np.zeros((1, 1)))[0]
    )
    values = {name: one["value"] for name, one in evaluation["metrics"].items()}
    assert values == pytest.approx(
        {
            "pinball": mean_pinball_loss(truth, answer, alpha=0.9),
            "d2_pinball": d2_pinball_score(truth, answer, alpha=0.9),
            "coverage": float((truth <= answer).mean()),
        }
    )
    assert evaluation["quantile"] == 0.9
    assert evaluation["dummy"]["pinball"] == pytest.approx(
        mean_pinball_loss(test, np.full(len(test), dummy), alpha=0.9)
    )
    assert all(one["low"] <= one["value"] <= one["high"] for one in evaluation["metrics"].values())
    assert set(evaluation["slices"][0]["metrics"]) == {"pinball", "d2_pinball", "coverage"}
    verdicts = run.document("gates", "verdicts")["verdicts"]
    assert [one["passed"] for one in verdicts] == [True, True, True, True, False]

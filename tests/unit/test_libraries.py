"""Estimators of other libraries: those whose models can be kept, said clearly where they are not installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from orchestrator.contracts import environment
from orchestrator.contracts.errors import RequirementMissing
from orchestrator.contracts.estimators import FOREIGN
from tests.unit.spec_case import found, loaded
from tests.unit.training_case import case
from workers.packaging import rounds
from workers.training.estimators import build

XGB, LIGHT = "xgboost.XGBClassifier", "lightgbm.LGBMClassifier"
INSTALLED = [path for path in FOREIGN if find_spec(path.split(".")[0])]


def listed(line: str) -> str:
    return f"train:\n  candidates:\n    {line}\n"


def test_the_spec_takes_them_without_having_them(tmp_path: Path) -> None:
    boosted = "- lightgbm.LGBMClassifier: {grid: {num_leaves: [15, 31], anything: [1]}}"
    (candidate,) = loaded(tmp_path, listed(boosted)).train.candidates
    assert (candidate.name, candidate.estimator, candidate.own) == ("LGBMClassifier", LIGHT, False)
    inside = "- one_vs_rest: {of: {xgboost.XGBClassifier: {fixed: {max_depth: 4}}}}"
    assert loaded(tmp_path, listed(inside)).train.candidates[0].of[0].estimator == XGB


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("- xgboost.XGBClasifier", f"5:7: unknown estimator 'xgboost.XGBClasifier' (did you mean '{XGB}'?)"),
        ("- xgboost.XGBRegressor", "5:7: xgboost.XGBRegressor is for regressions; objective.task is classification"),
        (
            "- ngboost.NGBClassifier",
            "5:7: models of ngboost.NGBClassifier cannot be kept in a safe file; of other libraries there are: "
            + ", ".join(FOREIGN)
            + "; any other stands inside a class of your own, module:Class, that keeps its model as text",
        ),
        ("- ours.Loyal", "5:7: a class of your own is written module:Class: ours:Loyal"),
        (f"- {XGB}: {{of: svc}}", f"5:31: {XGB} takes no estimators inside it (stacking, voting, … do)"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_before_anything_is_spent(line: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text("class Loyal: ...\n")
    assert found(tmp_path, listed(line)) == [problem]


def test_a_pool_without_the_library_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    made = case(tmp_path, "binary")
    with pytest.raises(RequirementMissing, match=r"XGBClassifier cannot be imported on this pool .*: install it there"):
        build(made.trial(XGB))


def test_a_pools_environment_names_what_it_has_of_them() -> None:
    named = {name.split("-")[0] for name in environment.environment() if name in environment.OPTIONAL}
    assert named == {path.split(".")[0] for path in INSTALLED}
    assert {path.split(".")[0] for path in FOREIGN} <= set(environment.OPTIONAL)


def test_rounds_of_measurements_begin_with_the_library_imported() -> None:
    assert {path.split(".")[0] for path in FOREIGN} <= rounds.LIBRARIES

"""Ensembles of other estimators: written in the spec, built, weighed, packaged, served and reproduced."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from orchestrator.cli.words import settings_of
from orchestrator.client.code import team_code
from orchestrator.contracts import estimators
from orchestrator.contracts.roles import Objective
from orchestrator.contracts.training import TrialParams
from orchestrator.plan.candidates import expand
from tests.unit.spec_case import found, loaded
from tests.unit.training_case import case
from tests.unit.whole_case import BINARY, DATA, REGRESSION, whole
from workers.packaging.alone import ask_in_own_process
from workers.training.estimators import build, describe
from workers.training.fitting import takes_weights, unweighted_note
from workers.training.trial import trial

STACKING = (
    "- stacking: {of: [logistic_regression, {random_forest: {fixed: {n_estimators: 20}}}], final: logistic_regression}"
)

RENAME = "(give it another: {NAME: {estimator: …}})"


def listed(*lines: str, search: str = "") -> str:
    return "train:\n" + search + "  candidates:\n" + "".join(f"    {line}\n" for line in lines)


def test_inner_estimators_are_found_and_their_parameters_travel_with_the_trial(tmp_path: Path) -> None:
    spec = loaded(tmp_path, listed(STACKING, "- calibrated: {of: svc, grid: {svc__C: [1, 10]}}"))
    stacking, *calibrated = expand(spec.train)
    assert stacking.candidate.estimator == "sklearn.ensemble.StackingClassifier"
    assert stacking.params == {
        "of": [
            {
                "name": "logistic_regression",
                "estimator": "sklearn.linear_model.LogisticRegression",
                "params": {},
            },
            {
                "name": "random_forest",
                "estimator": "sklearn.ensemble.RandomForestClassifier",
                "params": {"n_estimators": 20},
            },
        ],
        "final": {
            "name": "logistic_regression",
            "estimator": "sklearn.linear_model.LogisticRegression",
            "params": {},
        },
    }
    assert [one.params["svc__C"] for one in calibrated] == [1, 10]
    assert settings_of(stacking.params) == (
        "of=logistic_regression + random_forest(n_estimators=20), final=logistic_regression"
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("- stacking", "5:7: stacking needs others inside it: {stacking: {of: [NAME, …]}}"),
        ("- stacking: {of: [svcc]}", "5:23: unknown estimator 'svcc' (did you mean 'svc'?)"),
        ("- voting: {of: [{svc: {fixed: {CC: 1}}}]}", "5:36: svc has no parameter 'CC' (did you mean 'C'?)"),
        ("- voting: {of: [{svc: {fixed: {C: 0}}}]}", "5:39: C of svc should be a number > 0, not 0"),
        ("- voting: {of: [svc, svc]}", f"5:26: there are two estimators 'svc' inside voting {RENAME}"),
        ("- voting: {of: [svr]}", "5:21: svr is for regressions; objective.task is classification"),
        ("- voting: {of: [svc], final: svc}", "5:27: `final` is for stacking; voting has nothing above those inside"),
        ("- calibrated: {of: [svc, ridge]}", "5:20: calibrated_cv takes one estimator inside it, not 2"),
        ("- calibrated: {of: svc, grid: {svc__CC: [1]}}", "5:36: svc has no parameter 'CC' (did you mean 'C'?)"),
        ("- svc: {of: ridge}", "5:13: svc takes no estimators inside it (stacking, voting, … do)"),
        (
            "- voting: {fixed: {estimators: [svc]}, of: [svc]}",
            '5:36: estimators of voting is written beside `fixed`, as `of: …`, not ["svc"]',
        ),
        (
            "- voting: {of: [{svc: {grid: {C: [1]}}}]}",
            (
                "5:21: an estimator inside another takes `fixed` only, no `grid` "
                "(write `grid: {svc__PARAMETER: …}` beside `of`)"
            ),
        ),
        (
            "- voting: {of: [{voting: {of: svc}}]}",
            f"5:21: an estimator inside voting cannot be called 'voting' {RENAME}",
        ),
        (
            "- self_training: {of: svc}",
            (
                "5:7: self_training cannot be a candidate: it learns from rows without a target, "
                "which no workflow trains on"
            ),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_inside_is_said_where_it_stands(line: str, problem: str, tmp_path: Path) -> None:
    assert found(tmp_path, listed(line)) == [problem]


def parts(*names: str, **params: object) -> list[dict[str, object]]:
    return [
        {"name": name, "estimator": estimators.find(name, "classification").path, "params": params} for name in names
    ]


def test_an_ensemble_is_built_with_its_seeds_and_parameters_by_name(tmp_path: Path) -> None:
    given = {
        "of": parts("random_forest", n_estimators=5) + parts("svc"),
        "final": parts("logistic_regression")[0],
        "svc__C": 3,
        "final__C": 0.5,
        "cv": 3,
    }
    params = case(tmp_path, "binary").trial("sklearn.ensemble.StackingClassifier", given)
    model = build(params)
    assert isinstance(model, StackingClassifier)
    assert [name for name, _ in model.estimators] == ["random_forest", "svc"]
    forest, machine = dict(model.estimators).values()
    assert (forest.n_estimators, forest.random_state, machine.C, machine.random_state) == (5, 7, 3, 7)
    assert (model.final_estimator.C, model.cv) == (0.5, 3)
    assert "of=random_forest(n_estimators=5) + svc, final=logistic_regression" in describe(params)


def test_an_ensemble_takes_weights_where_all_inside_it_do() -> None:
    forest, linear = RandomForestClassifier(), LogisticRegression()
    assert takes_weights(VotingClassifier([("a", forest), ("b", linear)]))
    assert takes_weights(StackingClassifier([("a", forest), ("b", SVC())], linear))
    for model in case_without_weights():
        assert not takes_weights(model)
        assert "KNeighborsClassifier inside it does not" in unweighted_note(model)


def case_without_weights() -> list[object]:
    params = {"of": parts("k_neighbors")}
    paths = ("sklearn.ensemble.VotingClassifier", "sklearn.ensemble.BaggingClassifier")
    made = case_params()
    return [build(made.model_copy(update={"estimator": path, "params": params})) for path in paths]


def case_params() -> TrialParams:
    objective = Objective(predict="y", task="classification", metric="roc_auc")
    return TrialParams(candidate="some", estimator="x", index=1, objective=objective)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "inner", "more"),
    [
        ("stacking", ("logistic_regression", "gaussian_nb"), {"cv": 2}),
        ("voting", ("logistic_regression", "gaussian_nb"), {"voting": "soft"}),
        ("bagging", ("logistic_regression",), {"n_estimators": 3}),
        ("ada_boost", ("gaussian_nb",), {"n_estimators": 3}),
        ("calibrated", ("svc",), {"method": "isotonic", "cv": 2}),
        ("one_vs_rest", ("logistic_regression",), {}),
    ],
)
def test_every_ensemble_is_scored_on_sealed_rows_with_and_without_weights(
    name: str, inner: tuple[str, ...], more: dict[str, object], weighted: bool, tmp_path: Path
) -> None:
    made = case(tmp_path, "binary", weighted=weighted)
    params = made.trial(estimators.find(name, "classification").path, {"of": parts(*inner), **more})
    found = [
        trial(made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context()).result
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert found[0].mean > 0.7


def test_a_whole_workflow_packages_serves_raw_rows_and_reproduces(tmp_path: Path) -> None:
    nested = "- calibrated: {of: {bagging: {of: {decision_tree: {fixed: {max_depth: 2}}}}}, fixed: {method: isotonic}}"
    text = BINARY + DATA + listed(STACKING, nested, search="  search: {folds: 2}\n")
    first, again = (whole(tmp_path, text, until) for until in ("package", "select"))
    assert first.outputs["select"] == again.outputs["select"]
    raw = pd.read_csv(tmp_path / "people.csv")
    predictions = first.table("evaluate", "predictions")
    told = first.bundle().predict(raw.loc[predictions.index])
    np.testing.assert_array_equal(told["prediction"], predictions["prediction"])


OWN = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class Near(ClassifierMixin, BaseEstimator):
    def __init__(self, power=1):
        self.power = power
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.array([np.mean(np.asarray(X)[np.asarray(y) == one], axis=0) for one in self.classes_])
        return self
    def predict_proba(self, X):
        apart = np.abs(np.asarray(X)[:, None, :] - self.means_[None]).sum(axis=2) ** self.power
        return apart[:, ::-1] / apart.sum(axis=1, keepdims=True)
    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
"""


def test_a_class_of_ones_own_inside_others_goes_with_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "near_by.py").write_text(OWN)
    (tmp_path / "aside.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    near = "{near: {estimator: 'near_by:Near', fixed: {power: 2}}}"
    lines = (
        f"- stacking: {{of: [gaussian_nb, {near}], grid: {{near__power: [1, 3]}}, fixed: {{cv: 2}}}}",
        f"- both: {{estimator: calibrated, of: {{voting: {{of: [{near}, gaussian_nb], fixed: {{voting: soft}}}}}}}}",
        "- bagging: {of: 'near_by:Near', fixed: {n_estimators: 3}}",
    )
    made = whole(tmp_path, BINARY + DATA + listed(*lines, search="  search: {folds: 2}\n"))
    tried = {
        (one["candidate"], one["params"].get("near__power")) for one in made.document("select", "ranking")["trials"]
    }
    assert tried == {("stacking", 1), ("stacking", 3), ("both", None), ("bagging", None)}
    with zipfile.ZipFile(made.bundle_file()) as files:
        assert {name for name in files.namelist() if name.startswith("code/")} == {"code/near_by.py"}
    raw = pd.read_csv(tmp_path / "people.csv")
    predictions = made.table("evaluate", "predictions")
    (tmp_path / "scratch").mkdir(exist_ok=True)
    told = ask_in_own_process(made.bundle_file(), raw.loc[predictions.index], tmp_path / "scratch").together
    np.testing.assert_array_equal(told["prediction"], predictions["prediction"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("- voting: {of: {near: {estimator: 'near_by:Near', fixed: {powr: 1}}}}", "5:63: near has no parameter 'powr'"),
        ("- bagging: {of: 'near_by:Near', grid: {Near__powr: [1]}}", "5:44: Near has no parameter 'powr'"),
        ("- voting: {of: ['near_by:Neer']}", "5:21: near_by has no 'Neer'"),
        ("- voting: {of: {near: {estimator: 'near_by:Near', of: svc}}}", "5:55: `of` is for ensembles of scikit-learn"),
    ],
)
def test_a_class_of_ones_own_inside_is_looked_at_like_any(line: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "near_by.py").write_text(OWN)
    (one,) = found(tmp_path, listed(line))
    assert one.startswith(problem)


def test_what_code_inside_needs_is_asked_of_the_pool(tmp_path: Path) -> None:
    (tmp_path / "near_by.py").write_text(OWN)
    spec = loaded(tmp_path, listed("- voting: {of: ['near_by:Near', svc], requires: [numpy>=2]}", "- svc"))
    team = team_code(spec, None)
    assert {name: code.requires for name, code in team.entries.items()} == {"near_by:Near": ("numpy>=2",)}
    assert team.models is not None
    assert team.models.requires == ("numpy>=2",)
    (problem,) = found(tmp_path, listed("- voting: {of: [svc], requires: [numpy>=2]}"))
    assert problem.startswith("5:27: `requires` is for code of your own")


def test_a_regression_votes(tmp_path: Path) -> None:
    line = "- voting: {of: [ridge, {bagging: {of: k_neighbors}}], fixed: {weights: [2, 1]}}"
    made = whole(tmp_path, REGRESSION + DATA + listed(line, search="  search: {folds: 2}\n"), "select")
    assert made.document("select", "ranking")["estimator"] == "sklearn.ensemble.VotingRegressor"

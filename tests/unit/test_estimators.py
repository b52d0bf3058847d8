"""The catalogue of estimators is what the installed scikit-learn has, and takes what scikit-learn takes."""

from __future__ import annotations

import importlib
import inspect

import pytest

from orchestrator.contracts import estimators
from tests.unit.estimator_catalogue import CATALOGUE, text


def instance(cls: type) -> object:
    """An instance; what an ensemble needs inside it is not looked at."""
    return cls(**dict.fromkeys(needed(cls)))


def needed(cls: type) -> list[str]:
    """The parameters without a default."""
    return [known.name for known in inspect.signature(cls).parameters.values() if known.default is known.empty]


def test_the_kept_catalogue_is_what_the_installed_scikit_learn_gives():
    assert CATALOGUE.read_text(encoding="utf-8") == text(), "run: python tests/unit/estimator_catalogue.py"


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning")
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_path_is_importable_and_has_its_parameters(task):
    for name in estimators.names(task):
        found = estimators.find(name, task)
        module, cls = found.path.rsplit(".", 1)
        estimator = instance(getattr(importlib.import_module(module), cls))
        assert set(estimator.get_params(deep=False)) == set(found.parameters)


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning")
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_defaults_of_scikit_learn_pass_unless_json_cannot_say_them(task):
    for name in estimators.names(task):
        found = estimators.find(name, task)
        module, cls = found.path.rsplit(".", 1)
        made = getattr(importlib.import_module(module), cls)
        for parameter, value in instance(made).get_params(deep=False).items():
            if parameter in needed(made):
                continue
            if value is None or (isinstance(value, str | bool | int) and value not in {"deprecated", "warn"}):
                assert found.problem(parameter, value) is None, (name, parameter, value)


@pytest.mark.parametrize(
    ("spelling", "task", "path"),
    [
        ("random_forest", "classification", "sklearn.ensemble.RandomForestClassifier"),
        ("random_forest", "regression", "sklearn.ensemble.RandomForestRegressor"),
        ("random_forest_classifier", "classification", "sklearn.ensemble.RandomForestClassifier"),
        ("RandomForestRegressor", "regression", "sklearn.ensemble.RandomForestRegressor"),
        ("sklearn.svm.SVC", "classification", "sklearn.svm.SVC"),
        ("svm", "regression", "sklearn.svm.SVR"),
        ("knn", "classification", "sklearn.neighbors.KNeighborsClassifier"),
        ("gaussian_nb", "classification", "sklearn.naive_bayes.GaussianNB"),
    ],
)
def test_each_spelling_of_a_name_is_taken(spelling, task, path):
    assert estimators.find(spelling, task).path == path


def test_names_of_the_other_task_and_of_no_estimator_are_not_found():
    assert estimators.find("svc", "regression") is None
    assert estimators.find("gradient_bosting", "classification") is None


def test_what_cannot_be_a_candidate_says_why():
    assert "objective.threshold" in estimators.why_not("fixed_threshold", "classification")
    assert "several targets" in estimators.why_not("sklearn.linear_model.MultiTaskLasso", "regression")
    assert estimators.why_not("ridge", "regression") is None


@pytest.mark.parametrize(
    ("parameter", "value", "problem"),
    [
        ("C", 1, None),
        ("C", 1e-4, None),
        ("C", 0, "should be a number > 0"),
        ("C", "1", "should be a number > 0"),
        ("C", True, "should be a number > 0"),
        ("max_iter", 100, None),
        ("max_iter", 100.5, "should be a whole number >= 0"),
        ("fit_intercept", 1, "should be true or false"),
        ("class_weight", None, None),
        ("class_weight", "balanced", None),
        ("class_weight", {"0": 1}, None),
        ("class_weight", "fair", "should be a mapping or 'balanced' or null"),
    ],
)
def test_parameters_are_judged_by_scikit_learns_own_constraints(parameter, value, problem):
    assert estimators.find("logistic_regression", "classification").problem(parameter, value) == problem


def test_a_parameter_that_wants_another_estimator_says_how_it_is_written():
    ada, stacking = (estimators.find(name, "classification") for name in ("ada_boost", "stacking"))
    assert ada.problem("estimator", "svc") == "is written beside `fixed`, as `of: …`"
    assert ada.problem("estimator", None) is None
    assert stacking.problem("final_estimator", "svc") == "is written beside `fixed`, as `final: …`"
    assert estimators.find("bagging", "regression").inside.several is False


def test_a_parameter_that_wants_an_object_cannot_be_given():
    assert estimators.find("gaussian_process", "classification").problem("kernel", 3) is not None

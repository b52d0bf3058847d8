"""The simple models that show what can be reached without a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from orchestrator.contracts.roles import Objective, Task

LINEAR, TREE, MAIN, BOOSTED = "linear model", "shallow tree", "main-effects model", "boosted model"
CURVES = (LINEAR, MAIN, BOOSTED)  # a stiff model and a flexible one: what more rows bring shows in one of them

_LEAF = 10  # rows at least, so that small samples can be learned from
_BOOSTED: dict[str, Any] = {"max_iter": 50, "min_samples_leaf": _LEAF, "max_leaf_nodes": 15, "early_stopping": False}
_MODELS: dict[Task, dict[str, Callable[[int], BaseEstimator]]] = {
    "classification": {
        "majority class": lambda _: DummyClassifier(strategy="prior"),
        LINEAR: lambda seed: LogisticRegression(max_iter=1000, random_state=seed),
        TREE: lambda seed: DecisionTreeClassifier(max_depth=3, min_samples_leaf=_LEAF, random_state=seed),
        BOOSTED: lambda seed: HistGradientBoostingClassifier(**_BOOSTED, random_state=seed),
    },
    "regression": {
        "mean": lambda _: DummyRegressor(),
        LINEAR: lambda seed: Ridge(random_state=seed),
        TREE: lambda seed: DecisionTreeRegressor(max_depth=3, min_samples_leaf=_LEAF, random_state=seed),
        BOOSTED: lambda seed: HistGradientBoostingRegressor(**_BOOSTED, random_state=seed),
    },
}


def simple_models(objective: Objective, seed: int) -> dict[str, BaseEstimator]:
    """By the name that people see: what is known without a feature, a linear model, a shallow tree, a boosted model.

    Of a quantile, for which a linear model's cost grows faster than the square of the rows, one of main effects.
    """
    if objective.quantile is not None:
        return _of_quantile(objective.quantile, seed)
    return {name: make(seed) for name, make in _MODELS[objective.task].items()}


def _of_quantile(quantile: float, seed: int) -> dict[str, BaseEstimator]:
    boosted = HistGradientBoostingRegressor(loss="quantile", quantile=quantile, **_BOOSTED, random_state=seed)
    return {
        "quantile": DummyRegressor(strategy="quantile", quantile=quantile),
        MAIN: clone(boosted).set_params(interaction_cst="no_interactions"),
        BOOSTED: boosted,
    }

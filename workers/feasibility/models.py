"""The simple models that show what can be reached without a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from orchestrator.contracts.roles import Task

LINEAR, TREE, BOOSTED = "linear model", "shallow tree", "boosted model"
CURVES = (LINEAR, BOOSTED)  # a stiff model and a flexible one: what more rows bring shows in one of them

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


def simple_models(task: Task, seed: int) -> dict[str, BaseEstimator]:
    """By the name that people see: what is known without a feature, a linear model, a shallow tree, a boosted model."""
    return {name: make(seed) for name, make in _MODELS[task].items()}

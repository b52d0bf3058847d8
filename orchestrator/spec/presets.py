"""Lists of candidates that go by one word: `train: {candidates: balanced}`. docs/spec.md says where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

PresetName = Literal["fast", "balanced", "thorough"]
PRESETS: tuple[str, ...] = get_args(PresetName)
ADDITIVE: dict[str, Any] = {"estimator": "hist_gradient_boosting", "fixed": {"interaction_cst": "no_interactions"}}


@dataclass(frozen=True, slots=True)
class Preset:
    """The candidates of a preset as a person would write them, and how many trials a random search gives them."""

    candidates: tuple[Any, ...]
    trials: int | None = None


def preset(name: str, task: str, *, quantile: bool = False) -> Preset:
    """The preset of this name for `classification` or `regression`, or for a quantile of the latter."""
    return _OF_QUANTILES[name] if quantile else _MAKERS[name](task)


def _fast(task: str) -> Preset:
    """Six fits: the models that need no search to be good."""
    linear = _linear(task)
    strength = {"C": (0.01, 1)} if task == "classification" else {"alpha": (1, 100)}
    forest = {"grid": {"min_samples_leaf": (1, 5)}, "fixed": {"n_estimators": 100}}
    boosting = {"grid": {"max_leaf_nodes": (8, 31)}}
    return Preset(
        (
            {linear: {"grid": strength, **_patient(task)}},
            {"random_forest": forest},
            {"hist_gradient_boosting": boosting},
        )
    )


def _balanced(task: str) -> Preset:
    return Preset((_linear_searched(task), _forest("random_forest", 200), _boosting(200)), trials=30)


def _thorough(task: str) -> Preset:
    others = (_neighbours(), _network()) if task == "classification" else (_elastic_net(), _neighbours(), _network())
    forests = (_forest("random_forest", 500), _forest("extra_trees", 500))
    return Preset((_linear_searched(task), *others, *forests, _boosting(500), _together(task)), trials=120)


_MAKERS = {"fast": _fast, "balanced": _balanced, "thorough": _thorough}


def _linear(task: str) -> str:
    return "logistic_regression" if task == "classification" else "ridge"


def _patient(task: str) -> dict[str, Any]:
    return {"fixed": {"max_iter": 1000}} if task == "classification" else {}


def _linear_searched(task: str) -> dict[str, Any]:
    classifies = task == "classification"
    strength = {"C": _between(1e-4, 1e2)} if classifies else {"alpha": _between(1e-3, 1e4)}
    return {_linear(task): {"range": strength, **_patient(task)}}


def _elastic_net() -> dict[str, Any]:
    ranges = {"alpha": _between(1e-4, 10), "l1_ratio": {"low": 0.05, "high": 1}}
    return {"elastic_net": {"range": ranges, "fixed": {"max_iter": 5000}}}


def _forest(name: str, trees: int) -> dict[str, Any]:
    ranges = {
        "max_features": {"choices": ("sqrt", 0.2, 0.4, 0.7)},
        "min_samples_leaf": _between(1, 50, whole=True),
    }
    return {name: {"range": ranges, "fixed": {"n_estimators": trees}}}


def _boosting(rounds: int) -> dict[str, Any]:
    ranges = {
        "learning_rate": _between(0.01, 0.3),
        "max_leaf_nodes": _between(4, 128, whole=True),
        "min_samples_leaf": _between(5, 100, whole=True),
        "l2_regularization": _between(1e-6, 10),
    }
    return {"hist_gradient_boosting": {"range": ranges, "fixed": {"max_iter": rounds}}}


def _additive(rounds: int) -> dict[str, Any]:
    """The stiff model of quantiles: boosting that adds up a curve for each column."""
    ranges = {"learning_rate": _between(0.01, 0.3), "min_samples_leaf": _between(5, 100, whole=True)}
    return {"additive": {**ADDITIVE, "range": ranges, "fixed": {**ADDITIVE["fixed"], "max_iter": rounds}}}


def _neighbours() -> dict[str, Any]:
    ranges = {"n_neighbors": _between(1, 50, whole=True), "weights": {"choices": ("uniform", "distance")}}
    return {"k_neighbors": {"range": ranges}}


def _network() -> dict[str, Any]:
    ranges = {
        "hidden_layer_sizes": {"choices": ((64,), (128,), (64, 32), (128, 64))},
        "alpha": _between(1e-6, 1e-1),
        "learning_rate_init": _between(1e-4, 1e-2),
    }
    return {"mlp": {"range": ranges, "fixed": {"early_stopping": True, "max_iter": 300}}}


def _together(task: str) -> dict[str, Any]:
    linear = {_linear(task): _patient(task)} if task == "classification" else "ridge"
    forest = {"random_forest": {"fixed": {"n_estimators": 200, "min_samples_leaf": 3}}}
    soft = {"fixed": {"voting": "soft"}} if task == "classification" else {}
    return {"voting": {"of": (linear, forest, "hist_gradient_boosting"), **soft}}


def _between(low: float, high: float, *, whole: bool = False) -> dict[str, Any]:
    """A range on a logarithmic scale."""
    return {"low": low, "high": high, "log": True, **({"int": True} if whole else {})}


_OF_QUANTILES = {
    "fast": Preset(
        (
            {"additive": {**ADDITIVE, "grid": {"min_samples_leaf": (20, 50)}}},
            {"hist_gradient_boosting": {"grid": {"max_leaf_nodes": (8, 31), "min_samples_leaf": (20, 50)}}},
        )
    ),
    "balanced": Preset((_additive(200), _boosting(200)), trials=30),
    "thorough": Preset(
        (
            _additive(500),
            _boosting(500),
            {"bagging": {"of": {"hist_gradient_boosting": {"fixed": {"min_samples_leaf": 10}}}}},
        ),
        trials=120,
    ),
}

"""What a left-out part of a spec means, where that depends on another part."""

from __future__ import annotations

from typing import Any

from orchestrator.contracts.estimators import family
from orchestrator.spec.presets import ADDITIVE, PRESETS, preset

DEFAULT_CANDIDATES: dict[str, tuple[Any, ...]] = {
    "classification": ("logistic_regression", "hist_gradient_boosting"),
    "regression": ("ridge", "hist_gradient_boosting"),
    "multilabel": ("logistic_regression", "hist_gradient_boosting"),
}
OF_QUANTILES: tuple[Any, ...] = ({"additive": ADDITIVE}, "hist_gradient_boosting")

MOST_TRIALS = 1000  # of a search that is given time


def with_defaults(document: Any) -> Any:
    """The document with method of split and search, candidates and seeds filled in; problems stay for validation."""
    if not isinstance(document, dict):
        return document
    objective = document.get("objective")
    task = objective.get("task") if isinstance(objective, dict) else None
    quantile = isinstance(objective, dict) and task == "regression" and objective.get("quantile") is not None
    seed = document.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        seed = 0  # what is wrong with it is said once, where it is written
    filled = dict(document)
    if task in {"classification", "multilabel"}:
        _default(filled, "split", "method", "stratified")
    _default(filled, "split", "seed", seed)
    if task in DEFAULT_CANDIDATES:
        _default(filled, "train", "candidates", OF_QUANTILES if quantile else DEFAULT_CANDIDATES[task])
    train = filled.get("train", {})
    if isinstance(train, dict):
        filled["train"] = train = dict(train)
        search = train.get("search")
        if isinstance(search, dict) and (search.get("time") or search.get("worker_time")):
            _default(train, "search", "trials", MOST_TRIALS)
        if task in DEFAULT_CANDIDATES and train.get("candidates") in PRESETS:
            named = preset(train["candidates"], family(task), quantile=quantile)
            train["candidates"] = named.candidates
            if named.trials is not None:
                _default(train, "search", "trials", named.trials)
        _default(train, "search", "seed", seed)
        if any(_has_range(candidate) for candidate in _sequence(train.get("candidates"))):
            _default(train, "search", "method", "random")
    return filled


def _default(document: dict[str, Any], section: str, key: str, value: Any) -> None:
    written = document.get(section, {})
    if isinstance(written, dict) and key not in written:
        document[section] = {**written, key: value}


def _sequence(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


def _has_range(candidate: Any) -> bool:
    if not isinstance(candidate, dict):
        return False
    bodies = [candidate, *candidate.values()]
    return any(isinstance(body, dict) and bool(body.get("range")) for body in bodies)

"""Fitting one estimator, with row weights where it takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils.validation import has_fit_parameter

from orchestrator.contracts.training import Weights
from workers.training.sparse import Prepared


def takes_weights(estimator: BaseEstimator) -> bool:
    """Whether rows can weigh differently in its fit; an ensemble's can where they can in all inside it."""
    inside = _inside(estimator)
    if isinstance(estimator, MultiOutputClassifier):  # it hands weights on only where it sees them in the signature
        return has_fit_parameter(estimator.estimator, "sample_weight") and all(map(takes_weights, inside))
    joins = isinstance(estimator, StackingClassifier | StackingRegressor | VotingClassifier | VotingRegressor)
    return bool(joins or has_fit_parameter(estimator, "sample_weight")) and all(map(takes_weights, inside))


def _inside(estimator: BaseEstimator) -> list[BaseEstimator]:
    """The estimators that one of scikit-learn's holds."""
    if not type(estimator).__module__.startswith("sklearn."):
        return []  # a class of the team's own knows by itself
    held = [
        item
        for value in estimator.get_params(deep=False).values()
        for item in (value if isinstance(value, list) else [value])
    ]
    return [one for item in held for one in (item if isinstance(item, tuple) else [item]) if hasattr(one, "fit")]


def training_weights(
    target: NDArray[Any], weight: NDArray[Any] | None, weights: Weights | None
) -> NDArray[np.float64] | None:
    """How much each training row counts: as its weight says; balanced, all rows of a class together as any other's.

    The factor of a class is that of scikit-learn's compute_class_weight: the total weight ÷ (classes × its own).
    """
    if weights is None:
        return weight
    own = np.ones(len(target)) if weight is None else weight
    _, codes = np.unique(target, return_inverse=True)
    totals = np.bincount(codes, weights=own)
    factors = np.divide(own.sum() / len(totals), totals, out=np.zeros(len(totals)), where=totals > 0)
    return np.asarray(own * factors[codes], dtype=np.float64)


def fit(
    estimator: BaseEstimator, features: Prepared, target: NDArray[Any], weight: NDArray[Any] | None
) -> BaseEstimator:
    """Fit on shared, sealed arrays; an estimator that insists on writing into its rows gets a copy."""
    extra = {} if weight is None or not takes_weights(estimator) else {"sample_weight": weight}
    try:
        return estimator.fit(features, target, **extra)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        own = {name: np.array(value) for name, value in extra.items()}
        return estimator.fit(features.copy(), np.array(target), **own)


def unweighted_note(estimator: BaseEstimator) -> str:
    """What a trial says of an estimator that cannot weigh rows."""
    names = [type(one).__name__ for one in _inside(estimator) if not takes_weights(one)]
    whole = type(estimator).__name__
    held = f" ({', '.join(names)} inside it does not)" if names else ""
    return f"{whole} takes no row weights{held}: it was fitted without them"

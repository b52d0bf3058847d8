"""Fitting one estimator, with row weights where it takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import has_fit_parameter


def takes_weights(estimator: BaseEstimator) -> bool:
    """Whether rows can weigh differently in its fit."""
    return bool(has_fit_parameter(estimator, "sample_weight"))


def fit(
    estimator: BaseEstimator, features: NDArray[Any], target: NDArray[Any], weight: NDArray[Any] | None
) -> BaseEstimator:
    """Fit on shared, sealed arrays; an estimator that insists on writing into its rows gets a copy."""
    extra = {} if weight is None or not takes_weights(estimator) else {"sample_weight": weight}
    try:
        return estimator.fit(features, target, **extra)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        own = {name: np.array(value) for name, value in extra.items()}
        return estimator.fit(np.array(features), np.array(target), **own)


def unweighted_note(estimator: BaseEstimator) -> str:
    """What a trial says of an estimator that cannot weigh rows."""
    return f"{type(estimator).__name__} takes no row weights: it was fitted without them, and scored with them"

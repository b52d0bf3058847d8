"""CatBoost's estimators as scikit-learn and model files want them: their labels, their parameters, equal bytes.

CatBoost reads labels as float32 numbers or as text that it orders by its own rules, answers several classes with a
column, predicts on all cores, copies parameters that a clone must find again, and marks each model with the time and
a number of its own. In a file a fitted one is bytes of CatBoost's binary format, which its own reader parses.
"""

from __future__ import annotations

from typing import Any, Self

import catboost
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin

_MARKS = ("model_guid", "train_finish_time")  # what differs between two fits of the same
_SEEDS = ("random_state", "random_seed")  # two names of one parameter


class _Cat(catboost.CatBoost):  # type: ignore[misc]
    """What both do otherwise than CatBoost's own."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002  (scikit-learn's name)
        """What is set, the very objects; `random_state` is None until there is a seed."""
        seed = {} if any(name in self._init_params for name in _SEEDS) else {_SEEDS[0]: None}
        return {**seed, **self._init_params}

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, **more: Any) -> Self:  # noqa: N803
        """As CatBoost fits, without the marks of this fit."""
        super().fit(_open(X), y, sample_weight=sample_weight, **more)
        metadata = self.get_metadata()
        for mark in _MARKS:
            del metadata[mark]
        return self

    def predict(self, X: Any, **more: Any) -> NDArray[Any]:  # noqa: N803
        """As CatBoost predicts, by as many threads as it fitted with."""
        return np.asarray(super().predict(_open(X), **{**self._threads(), **more}))

    def _threads(self) -> dict[str, Any]:
        return {"thread_count": self._init_params.get("thread_count", -1)}

    def __getstate__(self) -> dict[str, Any]:
        # Importances are one array, instead of a list of NumPy's numbers, each of which would be a file of its own.
        state: dict[str, Any] = super().__getstate__()
        return {name: _together(value) for name, value in state.items()}


def _open(rows: Any) -> Any:
    """The rows; sparse ones as the kind that CatBoost knows, and a copy of those that are sealed: it refuses these."""
    if not sparse.issparse(rows):
        return rows
    return sparse.csr_matrix(rows, copy=not rows.data.flags.writeable)


def _together(value: Any) -> Any:
    whole = isinstance(value, list) and bool(value) and all(isinstance(one, np.floating) for one in value)
    return np.array(value) if whole else value


class CatBoostClassifier(ClassifierMixin, _Cat, catboost.CatBoostClassifier):  # type: ignore[misc]
    """It learns the positions of the labels among `classes_`, which are sorted as scikit-learn sorts them."""

    _labels: NDArray[Any] | None = None

    @property
    def classes_(self) -> NDArray[Any] | None:
        """The labels, sorted; None before it is fitted, as CatBoost has it."""
        return self._labels

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, **more: Any) -> Self:  # noqa: N803
        """Rows × numbers, a label for each row."""
        self._labels, positions = np.unique(np.asarray(y), return_inverse=True)
        return super().fit(X, positions, sample_weight=sample_weight, **more)

    def predict(self, X: Any, **more: Any) -> NDArray[Any]:  # noqa: N803
        """A label for each row."""
        positions = super().predict(X, **more).reshape(-1).astype(np.intp)
        return np.asarray(self._labels)[positions]

    def predict_proba(self, X: Any, **more: Any) -> NDArray[Any]:  # noqa: N803
        """Rows × classes."""
        return np.asarray(super().predict_proba(_open(X), **{**self._threads(), **more}))

    def __getstate__(self) -> dict[str, Any]:
        return {"labels": self._labels, "boosted": super().__getstate__()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._labels = state["labels"]
        super().__setstate__(state["boosted"])


class CatBoostRegressor(RegressorMixin, _Cat, catboost.CatBoostRegressor):  # type: ignore[misc]
    """CatBoost's regressor."""

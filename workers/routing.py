"""A model of many: each row is answered by the estimator of its segment, else by the one of all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if


def _probabilistic(model: RoutedModel) -> bool:
    return all(hasattr(one, "predict_proba") for one in model.models)


class RoutedModel(BaseEstimator):  # type: ignore[misc]
    """The last step of a pipeline whose last column says which segment a row belongs to, by number; -1 is none.

    It is put together of fitted estimators and not fitted itself. There is no decision function: those of different
    estimators are on different scales, so rows could not be ranked by it.
    """

    fallback_: Any  # of all rows; None in a part of a routed model
    estimators_: list[Any]  # by number of the segment

    @classmethod
    def of(cls, estimators: Sequence[Any], fallback: Any = None) -> Self:
        """The model of these fitted estimators."""
        model = cls()
        model.estimators_, model.fallback_ = list(estimators), fallback
        if hasattr(fallback, "classes_"):
            model.classes_ = np.array(fallback.classes_)
        return model

    @property
    def models(self) -> list[Any]:
        """All estimators in it."""
        return [*self.estimators_, *([] if self.fallback_ is None else [self.fallback_])]

    def alone(self) -> RoutedModel:
        """The model of all rows by itself, for all rows."""
        return RoutedModel.of((), self.fallback_)

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002, N803  (scikit-learn's names)
        """As it is: like a FrozenEstimator it learns nothing more."""
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803  (scikit-learn's name)
        """Labels or values, row by row."""
        return self._answers(X, lambda model, rows: np.asarray(model.predict(rows)))

    @available_if(_probabilistic)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """Rows × classes; a class that a segment never saw has probability 0 there."""
        return self._answers(X, self._probabilities)

    def _probabilities(self, model: Any, rows: NDArray[Any]) -> NDArray[Any]:
        found = np.zeros((len(rows), len(self.classes_)))
        names = self.classes_.tolist()
        found[:, [names.index(name) for name in np.asarray(model.classes_).tolist()]] = model.predict_proba(rows)
        return found

    def _answers(self, given: Any, ask: Callable[[Any, NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
        rows = np.asarray(given)
        numbers, features = rows[:, -1].astype(np.intp), np.ascontiguousarray(rows[:, :-1])
        numbers[numbers >= len(self.estimators_)] = -1
        order = np.argsort(numbers, kind="stable")
        present, starts = np.unique(numbers[order], return_index=True)
        parts = [
            ask(self.fallback_ if number < 0 else self.estimators_[number], features[where])
            for number, where in zip(present, np.split(order, starts[1:]), strict=True)
        ]
        answers = np.concatenate(parts)
        found = np.empty_like(answers)
        found[order] = answers
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimators_")

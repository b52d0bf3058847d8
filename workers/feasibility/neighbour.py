"""The reachable error of a classification, estimated from the one-nearest-neighbour rule.

Of M classes, with unlimited rows, R* <= R <= R* (2 - M / (M - 1) R*), where R is the rule's error and R* the smallest
error that any classifier could have, the Bayes error (Cover and Hart, "Nearest Neighbor Pattern Classification", IEEE
Transactions on Information Theory 13(1), 1967). Rows are limited, and with many columns the nearest row is not near:
so this is an estimate, and tends to be pessimistic.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binomtest
from sklearn.neighbors import KNeighborsClassifier

from orchestrator.contracts.feasibility import ReachableError
from workers.training.folds import PreparedFold
from workers.training.sparse import arrays


def bayes_floor(error: float, classes: int) -> float:
    """The smallest Bayes error that fits an error of the one-nearest-neighbour rule: Cover and Hart's bound, solved."""
    share = (classes - 1) / classes
    return share * (1 - math.sqrt(max(0.0, 1 - error / share)))


def reachable_error(folds: list[PreparedFold], classes: int, confidence: float) -> ReachableError | None:
    """From the floor under the rule's error to that error, both at the far end of its Clopper-Pearson interval.

    Rows count alike, whatever their weight. None where preparation keeps missing values: nothing is near to those.
    """
    wrong = rows = 0
    for fold in folds:
        if not all(np.isfinite(array).all() for rows in (fold.train, fold.validation) for array in arrays(rows)):
            return None
        rule = KNeighborsClassifier(n_neighbors=1).fit(fold.train, fold.target)
        wrong += int((rule.predict(fold.validation) != fold.truth).sum())
        rows += len(fold.truth)
    interval = binomtest(wrong, rows).proportion_ci(confidence, method="exact")
    return ReachableError(
        low=bayes_floor(float(interval.low), classes),
        high=float(interval.high),
        nearest_neighbour=wrong / rows,
        rows=rows,
        confidence=confidence,
    )

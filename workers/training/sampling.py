"""A share of training rows: the same rows for the same seed, and of a larger share a superset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.contracts.estimators import family
from orchestrator.contracts.roles import Task


def sample(target: NDArray[Any], share: float, task: Task, seed: Sequence[int]) -> NDArray[np.intp]:
    """Ascending positions of a share (0 to 1) of the rows, at least two.

    Of a classification each class (of several labels: each label set) keeps its share: rows are drawn within their
    class, and the j-th (from 0) of a class of n stands at j / n of the whole order, whose beginning is taken. So a rare
    class is never missing.
    """
    dice = np.random.default_rng([number % 2**63 for number in seed])
    rows = len(target)
    order = dice.permutation(rows)
    if family(task) == "classification":
        places = np.empty(rows)
        _, classes = np.unique(target, return_inverse=True)
        for one in range(int(classes.max(initial=-1)) + 1):
            mine = order[classes[order] == one]
            places[mine] = np.arange(len(mine)) / len(mine)
        order = order[np.argsort(places[order], kind="stable")]
    return np.sort(order[: max(min(rows, 2), math.ceil(share * rows))])

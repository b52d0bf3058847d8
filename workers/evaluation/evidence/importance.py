"""Permutation importance of the raw feature columns, at a bounded cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from orchestrator.contracts.documents.data import Scalar
from orchestrator.contracts.documents.evaluation import Importance, ImportanceEnds
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.roles import Objective
from workers.scoring import respond, score

REPEATS = 5
ROWS = 2000  # at most, and at least FEWEST where there are so many
FEWEST = 100
PREDICTIONS = 400_000  # rows predicted in all: more features are judged on fewer rows


def sampled_rows(rows: int, features: int) -> int:
    """How many test rows each permutation is judged on."""
    affordable = max(FEWEST, PREDICTIONS // max(1, REPEATS * features))
    return min(rows, ROWS, affordable)


def permutation_importance(
    model: Any,
    features: pd.DataFrame,
    truth: NDArray[Any],
    objective: Objective,
    *,
    classes: tuple[Scalar, ...],
    positive: Scalar,
    weights: NDArray[np.float64] | None,
    seed: int,
) -> tuple[Importance, ...]:
    """What the objective's metric loses when one column is shuffled, over the repeats; the largest loss first.

    Breiman (2001): positive means that the model leans on the column. Rows are drawn without replacement.
    """
    rng, metric, quantile = np.random.default_rng(seed), objective.metric, objective.quantile
    rows = sampled_rows(len(features), features.shape[1])
    chosen = np.sort(rng.choice(len(features), rows, replace=False))
    table, truth = features.iloc[chosen].reset_index(drop=True), truth[chosen]
    weights = None if weights is None else weights[chosen]
    sign = 1.0 if METRICS[metric].greater_is_better else -1.0

    def judged(answers: NDArray[Any]) -> float:
        return sign * score(
            metric, truth, answers, classes=classes, positive=positive, weight=weights, quantile=quantile
        )

    whole = judged(respond(model, table, metric, classes=classes, positive=positive))
    if not np.isfinite(whole):
        return ()
    found = []
    for position, name in enumerate(table.columns):
        orders = np.concatenate([rng.permutation(rows) for _ in range(REPEATS)])
        shuffled = pd.concat([table] * REPEATS, ignore_index=True)
        shuffled.isetitem(position, table.iloc[:, position].take(orders).array)
        answers = respond(model, shuffled, metric, classes=classes, positive=positive)
        losses = np.array([whole - judged(part) for part in np.split(answers, REPEATS)])
        found.append(Importance(feature=str(name), mean=float(losses.mean()), std=float(losses.std())))
    return tuple(sorted(found, key=lambda one: (-one.mean, one.feature)))


def importance_ends(found: tuple[Importance, ...]) -> tuple[ImportanceEnds, ...]:
    """The t interval of each mean over the repeats."""
    reach = float(stats.t.ppf(0.975, REPEATS - 1) / np.sqrt(REPEATS - 1))  # in units of the spread with ddof=0
    return tuple(
        ImportanceEnds(feature=one.feature, low=one.mean - reach * one.std, high=one.mean + reach * one.std)
        for one in found
    )

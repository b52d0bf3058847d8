"""How a metric bears data that gets worse: noise on numbers, and columns that go missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.documents.data import Preparation, PreparedColumn
from orchestrator.contracts.documents.evaluation import Robustness
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.roles import Objective
from workers.features.rowwise import MISSING
from workers.scoring import respond, score

NOISE = (0.1, 0.25, 0.5)  # standard deviations of the column
REPEATS = 3  # of each size
COLUMNS = 30  # that go missing, the most important ones
ROWS = 2000


def robustness(
    model: Any,
    features: pd.DataFrame,
    truth: NDArray[Any],
    objective: Objective,
    preparation: Preparation,
    columns: Sequence[str],
    *,
    weights: NDArray[np.float64] | None,
    seed: int,
) -> tuple[Robustness, ...]:
    """The metric with normal noise on all numeric columns at once, then with each of some columns missing in all rows.

    On at most 2,000 rows; noise is drawn three times for each size, and the mean of the metric is told. `value` is None
    where the model cannot answer such rows. Empty where the metric is undefined on the rows as they are.
    """
    rng, metric, quantile = np.random.default_rng(seed), objective.metric, objective.quantile
    chosen = np.sort(rng.choice(len(features), min(ROWS, len(features)), replace=False))
    table, truth = features.iloc[chosen].reset_index(drop=True), truth[chosen]
    weights = None if weights is None else weights[chosen]
    classes, positive = preparation.classes, preparation.positive

    def judged(rows: pd.DataFrame) -> float | None:
        try:
            answers = respond(model, rows, metric, classes=classes, positive=positive)
            value = score(metric, truth, answers, classes=classes, positive=positive, weight=weights, quantile=quantile)
        except ValueError:  # scikit-learn's: it was never taught what to do with a gap, or it answers with one
            return None
        return value if np.isfinite(value) else None

    whole = judged(table)
    if whole is None:
        return ()
    by_name = {column.name: column for column in preparation.features}
    numeric = [name for name, column in by_name.items() if _is_quantity(column)]
    found = [_noisy(size, numeric, table, judged, whole, metric, rng) for size in NOISE] if numeric else []
    found += [_missing(by_name[name], table, judged, whole, metric) for name in columns[:COLUMNS]]
    return tuple(found)


def _is_quantity(column: PreparedColumn) -> bool:
    return column.rule.type == "numeric" and column.source != "date"


def _noisy(
    size: float,
    names: list[str],
    table: pd.DataFrame,
    judged: Callable[[pd.DataFrame], float | None],
    whole: float,
    metric: str,
    rng: np.random.Generator,
) -> Robustness:
    dtypes = table.dtypes
    numbers = table[names].to_numpy(dtype=float)
    spread = np.nan_to_num(np.nanstd(numbers, axis=0), nan=0.0)
    values = []
    for _ in range(REPEATS):
        noisy = numbers + rng.normal(size=numbers.shape) * spread * size
        changed = {name: column.astype(dtypes[name]) for name, column in zip(names, noisy.T, strict=True)}
        values.append(judged(table.assign(**changed)))
    known = [value for value in values if value is not None]
    value = float(np.mean(known)) if len(known) == REPEATS else None
    return Robustness(change="noise", size=size, value=value, loss=_loss(whole, value, metric))


def _missing(
    column: PreparedColumn,
    table: pd.DataFrame,
    judged: Callable[[pd.DataFrame], float | None],
    whole: float,
    metric: str,
) -> Robustness:
    gap = MISSING if column.rule.type == "text" else None
    value = judged(table.assign(**{column.name: pd.Series([gap] * len(table), dtype=table[column.name].dtype)}))
    return Robustness(change="missing", column=column.name, value=value, loss=_loss(whole, value, metric))


def _loss(whole: float, value: float | None, metric: str) -> float | None:
    """What is lost of the metric: positive where it is worse."""
    if value is None:
        return None
    return whole - value if METRICS[metric].greater_is_better else value - whole

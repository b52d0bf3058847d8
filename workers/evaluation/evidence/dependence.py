"""What a model's answer does when one column is moved: partial dependence with the spread of single rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.documents.evaluation import Dependence
from workers.scoring import respond

Floats = NDArray[np.float64]

COLUMNS = 5  # the most important ones
ROWS, POINTS, CATEGORIES = 200, 20, 10  # 20,000 rows are predicted at the most
MIDDLE = (0.05, 0.95)  # of a column's values: beyond, there are hardly any rows to go by
BAND = (0.1, 0.9)  # of single rows


def partial_dependence(
    model: Any, features: pd.DataFrame, preparation: Preparation, columns: Sequence[str], seed: int
) -> tuple[Dependence, ...]:
    """For each column the mean answer with all rows at one value of it (Friedman 2001, Annals of Statistics 29:1189).

    The band holds four of five single rows, each moved to start at its own mean and set on the curve's (centred
    individual expectations, Goldstein et al. 2015, JCGS 24:44): where it is wide, the column acts differently on
    different rows. The answer is the predicted value, or the probability of the positive class (the decision function
    where there is none); of more classes, or labels, there is none. Where columns hang together, rows are asked about
    that cannot exist (Molnar 2022, chapter 8.1). Free text has no values that rows could be set to, and is left out.
    """
    answer = _answer(model, preparation)
    if answer is None:
        return ()
    chosen = np.sort(np.random.default_rng(seed).choice(len(features), min(ROWS, len(features)), replace=False))
    table = features.iloc[chosen].reset_index(drop=True)
    found = []
    texts = {column.name for column in preparation.features if column.rule.type == "text"}
    for name in [one for one in columns if one not in texts][:COLUMNS]:
        values = _grid(features[name])
        if len(values) > 1:
            found.append(_dependence(name, values, table, answer))
    return tuple(found)


def _answer(model: Any, preparation: Preparation) -> Callable[[pd.DataFrame], Floats] | None:
    if preparation.target_kind in ("multiclass", "multilabel"):
        return None
    if preparation.target_kind == "regression":
        return lambda table: np.asarray(model.predict(table), dtype=float)
    metric = "brier" if hasattr(model, "predict_proba") else "roc_auc"
    if metric == "roc_auc" and not hasattr(model, "decision_function"):
        return None
    classes, positive = preparation.classes, preparation.positive
    return lambda table: np.asarray(respond(model, table, metric, classes=classes, positive=positive), dtype=float)


def _grid(column: pd.Series[Any]) -> list[Any]:
    """Quantiles of numbers, all values where they are few; the most frequent categories."""
    known = column.dropna()
    if not pd.api.types.is_numeric_dtype(known):
        counts = known.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
        return [*counts.index[:CATEGORIES]]
    numbers = known.to_numpy(dtype=float)
    distinct = np.unique(numbers)
    few = len(distinct) <= POINTS
    return [*(distinct if few else np.unique(np.quantile(numbers, np.linspace(*MIDDLE, POINTS))))]


def _dependence(
    name: str, values: list[Any], table: pd.DataFrame, answer: Callable[[pd.DataFrame], Floats]
) -> Dependence:
    rows = len(table)
    asked = pd.concat([table] * len(values), ignore_index=True)
    moved = pd.Series(np.repeat(np.array(values, dtype=object), rows)).astype(table[name].dtype)
    each = answer(asked.assign(**{name: moved})).reshape(len(values), rows)
    mean = each.mean(axis=1)
    centred = each - each.mean(axis=0) + mean.mean()
    low, high = np.quantile(centred, BAND, axis=1)
    numeric = pd.api.types.is_numeric_dtype(table[name])
    return Dependence(
        feature=name,
        x=tuple(float(value) for value in values) if numeric else (),
        categories=() if numeric else tuple(map(str, values)),
        mean=_numbers(mean),
        low=_numbers(low),
        high=_numbers(high),
        rows=rows,
    )


def _numbers(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)

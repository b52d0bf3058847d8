"""Whether there are enough training rows, by the rules of thumb of the field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.feasibility import Enough, LargeSegments
from orchestrator.contracts.training import Segmenting

ROWS = 100  # in all: below, scores of folds say little
OF_CLASS = 30  # of the smallest class
PER_FEATURE = 10  # Peduzzi et al., Journal of Clinical Epidemiology 49(12), 1996: events for each variable


def enough_rows(
    target: NDArray[Any], features: int, preparation: Preparation, quantile: float | None = None
) -> tuple[Enough, ...]:
    """All training rows, those of the smallest class, and those for each prepared column (of the smallest class).

    Of a quantile the rows beyond it, which alone tell where it lies, are what the smallest class is of classes.

    Too few rows for each column is a warning, no obstacle: regularised models learn from fewer, as their curves show.
    """
    found = [_judged("rows", len(target), ROWS, f"{len(target):,} training rows")]
    fewest = len(target)
    if preparation.target_kind != "regression":
        classes, counts = np.unique(target, return_counts=True)
        fewest = int(counts.min())
        name = classes[int(counts.argmin())]
        found.append(_judged("class", fewest, OF_CLASS, f"{fewest:,} training rows of the smallest class, {name}"))
    elif quantile is not None:
        fewest = round(len(target) * min(quantile, 1 - quantile))
        side = "above" if quantile >= 0.5 else "below"
        found.append(_judged("tail", fewest, OF_CLASS, f"{fewest:,} training rows {side} the quantile {quantile:g}"))
    each = fewest / max(1, features)
    of = " beyond the quantile" if quantile is not None else ""
    of = " of the smallest class" if preparation.target_kind != "regression" else of
    told = f"{each:,.1f} training rows{of} for each of {features:,} prepared columns"
    return (*found, _judged("feature", each, PER_FEATURE, told))


def large_segments(values: pd.Series, asked: Segmenting) -> tuple[LargeSegments, NDArray[Any]]:
    """The values of a column over the training rows that have rows enough, and how many rows each of them has."""
    counts = values.value_counts().to_numpy(dtype=np.int64)
    large = counts[counts >= asked.min_rows]
    rows = int(large.sum())
    sentence = _large_or_not(asked, len(counts), len(large), rows / max(1, len(values)))
    return LargeSegments(
        column=asked.column, segments=len(counts), large=len(large), rows=rows, sentence=sentence
    ), large


def _large_or_not(asked: Segmenting, known: int, large: int, share: float) -> str:
    values = f"{known:,} value{'' if known == 1 else 's'} of {asked.column}"
    rows = f"{asked.min_rows:,} training rows or more"
    alone = "one model, of all rows, answers for all of them"
    if not known:
        return f"{asked.column} has no value in the training rows: {alone}"
    if not large:
        return f"none of the {values} has {rows}: {alone}"
    has, gets = ("has", "gets a model of its own") if large == 1 else ("have", "get a model of their own")
    return (
        f"{large:,} of {values} {has} {rows} and {gets}, with {100 * share:.3g} % of the training rows; "
        "what is said here of scores is of the model of all rows"
    )


def _judged(subject: Any, have: float, needed: float, told: str) -> Enough:
    enough = have >= needed
    sentence = f"{told}: enough (at least {needed})" if enough else f"{told}: too few, at least {needed} are wanted"
    return Enough(subject=subject, have=have, needed=needed, enough=enough, sentence=sentence)

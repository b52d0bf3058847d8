"""Whether the features of some rows are distributed as those of earlier rows: of test rows, as of training rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

BINS = 10  # of numbers, each with a tenth of the training rows
MOST_VALUES = 20  # of other columns; the rarer ones of the training rows count as one
FEWEST_EXPECTED = 5.0  # rows of a cell of the χ² test; cells with fewer are put together


def stability(train: pd.Series, test: pd.Series) -> float:
    """The population stability index of one column: Σ (q − p) ln(q / p) over bins.

    Below 0.1 is usually called stable, above 0.25 a shift (Siddiqi 2006, Credit Risk Scorecards). Missing values are a
    bin. Each count has half a row added, so that an empty bin counts. Without any drift it is about (bins − 1) times
    1 / training rows + 1 / test rows (Yurdakul and Naranjo 2020, Journal of Risk Model Validation 14): with few test
    rows it errs on the safe side.
    """
    before, after = _counts(train, test)
    p, q = ((one + 0.5) / (one + 0.5).sum() for one in (before, after))
    return float(((q - p) * np.log(q / p)).sum())


def difference(train: pd.Series, test: pd.Series) -> float:
    """The p-value of no difference: Kolmogorov–Smirnov for numbers, χ² of homogeneity for others.

    Missing numbers stand below all others. Rows that hang together make it too small, which errs on the safe side.
    """
    if _numeric(train):
        values = [one.to_numpy(dtype=float, na_value=np.nan) for one in (train, test)]
        below = min((float(np.nanmin(one)) for one in values if np.isfinite(one).any()), default=0.0) - 1.0
        return float(stats.ks_2samp(*(np.where(np.isnan(one), below, one) for one in values)).pvalue)
    table = np.array(_counts(train, test))
    return _homogeneous(table)


def _homogeneous(table: Floats) -> float:
    """The p-value of a table of 2 × values, whose rarest values are put together until each cell is expected often."""
    order = np.argsort(table.sum(axis=0), kind="stable")
    table = table[:, order]
    share = table.sum(axis=1).min() / max(table.sum(), 1.0)
    expected = np.cumsum(table.sum(axis=0)) * share
    lumped = int(np.searchsorted(expected, FEWEST_EXPECTED)) + 1
    merged = np.column_stack([table[:, :lumped].sum(axis=1), table[:, lumped:]])
    if merged.shape[1] < 2 or share == 0:
        return 1.0
    return float(stats.chi2_contingency(merged, correction=False).pvalue)


def _counts(train: pd.Series, test: pd.Series) -> tuple[Floats, Floats]:
    """Rows of both in each bin of the training rows, those without a value last."""
    codes = _binned(train, test) if _numeric(train) else _valued(train, test)
    size = int(max(one.max(initial=0) for one in codes)) + 1
    before, after = (np.bincount(one, minlength=size).astype(float) for one in codes)
    used = before + after > 0
    return before[used], after[used]


def _binned(train: pd.Series, test: pd.Series) -> list[NDArray[np.intp]]:
    values = [one.to_numpy(dtype=float, na_value=np.nan) for one in (train, test)]
    known = values[0][~np.isnan(values[0])]
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if len(known) else np.array([])
    return [np.where(np.isnan(one), len(edges) + 1, np.searchsorted(edges, one, side="left")) for one in values]


def _valued(train: pd.Series, test: pd.Series) -> list[NDArray[np.intp]]:
    """Codes by how often a value occurs in the training rows; then all others, then missing ones."""
    known = {value: code for code, value in enumerate(train.dropna().value_counts().index[:MOST_VALUES])}
    others, missing = len(known), len(known) + 1
    return [one.map(known).fillna(others).where(one.notna(), missing).to_numpy(dtype=np.intp) for one in (train, test)]


def comparable(before: pd.DataFrame, after: pd.DataFrame, name: str) -> bool:
    """Whether both tables have this column, as numbers or as other values in both."""
    return name in before.columns and _numeric(before[name]) == _numeric(after[name])


def _numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))

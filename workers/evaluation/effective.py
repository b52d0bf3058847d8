"""How many independent rows some rows amount to that hang together, or have weights."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from workers.evaluation.sample import Sample

Floats = NDArray[np.float64]


def units_holding(sample: Sample, rows: NDArray[np.bool_]) -> float:
    """How many independent observations some rows amount to: rows, groups, blocks; by Kish (1965) with weights."""
    if sample.units.kind == "groups" and sample.units.codes is not None:
        return float(len(np.unique(sample.units.codes[rows])))
    if sample.units.kind == "blocks":
        return max(1.0, math.ceil(rows.sum() / sample.units.block)) if rows.any() else 0.0
    weights = sample.row_weights[rows]
    return float(weights.sum() ** 2 / max((weights**2).sum(), 1e-300)) if rows.any() else 0.0


def rarest(sample: Sample) -> int:
    """Independent observations of the rarest class (or side of a label) that occurs; of all rows for regression.

    Of a quantile those that should lie beyond it: they alone tell where it lies.
    """
    if sample.quantile is not None:
        return min(sample.units.draws, round(len(sample) * min(sample.quantile, 1 - sample.quantile)))
    if sample.kind == "regression":
        return sample.units.draws
    if sample.kind == "multilabel":
        sides = [column == value for column in sample.truth.T for value in (0, 1)]
        return int(min(units_holding(sample, side) for side in sides if side.any()))
    present = np.unique(sample.truth)
    return int(min(units_holding(sample, sample.truth == code) for code in present))


def effective(sample: Sample, draws: Floats, share: float, among: NDArray[np.bool_], alpha: float) -> float:
    """As many independent rows as would make a share of some rows vary as much, with t for the number of units."""
    rows, units = float(among.sum()), units_holding(sample, among)
    spread = float(np.nanvar(draws)) * units / max(units - 1, 1)  # a resample of few units varies too little
    found = share * (1 - share) / spread if spread > 0 and 0 < share < 1 else units
    found = min(max(found, min(units, rows)), rows)
    return min(found, units) if units < 2 or rows < 2 else found * t_ratio(rows, units, alpha)


def t_ratio(rows: float, units: float, alpha: float) -> float:
    """What few units take from an effective count: their t quantile is larger than that of the rows."""
    if rows < 2 or units < 2:
        return 1.0
    of_rows, of_units = (float(stats.t.ppf(1 - alpha / 2, count - 1)) for count in (rows, units))
    return min(1.0, (of_rows / of_units) ** 2)

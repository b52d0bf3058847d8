"""How many independent rows some rows amount to that hang together, or have weights."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from workers.evaluation.sample import Sample

Floats = NDArray[np.float64]

MOST_ALIKE = 0.9  # correlation of neighbours in time that is reckoned with


def units_holding(sample: Sample, rows: NDArray[np.bool_]) -> float:
    """How many independent observations some rows amount to: rows, groups, blocks; by Kish (1965) with weights."""
    if sample.units.kind == "groups" and sample.units.codes is not None:
        return float(len(np.unique(sample.units.codes[rows])))
    if sample.units.kind == "blocks":
        return max(1.0, math.ceil(rows.sum() / sample.units.block)) if rows.any() else 0.0
    weights = sample.row_weights[rows]
    return float(weights.sum() ** 2 / max((weights**2).sum(), 1e-300)) if rows.any() else 0.0


def units_among(sample: Sample, rows: NDArray[np.bool_]) -> float:
    """As `units_holding`, but rows in time count as so many blocks as they are spread over, not as one run.

    Kish's count of blocks by how many of the rows each holds (Carter, Schnepel and Steigerwald 2017, Review of
    Economics and Statistics 99:698–709).
    """
    if sample.units.kind != "blocks" or not rows.any():
        return units_holding(sample, rows)
    held = sample.units.sums(rows.astype(float)[:, None])[:, 0]
    return float(held.sum() ** 2 / (held**2).sum()) * sample.units.draws / sample.units.count


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


def effective(
    sample: Sample,
    draws: Floats,
    hits: NDArray[np.bool_],
    among: NDArray[np.bool_],
    alpha: float,
    *,
    safe: bool = True,
) -> float:
    """As many independent rows as would make the share of hits among some rows vary as much.

    By the variance of resamples, and by t with as many degrees of freedom as that variance is known with; where it has
    to be safe, rows in time count as a single run.
    """
    rows, units = float(among.sum()), (units_holding if safe else units_among)(sample, among)
    weights = sample.row_weights * among
    share = float(np.average(hits, weights=weights))
    parts = weights * (hits - share)
    spread = float(np.nanvar(draws)) * units / max(units - 1, 1)  # a resample of few units varies too little
    spread /= _told_by_blocks(sample, parts)
    found = share * (1 - share) / spread if spread > 0 and 0 < share < 1 else units
    found = min(max(found, min(units, rows)), rows)
    if units < 2 or rows < 2:
        return min(found, units)
    return found * t_ratio(rows, _freedom(sample, parts, units) + 1, alpha)


def _told_by_blocks(sample: Sample, parts: Floats) -> float:
    """Which share of the variance of a mean is seen by blocks, which part rows that hang together beyond their edges.

    1 − 2φ / (b(1 − φ²)) for blocks of b rows whose neighbours correlate by φ: the leading term of the bias of the
    moving-block bootstrap (Politis and White 2004) with φ from the rows.
    """
    total = float(np.sum(parts**2))
    if sample.units.kind != "blocks" or total <= 0:
        return 1.0
    near = min(max(float(np.sum(parts[1:] * parts[:-1])) / total, 0.0), MOST_ALIKE)
    return max(1 - 2 * near / (sample.units.block * (1 - near**2)), 0.5)


def _freedom(sample: Sample, parts: Floats, units: float) -> float:
    """Degrees of freedom of a variance over units: few where it hangs on few of them, which sums of rare hits do.

    2m / (κ − (m − 3)/(m − 1)) with the kurtosis κ of m sums: a chi-square variable of so many varies as much as their
    variance does (O'Neill 2014, The American Statistician 68:282–296). Of normal sums m − 1, and never more here.
    """
    squares = sample.units.sums(parts[:, None])[:, 0] ** 2
    if units < 3 or not squares.any():
        return units - 1
    kurtosis = float(np.mean(squares**2) / np.mean(squares) ** 2)
    return min(units - 1, 2 * units / (kurtosis - (units - 3) / (units - 1)))


def t_ratio(rows: float, units: float, alpha: float) -> float:
    """What few units take from an effective count: their t quantile is larger than that of the rows."""
    if rows < 2 or units < 2:
        return 1.0
    of_rows, of_units = (float(stats.t.ppf(1 - alpha / 2, count - 1)) for count in (rows, units))
    return min(1.0, (of_rows / of_units) ** 2)

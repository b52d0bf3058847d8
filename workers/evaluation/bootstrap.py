"""The bootstrap of test metrics: resampled values, studentised means, and the ends that they give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from workers.evaluation.sample import Sample
from workers.evaluation.statistics import Statistic, losses

Floats = NDArray[np.float64]
Ends = tuple[float, float]

MOST_RESAMPLES = 10_000
IN_TAIL = 20  # resamples that lie outside of an interval, where they are not too many
FAR = 5  # resamples beyond a quantile, by which it is known well enough


def resampled(sample: Sample, statistics: Mapping[str, Statistic], number: int, seed: int) -> dict[str, Floats]:
    """Each statistic on the same `number` resamples of the sample's units."""
    found: dict[str, list[Floats]] = {name: [] for name in statistics}
    for counts in sample.units.resamples(np.random.default_rng(seed), number) if statistics else ():
        weights = sample.units.spread(counts)
        if sample.weights is not None:
            weights = weights * sample.weights
        for name, statistic in statistics.items():
            found[name].append(statistic(weights))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def resamples_for(alpha: float, least: int) -> int:
    """So many that some lie outside of an interval at this level, within bounds."""
    return max(least, min(math.ceil(IN_TAIL / alpha), MOST_RESAMPLES))


def far_quantile(values: Floats, share: float, method: Literal["linear", "higher"] = "linear") -> float:
    """A quantile; where fewer than five values lie beyond it, the last that can be told is led on.

    As far as those of a normal distribution lie apart: so a level that few resamples reach stays one.
    """
    side = min(share, 1 - share)
    told = min(max(side, FAR / len(values)), 0.5)
    known = float(np.quantile(values, told if share < 0.5 else 1 - told, method=method))
    if side >= told or told >= 0.5 or not np.isfinite(known):
        return known
    middle = float(np.median(values))
    return middle + (known - middle) * float(stats.norm.isf(side) / stats.norm.isf(told))


def expanded_percentile(values: Floats, units: int, alpha: float) -> Ends | None:
    """Percentile ends, moved out for small samples as by t with `units` − 1 degrees of freedom.

    Hesterberg (2015), The American Statistician 69:371–386: the plain percentile interval is too narrow by
    √((n−1)/n) and by the normal instead of the t quantile. Undefined resamples are left out. At a level that few
    resamples reach, the ends of the last level that can be told are led on as those of t lie apart.
    """
    kept = values[np.isfinite(values)]
    if units < 2 or len(kept) < 0.5 * len(values):
        return None
    told = min(max(alpha, 2 * FAR / len(kept)), 1.0)
    reach, needed = (stats.t.ppf(1 - level / 2, units - 1) * np.sqrt(units / (units - 1)) for level in (told, alpha))
    tail = max(float(stats.norm.sf(reach)), 1 / len(kept))
    low, middle, high = np.quantile(kept, [tail, 0.5, 1 - tail])
    if told > alpha:
        low, high = (middle + (end - middle) * needed / reach for end in (low, high))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class _Mean:
    """The moments of unit sums from which a mean and its standard error follow."""

    moments: Floats  # units × (size, loss, size², size·loss, loss²)

    def __call__(self, counts: Floats) -> tuple[Floats, Floats]:
        """Log of the mean and its standard error, for each row of unit counts."""
        drawn = counts.sum(axis=1)
        size, loss, size2, cross, loss2 = ((counts @ self.moments) / drawn[:, None]).T
        mean = loss / size
        variance = np.maximum(loss2 - 2 * mean * cross + mean**2 * size2, 0.0) / (np.maximum(drawn - 1, 1) * size**2)
        with np.errstate(divide="ignore", invalid="ignore"):  # a mean of zero has no logarithm: judged by the caller
            return np.log(mean), np.sqrt(variance) / mean


def studentised_mean(name: str, sample: Sample, number: int, alpha: float, seed: int) -> Ends | None:
    """Ends of a mean of losses by the bootstrap-t on the log scale (Efron and Tibshirani 1993, chapter 12).

    The standard error is that of a ratio of unit sums, so that groups and blocks of any size are honoured. None where
    there is nothing to go by: no loss, no spread, or a single unit.
    """
    weights, units = sample.row_weights, sample.units
    loss = weights * losses(name, sample)
    size_, loss_ = units.sums(np.column_stack([weights, loss])).T
    mean_of = _Mean(np.column_stack([size_, loss_, size_**2, size_ * loss_, loss_**2]))
    whole = np.full((1, units.count), units.draws / units.count)
    centre, error = (float(part[0]) for part in mean_of(whole))
    if units.draws < 2 or not np.isfinite(centre) or error < 1e-7:  # equal but for rounding
        return None
    pivots = []
    for counts in units.resamples(np.random.default_rng(seed), number):
        log_mean, spread = mean_of(counts)
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample of one unit repeated is as far out as can be
            pivots.append((log_mean - centre) / spread)
    pivot = np.concatenate(pivots)
    pivot = np.where(np.isnan(pivot), -np.inf, pivot)
    low, high = (far_quantile(pivot, share, "higher") for share in (1 - alpha / 2, alpha / 2))
    ends = np.exp(centre - low * error), np.exp(centre - high * error)
    return (float(np.sqrt(ends[0])), float(np.sqrt(ends[1]))) if name == "rmse" else (float(ends[0]), float(ends[1]))

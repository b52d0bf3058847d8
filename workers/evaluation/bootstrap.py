"""The bootstrap of test metrics: resampled values, studentised means, and the ends that they give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from workers.evaluation.ranking import Statistic
from workers.evaluation.sample import Sample
from workers.evaluation.statistics import losses

Floats = NDArray[np.float64]
Ends = tuple[float, float]
Found = tuple[Ends | None, str, str | None]  # the ends if there are any, the method, and what is to be noted

MOST_RESAMPLES = 10_000
IN_TAIL = 20  # resamples that lie outside of an interval, where they are not too many
UNSEEN = 1.2  # standard errors of the mean square, by which the reach to larger errors is lengthened
FURTHEST = 1.5  # times as far up as a chi-square distribution of the same spread reaches, at most
FEWEST_FREE = 4.0  # degrees of freedom that this distribution has at least
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
    told = min(max(alpha, 2 * FAR / len(kept)), 0.5)
    reach, needed = (stats.t.ppf(1 - level / 2, units - 1) * np.sqrt(units / (units - 1)) for level in (told, alpha))
    tail = max(float(stats.norm.sf(reach)), 1 / len(kept))
    low, middle, high = np.quantile(kept, [tail, 0.5, 1 - tail])
    if told > alpha:
        low, high = (middle + (end - middle) * needed / reach for end in (low, high))
    return float(low), float(high)


def wider(one: Ends, other: Ends | None) -> Ends:
    """The interval that holds both."""
    return one if other is None else (min(one[0], other[0]), max(one[1], other[1]))


@dataclass(frozen=True, slots=True)
class _Ratio:
    """The moments of unit sums from which the log of a ratio of sums and its standard error follow."""

    moments: Floats  # units × (below, above, below², below·above, above², weight, shift)

    def __call__(self, counts: Floats) -> tuple[Floats, Floats]:
        """Log of the ratio and its standard error, for each row of unit counts.

        A denominator that is a sum of squares about the sample's mean (`shift` is not 0) is taken about the resample's.
        """
        drawn = counts.sum(axis=1)
        below, above, below2, cross, above2, weight, shift = (counts @ self.moments).T
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing above or below: judged by the caller
            ratio = above / below
            spread = np.maximum(above2 - 2 * ratio * cross + ratio**2 * below2, 0.0)
            error = np.sqrt(spread * drawn / np.maximum(drawn - 1, 1)) / above
            return np.log(above / np.maximum(below - shift**2 / weight, 0.0)), error


def studentised_mean(name: str, sample: Sample, number: int, alpha: float, seed: int) -> Ends | None:
    """Ends of a mean of losses by the bootstrap-t on the log scale. None where there is nothing to go by."""
    weights = sample.row_weights
    loss = weights * losses(name, sample)
    unseen = UNSEEN if name == "rmse" else 0.0
    ends = _studentised(sample, loss, weights, np.zeros(len(sample)), number, alpha, seed, unseen=unseen)
    if ends is None or name != "rmse":
        return ends
    return float(np.sqrt(ends[0])), float(np.sqrt(ends[1]))


def studentised_r2(sample: Sample, number: int, alpha: float, seed: int) -> Ends | None:
    """Ends of R² by the bootstrap-t of log(1 − R²), which is a ratio of sums of squares."""
    weights = sample.row_weights
    shift = sample.truth - np.average(sample.truth, weights=weights)
    above = weights * (sample.truth - sample.prediction) ** 2
    ends = _studentised(sample, above, weights * shift**2, weights * shift, number, alpha, seed, unseen=UNSEEN)
    return ends and (1 - ends[1], 1 - ends[0])


def studentised_ratio(
    sample: Sample, above: Floats, below: Floats, number: int, alpha: float, seed: int
) -> Ends | None:
    """Ends of a ratio of two sums over rows, given as each row's part of both, weights included."""
    return _studentised(sample, above, below, np.zeros(len(sample)), number, alpha, seed)


def _studentised(
    sample: Sample,
    above: Floats,
    below: Floats,
    shift: Floats,
    number: int,
    alpha: float,
    seed: int,
    *,
    unseen: float = 0.0,
) -> Ends | None:
    """Ends of a ratio of sums over rows by the bootstrap-t (Efron and Tibshirani 1993, chapter 12) of its logarithm.

    The standard error is that of a ratio of unit sums, so that groups and blocks of any size are honoured; the tails
    are those of t with the units' degrees of freedom (Hesterberg 2015), for what few units do not show. The reach to
    larger ratios is lengthened by `unseen` times the relative standard error of the sum above, for the largest squares,
    which few rows do not show either. None without anything above or below, without spread, or with a single unit.

    Where a few rows make up most of the sum above, resamples without them have hardly any standard error, and their
    pivots put the upper end at any height. So it reaches at most 1.5 times as far as that of a variance with as many
    degrees of freedom as have this standard error (Satterthwaite 1946, Biometrics Bulletin 2:110–114), or with 4;
    of few units further, as t reaches further than a normal distribution.
    """
    units = sample.units
    above_, below_, weight_, shift_ = units.sums(np.column_stack([above, below, sample.row_weights, shift])).T
    columns = [below_, above_, below_**2, below_ * above_, above_**2, weight_, shift_]
    ratio_of = _Ratio(np.column_stack(columns))
    whole = np.full((1, units.count), units.draws / units.count)
    centre, error = (float(part[0]) for part in ratio_of(whole))
    if units.draws < 2 or not np.isfinite(centre) or not error >= 1e-7:  # equal but for rounding
        return None
    pivots = []
    for counts in units.resamples(np.random.default_rng(seed), number):
        log_ratio, spread = ratio_of(counts)
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample of one unit repeated is as far out as can be
            pivots.append((log_ratio - centre) / spread)
    pivot = np.concatenate(pivots)
    pivot = np.where(np.isnan(pivot), -np.inf, pivot)
    tail = float(stats.norm.sf(stats.t.ppf(1 - alpha / 2, units.draws - 1)))
    low, high = (far_quantile(pivot, share, "higher") for share in (1 - tail, tail))
    longer = 1 + unseen * float(above_.std() / above_.mean()) / math.sqrt(units.draws)
    freedom = max(2 / error**2, FEWEST_FREE)
    of_few = float(stats.norm.ppf(tail) / stats.norm.ppf(alpha / 2))  # by which t reaches further
    furthest = FURTHEST * of_few * math.log(freedom / float(stats.chi2.ppf(alpha / 2, freedom)))
    return float(np.exp(centre - low * error)), float(np.exp(centre + min(-high * error * longer, furthest)))

"""Intervals of how well rows are ranked, from what each row adds to the metric: the ROC area, average precision."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from workers.evaluation import exact
from workers.evaluation.sample import Sample

Floats = NDArray[np.float64]
Ends = tuple[float, float]

PRIOR = 15  # rows of the rarest class that the variance by model counts as, beside that of the rows


def area_ends(sample: Sample, area: float, units: float, alpha: float) -> Ends:
    """Newcombe's score interval of the ROC area, with the spread that the rows show.

    Its variance by Hanley and McNeil is multiplied by how much more, or less, the area varies by DeLong's placements
    (1988; summed over groups or blocks as Obuchowski 1997, Biometrics 53:567–578, does), as far as the rows of the
    rarest class can tell: a perfect order shows no spread at all. `units` counts these rows (groups, blocks).
    """
    mine = sample.truth == sample.positive
    positives, negatives = float(mine.sum()), float((~mine).sum())
    alone = exact.area_variance(area, positives, negatives)
    ratio = _told(sample, area_influence(sample, area), alone, units, min(positives, negatives))
    return exact.newcombe_auc(area, positives, negatives, alpha, longer=math.sqrt(ratio) * _by_t(units, alpha))


def precision_ends(sample: Sample, value: float, units: float, alpha: float) -> Ends:
    """The interval of average precision: that of a proportion of as many rows as would let it vary as much.

    Boyd, Eng and Page (2013) take the number of positive rows.
    """
    positives = float((sample.truth == sample.positive).sum())
    alone = value * (1 - value) / positives
    ratio = _told(sample, precision_influence(sample, value), alone, units, positives)
    rows = positives / (ratio * _by_t(units, alpha) ** 2)
    return exact.mid_p(value * rows, rows, alpha)


def area_influence(sample: Sample, area: float) -> Floats:
    """What a little more weight on each row would add to the ROC area (rows,)."""
    mine, order = sample.truth == sample.positive, np.asarray(sample.order)
    weights = sample.row_weights
    found = np.empty(len(sample))
    for group, sign in ((mine, 1.0), (~mine, -1.0)):
        theirs, mass = order[~group], weights[~group]
        by_order = np.argsort(theirs, kind="stable")
        reached, ranked = np.concatenate([[0.0], np.cumsum(mass[by_order])]), theirs[by_order]
        below = reached[np.searchsorted(ranked, order[group], side="left")]
        upto = reached[np.searchsorted(ranked, order[group], side="right")]
        place = (below + upto) / (2 * reached[-1])
        count = float(group.sum())
        small = math.sqrt(count / max(count - 1, 1.0))
        found[group] = ((place if sign > 0 else 1 - place) - area) * weights[group] / weights[group].sum() * small
    return found


def precision_influence(sample: Sample, value: float) -> Floats:
    """What a little more weight on each row would add to average precision (rows,)."""
    order, weights = np.asarray(sample.order), sample.row_weights
    ranked = np.argsort(-order, kind="stable")
    hit, mass = (sample.truth == sample.positive)[ranked].astype(float), weights[ranked]
    # Rows of one score are ranked together: counts are those at the last of them.
    last = np.searchsorted(-order[ranked], -order[ranked], side="right") - 1
    first = np.searchsorted(-order[ranked], -order[ranked], side="left")
    hits, reached = np.cumsum(hit * mass)[last], np.cumsum(mass)[last]
    total = float((hit * mass).sum())

    def after(values: Floats) -> Floats:
        """The sum over the rows of equal or lower score."""
        return np.asarray(np.cumsum(values[::-1])[::-1][first])

    own = hit * (hits / reached - value)
    moved = hit * after(hit * mass / reached) - after(hit * mass * hits / reached**2)
    found = np.empty(len(sample))
    found[ranked] = mass * (own + moved) / total
    return found


def _told(sample: Sample, influence: Floats, alone: float, units: float, rows: float) -> float:
    """The variance by the rows over that by model (`alone`), drawn to what the number of units says of it."""
    prior = rows / units if units < rows else 1.0
    if alone <= 1e-12:
        return prior
    sums, draws = sample.units.sums(influence[:, None])[:, 0], sample.units.draws
    seen = draws * float(np.mean(sums**2)) / alone
    if sample.units.kind != "rows":
        seen *= draws / max(draws - 1, 1)
        prior = max(1.0, min(prior, seen))
    return (units * seen + PRIOR * prior) / (units + PRIOR)


def _by_t(units: float, alpha: float) -> float:
    """How much further few units reach: the quantile of t over that of the normal distribution."""
    return float(stats.t.ppf(1 - alpha / 2, max(units - 1, 1.0)) / stats.norm.ppf(1 - alpha / 2))

"""Intervals of how well rows are ranked: safe ones, and those that come nearest by what each row adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.evaluation import exact
from workers.evaluation.bootstrap import Ends, Found, expanded_percentile, wider
from workers.evaluation.effective import rarest, t_ratio, units_among, units_holding
from workers.evaluation.influence import area_ends, precision_ends

if TYPE_CHECKING:
    from workers.evaluation.intervals import Judge

Floats = NDArray[np.float64]

FROM_ROWS = frozenset({"roc_auc", "average_precision"})  # whose interval may rest on what each row adds to them
RARE = 10  # rows of the rarest class, below which a ROC area's interval takes the worst case
FEW = f"fewer than {RARE} independent rows of a class: the interval takes the worst case"


class _Area(NamedTuple):
    """The guard of one class's ROC area, and whether it is that of few rows."""

    ends: Ends
    few: bool


def ranking(judge: Judge, name: str, value: float) -> Found:
    """Percentiles joined to an interval that holds for few rows and for a perfect order."""
    ends = expanded_percentile(judge.draws[name], rarest(judge.sample), judge.alpha)
    draws = judge.draws[name]
    if name == "average_precision":
        # Boyd, Eng and Page (2013): binomial with the number of positive rows.
        mine = judge.sample.truth == judge.sample.positive
        positive = _count(judge, mine, draws, value * (1 - value) / max(float(mine.sum()), 1.0))
        guard = exact.clopper_pearson(value * positive, positive, judge.alpha)
        return wider(guard, ends), "bootstrap and binomial", None
    codes = [judge.sample.positive] if name == "roc_auc" else range(len(judge.sample.classes))
    areas = [_area(judge, code, value, draws) for code in codes]
    guard = float(np.mean([one.ends[0] for one in areas])), float(np.mean([one.ends[1] for one in areas]))
    few = any(one.few for one in areas)
    method = "bootstrap and " + ("clopper-pearson on pairs" if few else "newcombe")
    return wider(guard, ends), method, FEW if few else None


def ranking_from_rows(judge: Judge, name: str, value: float) -> Found:
    """By what each row adds to the metric; of few independent rows as a proportion of pairs."""
    if name not in FROM_ROWS:
        return ranking(judge, name, value)
    mine = judge.sample.truth == judge.sample.positive
    if name == "average_precision":
        positives = units_holding(judge.sample, mine)
        return precision_ends(judge.sample, value, positives, judge.alpha), "mid-p on effective counts", None
    units = min(units_among(judge.sample, side) for side in (mine, ~mine))
    if units < RARE and judge.sample.units.kind == "rows":
        return exact.mid_p(value * units, units, judge.alpha), "mid-p on pairs", FEW
    return area_ends(judge.sample, value, units, judge.alpha), "newcombe and placements", None


def _area(judge: Judge, code: int, value: float, draws: Floats) -> _Area:
    mine = judge.sample.truth == code
    alone = exact.area_variance(value, float(mine.sum()), float((~mine).sum()))
    counts = _count(judge, mine, draws, alone), _count(judge, ~mine, draws, alone)
    if min(counts) < RARE:
        return _Area(exact.paired_area(value, min(counts), judge.alpha), few=True)
    return _Area(exact.newcombe_auc(value, *counts, judge.alpha), few=False)


def _count(judge: Judge, among: NDArray[np.bool_], draws: Floats, alone: float) -> float:
    """As many independent rows as some rows amount to: at least their groups, at most themselves.

    In between the bootstrap tells, by how much more the metric varies than it would with independent rows
    (`alone`); without any spread to go by, a group counts as one row.
    """
    rows, units = float(among.sum()), units_holding(judge.sample, among)
    spread = float(np.nanvar(draws))
    if judge.sample.units.kind == "rows" or spread <= 0 or alone <= 0 or units < 2:
        return units
    return min(max(rows * alone / spread * t_ratio(rows, units, judge.alpha), units), rows)

"""A metric's interval by the method that fits metric and rows: docs/decisions/0004-intervals.md says which and why."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from orchestrator.contracts.documents.evaluation import Interval
from orchestrator.contracts.metrics import COST, METRICS, metric_of
from workers.evaluation import exact
from workers.evaluation.bootstrap import (
    Ends,
    expanded_percentile,
    far_quantile,
    resampled,
    studentised_mean,
    studentised_r2,
)
from workers.evaluation.influence import area_ends, precision_ends
from workers.evaluation.label_intervals import mean_over_labels, ratio_ends
from workers.evaluation.label_sets import ALONE, RATIOS
from workers.evaluation.points import point
from workers.evaluation.rare import dominated, few_large, with_few_beyond, with_rare_errors
from workers.evaluation.sample import Kind, Sample
from workers.evaluation.statistics import LABELS, MEANS, confusions, label_metric, statistic, told_and_true

Floats = NDArray[np.float64]

PROPORTIONS = frozenset({"accuracy", "subset_accuracy", "recall", "specificity", "precision", "f1", "coverage"})
FROM_ROWS = frozenset({"roc_auc", "average_precision"})  # whose interval may rest on what each row adds to them
FEWEST_BEYOND = 3  # independent rows beyond a quantile, below which its D² has no interval
RARE = 10  # rows of the rarest class, below which a ROC area's interval takes the worst case
FEW = f"fewer than {RARE} independent rows of a class: the interval takes the worst case"


def intervals(sample: Sample, *, confidence: float, resamples: int, seed: int) -> dict[str, Interval]:
    """Every metric of the sample's task with its interval."""
    return Judge(sample, names_of(sample), confidence, resamples, seed).all()


def names_for(kind: Kind | Literal["quantile"]) -> tuple[str, ...]:
    """The metrics that fit the kind of target."""
    return tuple(metric.name for metric in METRICS.values() if kind in metric.tasks)


def names_of(sample: Sample) -> tuple[str, ...]:
    """The metrics of a sample: those of its kind, and the cost where the workflow says what a row costs."""
    if sample.quantile is not None:
        return names_for("quantile")
    return names_for(sample.kind) + ((COST.name,) if sample.costs is not None else ())


def needed_for(sample: Sample, names: Iterable[str]) -> tuple[str, ...]:
    """The metrics that must be looked at to judge some: of classes, the accuracy too."""
    also = ("accuracy",) if sample.kind in ("binary", "multiclass") else ()
    return tuple(dict.fromkeys((*names, *also)))


def twofold(sample: Sample, name: str) -> bool:
    """Whether the metric's safe interval is another one than what is told; of several labels both are the same."""
    return sample.kind != "multilabel" and name in LABELS | FROM_ROWS | {"coverage"}


@dataclass(frozen=True)
class Judge:
    """Metrics of one sample at one confidence; the resamples are drawn once for all of them.

    Intervals hold the truth as nearly as can be as often as `confidence` says, counts on average over the true share.
    With `safe`, which gates ask for, those of counts and rankings err on the safe side: exact for independent counts.
    """

    sample: Sample
    names: tuple[str, ...]
    confidence: float
    resamples: int
    seed: int
    safe: bool = False

    def all(self) -> dict[str, Interval]:
        """The interval of each name."""
        return {name: self.interval(name) for name in self.names}

    def interval(self, name: str) -> Interval:
        """Value and ends; all None, with the reason, where the metric is undefined on these rows."""
        value, why = self.points[name]
        if value is None:
            return Interval(value=None, low=None, high=None, confidence=self.confidence, method="none", note=why)
        several = self.sample.kind == "multilabel"
        ends, method, note = self._of_labels(name, value) if several else self._ends(name, value, safe=self.safe)
        if self.safe and twofold(self.sample, name):  # no gate is kept by an end that is told to be further out
            told = self._ends(name, value, safe=False)[0]
            ends = told if ends is None else wider(ends, told)
        low, high = ends or (None, None)
        return Interval(
            value=value,
            low=None if low is None or not math.isfinite(low) else min(low, value),
            high=None if high is None or not math.isfinite(high) else max(high, value),
            confidence=self.confidence,
            method=method,
            note=note or (None if ends else "too few independent rows, or too little spread, for an interval"),
        )

    @property
    def alpha(self) -> float:
        """The share left outside, both sides together."""
        return 1 - self.confidence

    @cached_property
    def points(self) -> dict[str, tuple[float | None, str | None]]:
        """Values on the rows as they are, or why there is none."""
        return {name: point(name, self.sample) for name in self.names}

    @cached_property
    def draws(self) -> dict[str, Floats]:
        """Resampled values of the metrics that have no exact interval on these rows."""
        exactly = LABELS | {"coverage", "median_absolute_error"} if self.sample.independent else frozenset[str]()
        from_rows = frozenset[str]() if self.safe else FROM_ROWS
        others = exactly | from_rows | (MEANS - {"pinball"}) | {"r2"}
        if self.sample.kind == "multilabel":
            others = RATIOS - ({"subset_accuracy"} if not self.sample.independent else set())
        wanted = [name for name in self.names if self.points[name][0] is not None and name not in others]
        return resampled(
            self.sample, {name: statistic(name, self.sample) for name in wanted}, self.resamples, self.seed
        )

    def _ends(self, name: str, value: float, *, safe: bool) -> tuple[Ends | None, str, str | None]:
        if name in PROPORTIONS:
            return self._proportion(name, value, safe=safe)
        if name in LABELS:
            return self._melded(name, safe=safe)
        if name in MEANS:
            return self._mean(name, value)
        if name == "median_absolute_error" and self.sample.independent:
            return self._median()
        if name in ("roc_auc", "roc_auc_ovr", "average_precision"):
            return (self._ranking if safe else self._ranking_from_rows)(name, value)
        return self._drawn(name, value)

    def _drawn(self, name: str, value: float) -> tuple[Ends | None, str, str | None]:
        if name == "ece":
            return self._calibration(value)
        if name == "r2":
            found = studentised_r2(self.sample, self.resamples, self.alpha, self.seed)
            return found, "bootstrap-t", None
        if name == "d2_pinball":
            return self._spared(value)
        return expanded_percentile(self.draws[name], self.sample.units.draws, self.alpha), "bootstrap", None

    def _spared(self, value: float) -> tuple[Ends | None, str, str | None]:
        """Percentiles with t for the rows beyond the quantile, joined to the same ones without their bias.

        The best constant is found on the rows that it is judged on, so D² is too small, and once more in resamples:
        by as much as their median lies below the value (Efron and Tibshirani 1993, chapter 10), twice.
        """
        units, draws = rarest(self.sample), self.draws["d2_pinball"]
        if units < FEWEST_BEYOND:
            return None, "bootstrap", f"fewer than {FEWEST_BEYOND} independent rows should lie beyond the quantile"
        ends = expanded_percentile(draws, units, self.alpha)
        if ends is None:
            return None, "bootstrap", None
        bias = 2 * (float(np.nanmedian(draws)) - value)
        return wider(ends, (ends[0] - bias, min(ends[1] - bias, 1.0))), "bootstrap", None

    def _of_labels(self, name: str, value: float) -> tuple[Ends | None, str, str | None]:
        """Ratios of sums over rows by the bootstrap-t; means over labels by percentiles, joined to ends of labels."""
        if name in PROPORTIONS:
            return self._proportion(name, value, safe=True)
        if name in RATIOS:
            return ratio_ends(self, name)
        draws = self.draws[name]
        if name in ALONE:
            guard = mean_over_labels(self, name, value)
            ends = expanded_percentile(draws, rarest(self.sample), self.alpha)
            return guard and wider(guard, ends), "bootstrap and square-and-add", None
        # Boyd, Eng and Page (2013), with the rows that have a label for the positive ones.
        labelled = units_holding(self.sample, np.asarray(self.sample.truth.any(axis=1)))
        guard = exact.clopper_pearson(value * labelled, labelled, self.alpha)
        ends = expanded_percentile(draws, self.sample.units.draws, self.alpha)
        return wider(guard, ends), "bootstrap and binomial", None

    def _calibration(self, value: float) -> tuple[Ends | None, str, str | None]:
        """The upper end is the bootstrap's, which adds to what chance adds already, or that of rates not seen yet.

        The lower end takes away what chance may have added, which by the triangle inequality is at most its own error.
        """
        ends = expanded_percentile(self.draws["ece"], rarest(self.sample), self.alpha)
        if ends is None:
            return None, "bootstrap", None
        probability, event = told_and_true(self.sample)
        share = units_holding(self.sample, np.ones(len(self.sample), dtype=bool)) / len(self.sample)
        rng = np.random.default_rng(self.seed)
        gaps, chance = exact.binned_gaps(
            probability, event, self.sample.row_weights, share, rng, max(self.resamples, 1000)
        )
        high = max(ends[1], far_quantile(gaps, 1 - self.alpha / 2))
        low = max(0.0, value - far_quantile(chance, 1 - self.alpha / 2))
        return (low, high), "bootstrap and Jeffreys", None

    def _mean(self, name: str, value: float) -> tuple[Ends | None, str, str | None]:
        if name != "pinball" and value > 0 and dominated(name, self.sample):
            drawn = resampled(self.sample, {name: statistic(name, self.sample)}, self.resamples, self.seed)[name]
            low, high = expanded_percentile(drawn, self.sample.units.draws, self.alpha) or (0.0, value)
            high = max(high, few_large(name, self.sample, self.alpha))
            found = with_rare_errors(name, self.sample, value, (low, high), self.alpha)
            return found[0], "bootstrap and rare errors", found[2] or "a single row makes up over a quarter of it"
        ends = studentised_mean(name, self.sample, self.resamples, self.alpha, self.seed)
        if name == "pinball":
            return self._pinball(value, ends)
        return with_rare_errors(name, self.sample, value, ends, self.alpha)

    def _pinball(self, value: float, ends: Ends | None) -> tuple[Ends | None, str, str | None]:
        """The bootstrap-t's ends joined to percentiles with t for the rows beyond the quantile, and to a guard."""
        drawn = expanded_percentile(self.draws["pinball"], rarest(self.sample), self.alpha)
        ends = ends if drawn is None else wider(drawn, ends)
        found, _, note = with_rare_errors("pinball", self.sample, value, ends, self.alpha)
        return with_few_beyond(self.sample, value, found, self.alpha), "bootstrap and bootstrap-t", note

    def _median(self) -> tuple[Ends | None, str, str | None]:
        errors = np.sort(np.abs(self.sample.truth - self.sample.prediction))
        ranks = exact.median_ranks(len(errors), self.alpha)
        return ranks and (float(errors[ranks[0]]), float(errors[ranks[1]])), "order statistics", None

    def _proportion(self, name: str, value: float, *, safe: bool) -> tuple[Ends | None, str, str | None]:
        """Mid-p, or Clopper–Pearson where it has to be safe.

        Of rows that hang together or have weights on Korn and Graubard's effective counts (1998).
        """
        among = _denominator(name, self.sample)
        share = value / (2 - value) if name == "f1" else value
        rows, method = float(among.sum()), "clopper-pearson" if safe else "mid-p"
        if not self.sample.independent:
            draws = self.draws[name]
            shares = draws / (2 - draws) if name == "f1" else draws
            rows = effective(self.sample, shares, share, among, self.alpha)
            method = "korn-graubard" if safe else "mid-p on effective counts"
        ends = (exact.clopper_pearson if safe else exact.mid_p)(share * rows, rows, self.alpha)
        ends = (exact.f1_of_share(ends[0]), exact.f1_of_share(ends[1])) if name == "f1" else ends
        return ends, method, None

    def _melded(self, name: str, *, safe: bool) -> tuple[Ends | None, str, str | None]:
        """Melded intervals of the confusion matrix, by mid-p; or exact, joined to the bootstrap's of dependent rows."""
        matrix = confusions(self.sample)(self.sample.row_weights[None, :])[0]
        if not self.sample.independent:
            everywhere = np.ones(len(self.sample), dtype=bool)
            right = self.points["accuracy"][0] or 0.0
            rows = effective(self.sample, self.draws["accuracy"], right, everywhere, self.alpha)
            matrix = matrix * rows / matrix.sum()
        rng, metric = np.random.default_rng(self.seed), label_metric(name, self.sample)
        number, tails = 4 * self.resamples, (self.alpha / 2, 1 - self.alpha / 2)
        if safe:
            better = metric_of(name).greater_is_better  # the low end is that of many errors, or of few
            sides = (exact.fiducial_confusions(matrix, rng, number, low=low) for low in (better, not better))
            low, high = (far_quantile(metric(drawn), tail) for drawn, tail in zip(sides, tails, strict=True))
        else:
            values = metric(exact.mid_confusions(matrix, rng, number))
            low, high = (far_quantile(values, tail) for tail in tails)
        if not safe:
            method = "melded mid-p" if self.sample.independent else "melded mid-p on effective counts"
            return (low, high), method, None
        if self.sample.independent:
            return (low, high), "melded clopper-pearson", None
        ends = expanded_percentile(self.draws[name], rarest(self.sample), self.alpha)
        return wider((low, high), ends), "bootstrap and melded clopper-pearson", None

    def _ranking(self, name: str, value: float) -> tuple[Ends | None, str, str | None]:
        """Percentiles joined to an interval that holds for few rows and for a perfect order."""
        ends = expanded_percentile(self.draws[name], rarest(self.sample), self.alpha)
        draws = self.draws[name]
        if name == "average_precision":
            # Boyd, Eng and Page (2013): binomial with the number of positive rows.
            mine = self.sample.truth == self.sample.positive
            positive = self._count(mine, draws, value * (1 - value) / max(float(mine.sum()), 1.0))
            guard = exact.clopper_pearson(value * positive, positive, self.alpha)
            return wider(guard, ends), "bootstrap and binomial", None
        codes = [self.sample.positive] if name == "roc_auc" else range(len(self.sample.classes))
        areas = [self._area(code, value, draws) for code in codes]
        guard = float(np.mean([one.ends[0] for one in areas])), float(np.mean([one.ends[1] for one in areas]))
        few = any(one.few for one in areas)
        method = "bootstrap and " + ("clopper-pearson on pairs" if few else "newcombe")
        return wider(guard, ends), method, FEW if few else None

    def _ranking_from_rows(self, name: str, value: float) -> tuple[Ends | None, str, str | None]:
        """By what each row adds to the metric; of few independent rows as a proportion of pairs."""
        if name not in FROM_ROWS:
            return self._ranking(name, value)
        mine = self.sample.truth == self.sample.positive
        if name == "average_precision":
            positives = units_holding(self.sample, mine)
            return precision_ends(self.sample, value, positives, self.alpha), "mid-p on effective counts", None
        units = min(units_holding(self.sample, side) for side in (mine, ~mine))
        if units < RARE and self.sample.units.kind == "rows":
            return exact.mid_p(value * units, units, self.alpha), "mid-p on pairs", FEW
        return area_ends(self.sample, value, units, self.alpha), "newcombe and placements", None

    def _area(self, code: int, value: float, draws: Floats) -> _Area:
        mine = self.sample.truth == code
        alone = exact.area_variance(value, float(mine.sum()), float((~mine).sum()))
        counts = self._count(mine, draws, alone), self._count(~mine, draws, alone)
        if min(counts) < RARE:
            return _Area(exact.paired_area(value, min(counts), self.alpha), few=True)
        return _Area(exact.newcombe_auc(value, *counts, self.alpha), few=False)

    def _count(self, among: NDArray[np.bool_], draws: Floats, alone: float) -> float:
        """As many independent rows as some rows amount to: at least their groups, at most themselves.

        In between the bootstrap tells, by how much more the metric varies than it would with independent rows
        (`alone`); without any spread to go by, a group counts as one row.
        """
        rows, units = float(among.sum()), units_holding(self.sample, among)
        spread = float(np.nanvar(draws))
        if self.sample.units.kind == "rows" or spread <= 0 or alone <= 0 or units < 2:
            return units
        return min(max(rows * alone / spread * _t_ratio(rows, units, self.alpha), units), rows)


class _Area(NamedTuple):
    """The guard of one class's ROC area, and whether it is that of few rows."""

    ends: Ends
    few: bool


def effective(sample: Sample, draws: Floats, share: float, among: NDArray[np.bool_], alpha: float) -> float:
    """As many independent rows as would make a share of some rows vary as much, with t for the number of units."""
    rows, units = float(among.sum()), units_holding(sample, among)
    spread = float(np.nanvar(draws)) * units / max(units - 1, 1)  # a resample of few units varies too little
    found = share * (1 - share) / spread if spread > 0 and 0 < share < 1 else units
    found = min(max(found, min(units, rows)), rows)
    return min(found, units) if units < 2 or rows < 2 else found * _t_ratio(rows, units, alpha)


def _t_ratio(rows: float, units: float, alpha: float) -> float:
    """What few units take from an effective count: their t quantile is larger than that of the rows."""
    if rows < 2 or units < 2:
        return 1.0
    of_rows, of_units = (float(stats.t.ppf(1 - alpha / 2, count - 1)) for count in (rows, units))
    return min(1.0, (of_rows / of_units) ** 2)


def wider(one: Ends, other: Ends | None) -> Ends:
    """The interval that holds both."""
    return one if other is None else (min(one[0], other[0]), max(one[1], other[1]))


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


def _denominator(name: str, sample: Sample) -> NDArray[np.bool_]:
    truth: NDArray[np.bool_] = sample.truth == sample.positive
    predicted: NDArray[np.bool_] = sample.prediction == sample.positive
    every = np.ones(len(sample), dtype=bool)
    return {"recall": truth, "specificity": ~truth, "precision": predicted, "f1": truth | predicted}.get(name, every)

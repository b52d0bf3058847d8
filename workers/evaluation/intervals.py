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

from orchestrator.contracts.documents import Interval
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
from workers.evaluation.label_intervals import mean_over_labels, ratio_ends
from workers.evaluation.label_sets import ALONE, RATIOS
from workers.evaluation.points import point
from workers.evaluation.rare import dominated, few_large, with_few_beyond, with_rare_errors
from workers.evaluation.sample import Kind, Sample
from workers.evaluation.statistics import LABELS, MEANS, confusions, label_metric, statistic, told_and_true

Floats = NDArray[np.float64]

PROPORTIONS = frozenset({"accuracy", "subset_accuracy", "recall", "specificity", "precision", "f1", "coverage"})
FEWEST_BEYOND = 3  # independent rows beyond a quantile, below which its D² has no interval
RARE = 10  # rows of the rarest class, below which a ROC area's interval takes the worst case


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


@dataclass(frozen=True)
class Judge:
    """Metrics of one sample at one confidence; the resamples are drawn once for all of them."""

    sample: Sample
    names: tuple[str, ...]
    confidence: float
    resamples: int
    seed: int

    def all(self) -> dict[str, Interval]:
        """The interval of each name."""
        return {name: self.interval(name) for name in self.names}

    def interval(self, name: str) -> Interval:
        """Value and ends; all None, with the reason, where the metric is undefined on these rows."""
        value, why = self.points[name]
        if value is None:
            return Interval(value=None, low=None, high=None, confidence=self.confidence, method="none", note=why)
        find = self._of_labels if self.sample.kind == "multilabel" else self._ends
        ends, method, note = find(name, value)
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
        others = exactly | (MEANS - {"pinball"}) | {"r2"}
        if self.sample.kind == "multilabel":
            others = RATIOS - ({"subset_accuracy"} if not self.sample.independent else set())
        wanted = [name for name in self.names if self.points[name][0] is not None and name not in others]
        return resampled(
            self.sample, {name: statistic(name, self.sample) for name in wanted}, self.resamples, self.seed
        )

    def _ends(self, name: str, value: float) -> tuple[Ends | None, str, str | None]:
        if name in PROPORTIONS:
            return self._proportion(name, value)
        if name in LABELS:
            return self._melded(name)
        if name in MEANS:
            return self._mean(name, value)
        if name == "median_absolute_error" and self.sample.independent:
            return self._median()
        if name in ("roc_auc", "roc_auc_ovr", "average_precision"):
            return self._ranking(name, value)
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
            return self._proportion(name, value)
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

    def _proportion(self, name: str, value: float) -> tuple[Ends | None, str, str | None]:
        """Clopper–Pearson; with rows that hang together or weights, on Korn and Graubard's effective counts (1998)."""
        among = _denominator(name, self.sample)
        share = value / (2 - value) if name == "f1" else value
        rows, method = float(among.sum()), "clopper-pearson"
        if not self.sample.independent:
            draws = self.draws[name]
            shares = draws / (2 - draws) if name == "f1" else draws
            rows, method = effective(self.sample, shares, share, among, self.alpha), "korn-graubard"
        ends = exact.clopper_pearson(share * rows, rows, self.alpha)
        return ((exact.f1_of_share(ends[0]), exact.f1_of_share(ends[1])) if name == "f1" else ends), method, None

    def _melded(self, name: str) -> tuple[Ends | None, str, str | None]:
        """Melded exact intervals of the confusion matrix; joined to the bootstrap's where rows hang together."""
        matrix = confusions(self.sample)(self.sample.row_weights[None, :])[0]
        if not self.sample.independent:
            everywhere = np.ones(len(self.sample), dtype=bool)
            right = self.points["accuracy"][0] or 0.0
            rows = effective(self.sample, self.draws["accuracy"], right, everywhere, self.alpha)
            matrix = matrix * rows / matrix.sum()
        rng, metric = np.random.default_rng(self.seed), label_metric(name, self.sample)
        better = metric_of(name).greater_is_better  # the low end is that of many errors, or of few
        low, high = (
            far_quantile(metric(exact.fiducial_confusions(matrix, rng, 4 * self.resamples, low=side)), tail)
            for side, tail in ((better, self.alpha / 2), (not better, 1 - self.alpha / 2))
        )
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
        note = f"fewer than {RARE} independent rows of a class: the interval takes the worst case" if few else None
        return wider(guard, ends), "bootstrap and " + ("clopper-pearson on pairs" if few else "newcombe"), note

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
    spread = float(np.nanvar(draws))
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

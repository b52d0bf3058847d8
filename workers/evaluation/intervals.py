"""A metric's interval by the method that fits metric and rows: docs/decisions/0004-intervals.md says which and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from orchestrator.contracts.documents.evaluation import Interval
from orchestrator.contracts.metrics import COST, METRICS
from workers.evaluation.bootstrap import Found, expanded_percentile, resampled, wider
from workers.evaluation.calibration_intervals import calibration
from workers.evaluation.count_intervals import PROPORTIONS, melded, proportion
from workers.evaluation.label_intervals import of_labels
from workers.evaluation.label_sets import RATIOS
from workers.evaluation.parallel import each, processes_for
from workers.evaluation.points import point
from workers.evaluation.ranking_intervals import FROM_ROWS, ranking, ranking_from_rows
from workers.evaluation.sample import Kind, Sample
from workers.evaluation.statistics import LABELS, MEANS, statistic
from workers.evaluation.value_intervals import explained, mean, median, spared

Floats = NDArray[np.float64]


def intervals(sample: Sample, *, confidence: float, resamples: int, seed: int) -> dict[str, Interval]:
    """Every metric of the sample's task with its interval."""

    def judged(names: tuple[str, ...]) -> dict[str, Interval]:
        judge = Judge(sample, needed_for(sample, names), confidence, resamples, seed)
        return {name: judge.interval(name) for name in names}

    names = names_of(sample)
    processes = processes_for(len(sample) * resamples)
    shares = [names[start::processes] for start in range(min(processes, len(names)))]
    found = dict(one for share in each(judged, shares, dict[str, Interval], processes) for one in share.items())
    return {name: found[name] for name in names}


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
        ends, method, note = of_labels(self, name, value) if several else self._ends(name, value, safe=self.safe)
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

    def _ends(self, name: str, value: float, *, safe: bool) -> Found:
        if name in PROPORTIONS:
            return proportion(self, name, value, safe=safe)
        if name in LABELS:
            return melded(self, name, safe=safe)
        if name in MEANS:
            return mean(self, name, value)
        if name in ("roc_auc", "roc_auc_ovr", "average_precision"):
            return (ranking if safe else ranking_from_rows)(self, name, value)
        return self._of_values(name, value)

    def _of_values(self, name: str, value: float) -> Found:
        if name == "median_absolute_error" and self.sample.independent:
            return median(self)
        if name in BY_ITSELF:
            return BY_ITSELF[name](self, value)
        return expanded_percentile(self.draws[name], self.sample.units.draws, self.alpha), "bootstrap", None


BY_ITSELF: dict[str, Callable[[Judge, float], Found]] = {"ece": calibration, "r2": explained, "d2_pinball": spared}

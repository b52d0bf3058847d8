"""Intervals of metrics of several labels, and what is told of each label by itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.contracts.documents.evaluation import LabelEvidence
from workers.evaluation import exact
from workers.evaluation.bootstrap import Ends, Found, expanded_percentile, resampled, studentised_ratio, wider
from workers.evaluation.count_intervals import PROPORTIONS, proportion
from workers.evaluation.effective import rarest, units_holding
from workers.evaluation.label_sets import ALONE, RATIOS, label_set_statistic, loss_parts, of_label
from workers.evaluation.ranking import Floats
from workers.evaluation.rare import DOMINANT, SEEN
from workers.evaluation.sample import Sample

if TYPE_CHECKING:
    from workers.evaluation.intervals import Judge

OF_LABEL = ("precision", "recall", "f1", "roc_auc")


def of_labels(judge: Judge, name: str, value: float) -> Found:
    """Ratios of sums over rows by the bootstrap-t; means over labels by percentiles, joined to ends of labels."""
    if name in PROPORTIONS:
        return proportion(judge, name, value, safe=True)
    if name in RATIOS:
        return ratio_ends(judge, name)
    draws = judge.draws[name]
    if name in ALONE:
        guard = mean_over_labels(judge, name, value)
        ends = expanded_percentile(draws, rarest(judge.sample), judge.alpha)
        return guard and wider(guard, ends), "bootstrap and square-and-add", None
    # Boyd, Eng and Page (2013), with the rows that have a label for the positive ones.
    labelled = units_holding(judge.sample, np.asarray(judge.sample.truth.any(axis=1)))
    guard = exact.clopper_pearson(value * labelled, labelled, judge.alpha)
    ends = expanded_percentile(draws, judge.sample.units.draws, judge.alpha)
    return wider(guard, ends), "bootstrap and binomial", None


def mean_over_labels(judge: Judge, name: str, value: float) -> Ends | None:
    """The ends of a mean over labels from those of each label, by square-and-add (Zou and Donner 2008).

    Statistics in Medicine 27:1693–1702: as if labels were independent of one another; the bootstrap, to which the ends
    are joined, knows how they hang together. A label on which the metric is undefined may be anything.
    """
    sample, alone = judge.sample, ALONE[name]
    below, above = [], []
    for position in range(len(sample.classes)):
        found = replace(judge, sample=of_label(sample, position), names=(alone,), safe=True).interval(alone)
        if found.value is None:
            below.append(0.0)
            above.append(1.0)
        elif found.low is None or found.high is None:
            return None
        else:
            below.append(found.value - found.low)
            above.append(found.high - found.value)
    reach = [math.sqrt(sum(one**2 for one in side)) / len(sample.classes) for side in (below, above)]
    return max(0.0, value - reach[0]), min(1.0, value + reach[1])


def ratio_ends(judge: Judge, name: str) -> Found:
    """The ends of a ratio of sums over rows, whatever makes rows hang together: the bootstrap-t of its logarithm.

    Where only a few rows have anything wrong, or anything right, some resamples have none of it and no spread: there
    percentiles take its place, and the end beyond which such rows lie allows for the Clopper–Pearson share of them.
    """
    sample, alpha = judge.sample, judge.alpha
    above, below = loss_parts(name, sample)
    few_wrong, few_right = (_few(part * sample.row_weights, alpha) for part in (above, below - above))
    if not few_wrong and not few_right:
        weighted = above * sample.row_weights
        ends = studentised_ratio(sample, weighted, below * sample.row_weights, judge.resamples, alpha, judge.seed)
        return _as_metric(name, ends), "bootstrap-t", None
    drawn = resampled(sample, {name: label_set_statistic(name, sample)}, judge.resamples, judge.seed)[name]
    low, high = expanded_percentile(drawn if name == "hamming_loss" else 1 - drawn, sample.units.draws, alpha) or (0, 1)
    if few_wrong:
        high = max(high, _seldom(above, below, sample, alpha))
    if few_right:
        low = min(low, 1 - _seldom(below - above, below, sample, alpha))
    note = f"few rows are {'wrong' if few_wrong else 'right in anything'}: the interval allows for more of them"
    return _as_metric(name, (max(0.0, low), min(1.0, high))), "bootstrap and rare rows", note


def _few(part: Floats, alpha: float) -> bool:
    """Whether so few rows make it up that more than alpha / 4 of resamples have none of them, or one row dominates."""
    rows = int((part > 0).sum())
    return rows < max(SEEN, math.log(4 / alpha)) or bool(part.max() > DOMINANT * part.sum())


def _seldom(above: Floats, below: Floats, sample: Sample, alpha: float) -> float:
    """An upper end of a ratio that hangs on few rows: on each of the largest, and one more that is as large as can be.

    `below` bounds `above` row by row.
    """
    rows, each = sample.units.draws, float(np.average(below, weights=sample.row_weights))
    loss = np.sort(above)[::-1]
    bounds = []
    for count in range(min(SEEN, rows, len(loss))):
        share = exact.clopper_pearson(count, rows, alpha)[1]
        large = (loss[:count].sum() + float(below.max())) / (count + 1)
        bounds.append(large * share + float(loss[count:].mean()) * (1 - share))
    return min(1.0, max(bounds, default=each) / each)


def _as_metric(name: str, ends: Ends | None) -> Ends | None:
    """The loss's ends as those of the metric."""
    if ends is None or name == "hamming_loss":
        return ends
    return max(0.0, 1 - ends[1]), 1 - ends[0]


def label_evidence(judge: Judge) -> tuple[LabelEvidence, ...]:
    """Each label of a sample by itself; none of other samples. The intervals are of one label each."""
    sample = judge.sample
    if sample.kind != "multilabel":
        return ()
    found = []
    for position, label in enumerate(sample.classes):
        own = of_label(sample, position)
        names = OF_LABEL if own.probabilities is not None else OF_LABEL[:-1]
        found.append(
            LabelEvidence(
                label=str(label),
                rows=int(own.truth.sum()),
                prevalence=float(np.average(own.truth, weights=own.weights)),
                metrics=replace(judge, sample=own, names=names).all(),
            )
        )
    return tuple(found)

"""Intervals of metrics of several labels, and what is told of each label by itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.contracts.documents import LabelEvidence
from workers.evaluation.bootstrap import Ends, expanded_percentile, resampled, studentised_ratio
from workers.evaluation.exact import clopper_pearson
from workers.evaluation.label_sets import ALONE, label_set_statistic, loss_parts, of_label
from workers.evaluation.ranking import Floats
from workers.evaluation.rare import DOMINANT, SEEN
from workers.evaluation.sample import Sample

if TYPE_CHECKING:
    from workers.evaluation.intervals import Judge

OF_LABEL = ("precision", "recall", "f1", "roc_auc")


def mean_over_labels(judge: Judge, name: str, value: float) -> Ends | None:
    """The ends of a mean over labels from those of each label, by square-and-add (Zou and Donner 2008).

    Statistics in Medicine 27:1693–1702: as if labels were independent of one another; the bootstrap, to which the ends
    are joined, knows how they hang together. A label on which the metric is undefined may be anything.
    """
    sample, alone = judge.sample, ALONE[name]
    below, above = [], []
    for position in range(len(sample.classes)):
        found = replace(judge, sample=of_label(sample, position), names=(alone,)).interval(alone)
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


def ratio_ends(judge: Judge, name: str) -> tuple[Ends | None, str, str | None]:
    """The ends of a ratio of sums over rows, whatever makes rows hang together: the bootstrap-t of its logarithm.

    Where fewer than five rows have anything wrong, or one of them makes up over a quarter of it, percentiles take its
    place, and the upper end of the loss allows for more: for the Clopper–Pearson share of such rows, of which one more
    is wrong in all that it has.
    """
    sample, alpha = judge.sample, judge.alpha
    above, below = loss_parts(name, sample)
    weighted = above * sample.row_weights
    wrong = int((weighted > 0).sum())
    if wrong >= SEEN and weighted.max() <= DOMINANT * weighted.sum():
        ends = studentised_ratio(sample, weighted, below * sample.row_weights, judge.resamples, alpha, judge.seed)
        return _as_metric(name, ends), "bootstrap-t", None
    drawn = resampled(sample, {name: label_set_statistic(name, sample)}, judge.resamples, judge.seed)[name]
    losses = drawn if name == "hamming_loss" else 1 - drawn
    low, high = expanded_percentile(losses, sample.units.draws, alpha) or (0.0, 0.0)
    ends = max(0.0, low), max(high, _seldom(above, below, sample, alpha))
    seen = (
        f"only {wrong} wrong rows were seen"
        if wrong < SEEN
        else "a single row makes up over a quarter of what is wrong"
    )
    return _as_metric(name, ends), "bootstrap and rare errors", f"{seen}: the interval allows for more"


def _seldom(above: Floats, below: Floats, sample: Sample, alpha: float) -> float:
    """An upper end of the loss that hangs on few rows: on each of the largest, and one more that is as wrong as can be.

    `below` bounds `above` row by row, or is 1 as the mean's.
    """
    rows, each = sample.units.draws, float(np.average(below, weights=sample.row_weights))
    loss = np.sort(above)[::-1]
    bounds = []
    for count in range(min(SEEN, rows, len(loss))):
        share = clopper_pearson(count, rows, alpha)[1]
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

"""Intervals of metrics that count labels: proportions, and what is computed from a whole confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from orchestrator.contracts.metrics import metric_of
from workers.evaluation import exact
from workers.evaluation.bootstrap import Found, expanded_percentile, far_quantile, wider
from workers.evaluation.effective import effective, rarest
from workers.evaluation.sample import Sample
from workers.evaluation.statistics import confusions, label_metric

if TYPE_CHECKING:
    from workers.evaluation.intervals import Judge

PROPORTIONS = frozenset({"accuracy", "subset_accuracy", "recall", "specificity", "precision", "f1", "coverage"})


def proportion(judge: Judge, name: str, value: float, *, safe: bool) -> Found:
    """Mid-p, or Clopper–Pearson where it has to be safe.

    Of rows that hang together or have weights on Korn and Graubard's effective counts (1998).
    """
    among = _denominator(name, judge.sample)
    share = value / (2 - value) if name == "f1" else value
    rows, method = float(among.sum()), "clopper-pearson" if safe else "mid-p"
    if not judge.sample.independent:
        draws = judge.draws[name]
        shares = draws / (2 - draws) if name == "f1" else draws
        rows = effective(judge.sample, shares, _hits(name, judge.sample), among, judge.alpha, safe=safe)
        method = "korn-graubard" if safe else "mid-p on effective counts"
    ends = (exact.clopper_pearson if safe else exact.mid_p)(share * rows, rows, judge.alpha)
    ends = (exact.f1_of_share(ends[0]), exact.f1_of_share(ends[1])) if name == "f1" else ends
    return ends, method, None


def melded(judge: Judge, name: str, *, safe: bool) -> Found:
    """Melded intervals of the confusion matrix, by mid-p; or exact, joined to the bootstrap's of dependent rows."""
    matrix = confusions(judge.sample)(judge.sample.row_weights[None, :])[0]
    if not judge.sample.independent:
        everywhere = np.ones(len(judge.sample), dtype=bool)
        right = _hits("accuracy", judge.sample)
        rows = effective(judge.sample, judge.draws["accuracy"], right, everywhere, judge.alpha)
        matrix = matrix * rows / matrix.sum()
    rng, metric = np.random.default_rng(judge.seed), label_metric(name, judge.sample)
    number, tails = 4 * judge.resamples, (judge.alpha / 2, 1 - judge.alpha / 2)
    if safe:
        better = metric_of(name).greater_is_better  # the low end is that of many errors, or of few
        sides = (exact.fiducial_confusions(matrix, rng, number, low=low) for low in (better, not better))
        low, high = (far_quantile(metric(drawn), tail) for drawn, tail in zip(sides, tails, strict=True))
    else:
        values = metric(exact.mid_confusions(matrix, rng, number))
        low, high = (far_quantile(values, tail) for tail in tails)
    if not safe:
        method = "melded mid-p" if judge.sample.independent else "melded mid-p on effective counts"
        return (low, high), method, None
    if judge.sample.independent:
        return (low, high), "melded clopper-pearson", None
    ends = expanded_percentile(judge.draws[name], rarest(judge.sample), judge.alpha)
    return wider((low, high), ends), "bootstrap and melded clopper-pearson", None


def _denominator(name: str, sample: Sample) -> NDArray[np.bool_]:
    truth: NDArray[np.bool_] = sample.truth == sample.positive
    predicted: NDArray[np.bool_] = sample.prediction == sample.positive
    every = np.ones(len(sample), dtype=bool)
    return {"recall": truth, "specificity": ~truth, "precision": predicted, "f1": truth | predicted}.get(name, every)


def _hits(name: str, sample: Sample) -> NDArray[np.bool_]:
    """The rows that the proportion counts, among those of its denominator."""
    if name == "coverage":
        return np.asarray(sample.truth <= sample.prediction)
    same: NDArray[np.bool_] = sample.truth == sample.prediction
    return same if same.ndim == 1 else np.asarray(same.all(axis=1))

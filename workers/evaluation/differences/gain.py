"""How much better one model is than another on the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from orchestrator.contracts.metrics import METRICS, metric_of
from workers.evaluation.bootstrap import Ends, expanded_percentile, resampled, wider
from workers.evaluation.differences.exchange import exchanged
from workers.evaluation.differences.paired import area_difference, matched_difference
from workers.evaluation.effective import rarest, units_holding
from workers.evaluation.exact import clopper_pearson
from workers.evaluation.intervals import Judge, needed_for
from workers.evaluation.points import point
from workers.evaluation.sample import Sample
from workers.evaluation.statistics import LABELS, statistic

SEEN = 5  # rows that are answered differently, from which on their spread is known well enough
SHARES = (  # metrics from 0 to 1
    LABELS - {"mcc"}
    | {"roc_auc", "roc_auc_ovr", "average_precision", "brier", "ece"}
    | {metric.name for metric in METRICS.values() if "multilabel" in metric.tasks}
)
SURE = 30  # independent rows of the rarest class, below which a constant rival is compared with the safe end itself


@dataclass(frozen=True, slots=True)
class Difference:
    """What the first model gains over the second, positive where it is better; ends None where undefined."""

    mine: float | None
    theirs: float | None
    value: float | None
    low: float | None
    high: float | None
    method: str
    note: str | None = None


def difference(
    metric: str, mine: Sample, theirs: Sample, *, confidence: float, resamples: int, seed: int, exchange: bool = True
) -> Difference:
    """The paired difference on the metric with its interval.

    On independent rows exact for accuracy, and DeLong's for the ROC area, else by the paired bootstrap; joined to the
    exchange test, so that of models that are alike each is taken for the better one no more often than alpha says;
    without `exchange` it is not (a constant answer is like no model).
    """
    (own, why), (other, why_other) = point(metric, mine), point(metric, theirs)
    if own is None or other is None:
        return Difference(own, other, None, None, None, "none", why or why_other)
    sign = 1.0 if metric_of(metric).greater_is_better else -1.0
    alpha = 1 - confidence
    if metric == "accuracy" and mine.independent:
        low, high = matched_difference(*_discordant(mine, theirs), len(mine), alpha)
        return Difference(own, other, own - other, low, high, "melded McNemar")
    ends, method = _spread(metric, mine, theirs, alpha, resamples, seed)
    if ends is not None and exchange:
        ends = wider(ends, exchanged(metric, mine, theirs, alpha, resamples, seed))
        method = f"{method} and exchange test"
    if ends is None:
        return Difference(own, other, sign * (own - other), None, None, "none", "too few independent rows")
    return _allowing_for_unseen(
        metric, mine, theirs, Difference(own, other, sign * (own - other), *ends, method), alpha
    )


def _spread(
    metric: str, mine: Sample, theirs: Sample, alpha: float, resamples: int, seed: int
) -> tuple[Ends | None, str]:
    """The ends by how much the gain varies."""
    if metric == "roc_auc" and mine.independent and rarest(mine) > 1:
        order, other = mine.order, theirs.order
        if order is not None and other is not None:
            return area_difference(mine.truth == mine.positive, order, other, alpha), "DeLong"
    sign = 1.0 if metric_of(metric).greater_is_better else -1.0
    draws = [
        resampled(sample, {metric: statistic(metric, sample)}, resamples, seed)[metric] for sample in (mine, theirs)
    ]
    return expanded_percentile(sign * (draws[0] - draws[1]), rarest(mine), alpha), "paired bootstrap"


def _allowing_for_unseen(metric: str, mine: Sample, theirs: Sample, found: Difference, alpha: float) -> Difference:
    """Where both models hardly ever answered differently, the difference on new rows may be larger than was seen.

    A metric between 0 and 1 may lose as much as the Clopper–Pearson share of rows that are answered differently; for
    others nothing bounds it, and the ends are None.
    """
    differing = _differing(metric, mine, theirs)
    count = units_holding(mine, differing)
    if count >= SEEN or found.low is None or found.high is None:
        return found
    note = f"only {int(differing.sum())} of {len(mine)} rows were answered differently"
    if metric not in SHARES:
        return replace(found, low=None, high=None, method="none", note=note)
    reach = clopper_pearson(count, max(rarest(mine), count), alpha)[1]
    ends = min(found.low, -reach), max(found.high, reach)
    return replace(found, low=ends[0], high=ends[1], method=f"{found.method} and rare differences", note=note)


def _differing(metric: str, mine: Sample, theirs: Sample) -> NDArray[np.bool_]:
    """The rows to which the models answer differently, in what the metric is computed from."""
    if metric_of(metric).needs != "probabilities":
        unlike = np.asarray(mine.prediction != theirs.prediction)
        return np.asarray(unlike if unlike.ndim == 1 else unlike.any(axis=1), dtype=bool)
    if metric in ("roc_auc", "average_precision") and mine.order is not None and theirs.order is not None:
        return np.asarray(stats.rankdata(mine.order) != stats.rankdata(theirs.order))
    return np.asarray((np.asarray(mine.probabilities) != np.asarray(theirs.probabilities)).any(axis=1))


def against_constant(
    metric: str, mine: Sample, theirs: Sample, *, confidence: float, resamples: int, seed: int
) -> Difference:
    """The difference to a constant answer.

    Where rows are few, or the sample so clear-cut that resampling it shows no spread, it is also held against the safe
    end of the model's own interval, which allows for what has not been seen.
    """
    options: dict[str, Any] = {"confidence": confidence, "resamples": resamples, "seed": seed}
    found = difference(metric, mine, theirs, exchange=False, **options)
    if found.theirs is None or found.low is None or found.method == "melded McNemar":
        return found
    if rarest(mine) >= SURE and found.high is not None and found.high > found.low:
        return found
    own = Judge(mine, needed_for(mine, [metric]), confidence, resamples, seed, safe=True).interval(metric)
    safe = own.low if metric_of(metric).greater_is_better else own.high
    sign = 1.0 if metric_of(metric).greater_is_better else -1.0
    low = None if safe is None else min(found.low, sign * (safe - found.theirs))
    method = f"{found.method} and {own.method}"
    return Difference(found.mine, found.theirs, found.value, low, found.high, method, own.note)


def _discordant(mine: Sample, theirs: Sample) -> tuple[int, int]:
    """How many rows only the first model has right, and how many only the second."""
    right, right_too = mine.prediction == mine.truth, theirs.prediction == theirs.truth
    return int((right & ~right_too).sum()), int((~right & right_too).sum())


def finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return None if value is None or not math.isfinite(value) else float(np.float64(value))

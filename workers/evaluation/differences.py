"""How much better one model is than another on the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.contracts.metrics import METRICS
from workers.evaluation.bootstrap import expanded_percentile, resampled
from workers.evaluation.exact import clopper_pearson
from workers.evaluation.intervals import Judge, rarest
from workers.evaluation.points import point
from workers.evaluation.sample import Sample
from workers.evaluation.statistics import statistic

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
    metric: str, mine: Sample, theirs: Sample, *, confidence: float, resamples: int, seed: int
) -> Difference:
    """The paired difference on the metric with its interval: exact for accuracy on independent rows, else bootstrap."""
    (own, why), (other, why_other) = point(metric, mine), point(metric, theirs)
    if own is None or other is None:
        return Difference(own, other, None, None, None, "none", why or why_other)
    sign = 1.0 if METRICS[metric].greater_is_better else -1.0
    alpha = 1 - confidence
    if metric == "accuracy" and mine.independent:
        low, high = _discordant(mine, theirs, alpha)
        return Difference(own, other, own - other, low, high, "clopper-pearson on rows where the answers differ")
    draws = [
        resampled(sample, {metric: statistic(metric, sample)}, resamples, seed)[metric] for sample in (mine, theirs)
    ]
    ends = expanded_percentile(sign * (draws[0] - draws[1]), rarest(mine), alpha)
    if ends is None:
        return Difference(own, other, sign * (own - other), None, None, "none", "too few independent rows")
    return Difference(own, other, sign * (own - other), ends[0], ends[1], "paired bootstrap")


def against_constant(
    metric: str, mine: Sample, theirs: Sample, *, confidence: float, resamples: int, seed: int
) -> Difference:
    """The difference to a constant answer.

    Where rows are few, or the sample so clear-cut that resampling it shows no spread, it is also held against the safe
    end of the model's own interval, which allows for what has not been seen.
    """
    found = difference(metric, mine, theirs, confidence=confidence, resamples=resamples, seed=seed)
    if found.theirs is None or found.low is None or found.method.startswith("clopper"):
        return found
    if rarest(mine) >= SURE and found.high is not None and found.high > found.low:
        return found
    names = (metric,) if mine.kind == "regression" else tuple(dict.fromkeys((metric, "accuracy")))
    own = Judge(mine, names, confidence, resamples, seed).interval(metric)
    safe = own.low if METRICS[metric].greater_is_better else own.high
    sign = 1.0 if METRICS[metric].greater_is_better else -1.0
    low = None if safe is None else min(found.low, sign * (safe - found.theirs))
    method = f"paired bootstrap and {own.method}"
    return Difference(found.mine, found.theirs, found.value, low, found.high, method, own.note)


def _discordant(mine: Sample, theirs: Sample, alpha: float) -> tuple[float, float]:
    """Exact, given how many rows only one of both has right (McNemar 1947)."""
    right, right_too = mine.prediction == mine.truth, theirs.prediction == theirs.truth
    gained, lost = int((right & ~right_too).sum()), int((~right & right_too).sum())
    differing = gained + lost
    if differing == 0:
        return 0.0, 0.0
    low, high = clopper_pearson(gained, differing, alpha)
    share = differing / len(mine)
    return (2 * low - 1) * share, (2 * high - 1) * share


def finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return None if value is None or not math.isfinite(value) else float(np.float64(value))

"""How much a rate differs between groups of rows: the ratio of the lowest to the highest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from workers.evaluation.bootstrap import expanded_percentile, far_quantile, resampled
from workers.evaluation.effective import units_holding
from workers.evaluation.ranking import divided
from workers.evaluation.sample import Floats, Sample

Mask = NDArray[np.bool_]

FEWEST_ROWS, FEWEST_COUNTED = 30, 10  # of a group, and of those of its rows that the rate is a share of
DRAWS = 20_000  # of melded intervals


@dataclass(frozen=True, slots=True)
class Parity:
    """The ratio of the lowest rate to the highest with its interval, or why there is none."""

    rates: dict[str, float | None]
    value: float | None
    low: float | None
    high: float | None
    lowest: str | None
    highest: str | None
    method: str
    why: str | None = None


def parity(
    rate: str, sample: Sample, groups: Mapping[str, Mask], *, confidence: float, resamples: int, seed: int
) -> Parity:
    """The ratio of a rate between the group where it is lowest and the one where it is highest.

    Each ordered pair of groups has an interval of its ratio; the lower end of all is the lowest of theirs. A bound that
    it keeps is kept by every pair (intersection–union test, Berger 1982), the truly worst one included, so that nothing
    is to be corrected for their number, nor for having picked the pair that looks worst. On independent rows the
    intervals are those of two binomials (Fay, Proschan and Brittain 2015), else the bootstrap's.
    """
    hits, among = _counted(rate, sample)
    rates = {name: _rate(sample, hits, among & mask) for name, mask in groups.items()}
    why = _why_not(sample, groups, among, rates)
    if why is not None:
        return Parity(rates, None, None, None, None, None, "none", why)
    known = {name: float(value) for name, value in rates.items() if value is not None}
    lowest, highest = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    if known[highest] == 0:
        return Parity(rates, None, None, None, None, None, "none", "the rate is 0 in every group")
    ends = _binomial(hits, among, groups, 1 - confidence, seed) if sample.independent else None
    method = "melded clopper-pearson" if ends else "bootstrap"
    ends = ends or _drawn(sample, hits, among, groups, 1 - confidence, resamples, seed)
    lows, highs = [low for low, _ in ends.values()], ends[lowest, highest][1]
    if not np.isfinite([*lows, highs]).all():
        return Parity(rates, None, None, None, None, None, "none", "too few independent rows")
    value = known[lowest] / known[highest]
    return Parity(rates, value, min(*lows, value), max(highs, value), lowest, highest, method)


def _counted(rate: str, sample: Sample) -> tuple[Mask, Mask]:
    """The rows that count as hits, and those among which they are counted."""
    truth, answer = sample.truth == sample.positive, sample.prediction == sample.positive
    right = np.asarray(sample.truth == sample.prediction)
    every = np.ones(len(sample), dtype=bool)
    return {
        "selection_rate": (answer, every),
        "accuracy": (right, every),
        "recall": (answer & truth, truth),
        "precision": (answer & truth, answer),
        "specificity": (~answer & ~truth, ~truth),
    }[rate]


def _rate(sample: Sample, hits: Mask, among: Mask) -> float | None:
    weights = sample.row_weights
    below = float(weights[among].sum())
    return float(weights[among & hits].sum()) / below if below else None


def _why_not(sample: Sample, groups: Mapping[str, Mask], among: Mask, rates: Mapping[str, float | None]) -> str | None:
    if len(groups) < 2:
        return "there is only one group"
    for name, mask in groups.items():
        rows, counted = int(mask.sum()), units_holding(sample, among & mask)
        if rows < FEWEST_ROWS:
            return f"{name} has only {rows} test rows, {FEWEST_ROWS} are needed"
        if counted < FEWEST_COUNTED or rates[name] is None:
            return f"only {counted:.4g} independent rows of {name} count for the rate, {FEWEST_COUNTED} are needed"
    return None


Pairs = dict[tuple[str, str], tuple[float, float]]


def _binomial(hits: Mask, among: Mask, groups: Mapping[str, Mask], alpha: float, seed: int) -> Pairs:
    """Melded exact intervals: quantiles of ratios of draws from both ends' confidence distributions."""
    rng = np.random.default_rng(seed)
    least, most = {}, {}
    for name, mask in groups.items():
        rows = int((among & mask).sum())
        found = int((among & mask & hits).sum())
        least[name] = rng.beta(found, rows - found + 1, DRAWS) if found else np.zeros(DRAWS)
        most[name] = rng.beta(found + 1, rows - found, DRAWS) if found < rows else np.ones(DRAWS)
    return {
        (one, other): (
            max(far_quantile(least[one] / most[other], alpha / 2), 0.0),
            far_quantile(most[one] / np.maximum(least[other], 1e-12), 1 - alpha / 2),
        )
        for one, other in permutations(groups, 2)
    }


def _drawn(
    sample: Sample,
    hits: Mask,
    among: Mask,
    groups: Mapping[str, Mask],
    alpha: float,
    resamples: int,
    seed: int,
) -> Pairs:
    """Percentiles of ratios on the same resamples of groups of rows, blocks, or weighted rows."""

    def statistic(mask: Mask) -> Callable[[Floats], Floats]:
        above, below = (among & mask & hits).astype(float), (among & mask).astype(float)
        return lambda weights: divided(weights @ above, weights @ below)

    draws = resampled(sample, {name: statistic(mask) for name, mask in groups.items()}, resamples, seed)
    counts = {name: int(units_holding(sample, among & mask)) for name, mask in groups.items()}
    found: Pairs = {}
    for one, other in permutations(groups, 2):
        ends = expanded_percentile(divided(draws[one], draws[other]), min(counts[one], counts[other]), alpha)
        found[one, other] = ends or (float("nan"), float("nan"))
    return found

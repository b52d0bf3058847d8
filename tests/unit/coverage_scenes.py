"""Samples on which intervals are hard, and how often intervals of such samples miss the truth on either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.signal import lfilter

from tests.unit.evaluation_samples import quantiles, ranked, values
from tests.unit.label_case import labelled
from workers.evaluation.intervals import Judge, needed_for
from workers.evaluation.sample import Floats, Sample
from workers.evaluation.statistics import statistic
from workers.evaluation.units import by_group, by_row, by_time

RESAMPLES = 250
Make = Callable[[np.random.Generator, int], Sample]


def errors_in_groups(rng: np.random.Generator, rows: int) -> Sample:
    """Groups of eight; half of the errors' variance is their group's."""
    groups = np.repeat(np.arange(rows // 8), 8)
    truth = rng.normal(size=rows)
    errors = rng.normal(size=rows // 8)[groups] * 0.5 + rng.normal(size=rows) * 0.5
    return Sample("regression", truth, truth + errors, None, by_group(groups))


def in_turn(rng: np.random.Generator, rows: int, correlation: float = 0.6) -> Floats:
    """A stationary series of unit variance whose neighbours correlate."""
    noise = rng.normal(size=rows + 50) * np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1.0], [1.0, -correlation], noise))[50:]


def errors_in_time(rng: np.random.Generator, rows: int) -> Sample:
    truth = rng.normal(size=rows)
    return Sample("regression", truth, truth + in_turn(rng, rows) * 0.5, None, by_time(rows))


def _answers(truth: Floats, signal: Floats, sample: Sample) -> Sample:
    odds = np.exp(1.5 * signal - 1.5**2 / 2) * 0.4 / 0.6
    answers = np.column_stack([1 / (1 + odds), odds / (1 + odds)])
    return replace(sample, truth=truth, prediction=(odds > 1).astype(float), probabilities=answers)


def classes_in_groups(rng: np.random.Generator, rows: int) -> Sample:
    """Groups of eight whose scores are off together."""
    groups = np.repeat(np.arange(rows // 8), 8)
    truth = (rng.random(rows) < 0.4).astype(float)
    signal = rng.normal(size=rows) + 1.5 * truth + 0.7 * rng.normal(size=rows // 8)[groups]
    return _answers(truth, signal, ranked(rng, rows, units=by_group(groups)))


def classes_in_time(rng: np.random.Generator, rows: int) -> Sample:
    """Both the classes and the scores hang together in time."""
    truth = (in_turn(rng, rows) > 0.25).astype(float)
    return _answers(truth, in_turn(rng, rows) + 1.5 * truth, ranked(rng, rows, units=by_time(rows)))


def quantiles_in_groups(rng: np.random.Generator, rows: int) -> Sample:
    """Groups of eight; half of the errors' variance is their group's."""
    groups = np.repeat(np.arange(rows // 8), 8)
    made = quantiles(rng, rows, units=by_group(groups))
    truth = made.prediction - 1.28 + (rng.normal(size=rows // 8)[groups] + rng.normal(size=rows)) / np.sqrt(2)
    return replace(made, truth=truth)


def labels_in_groups(rng: np.random.Generator, rows: int) -> Sample:
    """Groups of eight that are told well or badly together."""
    groups = np.repeat(np.arange(rows // 8), 8)
    sample = labelled(rng, rows, units=by_group(groups))
    signal = np.log(sample.probabilities / (1 - sample.probabilities)) + rng.normal(size=(rows // 8, 1))[groups]
    return sample.answered((signal > 0).astype(float), 1 / (1 + np.exp(-signal)))


def with_errors(draw: Callable[[np.random.Generator, int], Floats]) -> Make:
    """Values whose errors are drawn so."""

    def make(rng: np.random.Generator, rows: int) -> Sample:
        sample = values(rng, rows)
        return replace(sample, prediction=sample.truth + 0.5 * draw(rng, rows))

    return make


def truths(make: Make, names: Sequence[str]) -> dict[str, float]:
    """The metrics of very many rows."""
    large = make(np.random.default_rng(99), 400_000)
    alike = replace(large, units=by_row(len(large)))
    return {name: float(statistic(name, alike)(alike.row_weights[None, :])[0]) for name in names}


def tails(
    make: Make,
    rows: int,
    samples: int,
    names: tuple[str, ...],
    *,
    seed: int,
    safe: bool = False,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float]]:
    """Of the samples where a metric is defined, in which share its low end lies above the truth, its high end below."""
    rng, true = np.random.default_rng(seed), truths(make, names)
    missed: dict[str, list[tuple[bool, bool]]] = {name: [] for name in names}
    for number in range(samples):
        sample = make(rng, rows)
        judge = Judge(sample, needed_for(sample, names), 0.95, resamples, number, safe=safe)
        for name in names:
            one = judge.interval(name)
            if one.value is not None:
                low, high = (-np.inf if one.low is None else one.low), (np.inf if one.high is None else one.high)
                missed[name].append((low > true[name], high < true[name]))
    return {name: (float(above), float(below)) for name, (above, below) in _means(missed).items()}


def _means(missed: dict[str, list[tuple[bool, bool]]]) -> dict[str, Floats]:
    return {name: np.mean(found, axis=0) for name, found in missed.items()}

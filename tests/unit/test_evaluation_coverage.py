"""How often intervals hold the truth, simulated: 95 ± 1.5 %, or more where an exact method errs on the safe side.

docs/decisions/0004-intervals.md has the table of longer runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.signal import lfilter

from tests.unit.evaluation_samples import quantiles, ranked, values
from tests.unit.label_case import labelled
from workers.evaluation.intervals import Judge, needed_for
from workers.evaluation.sample import Floats, Sample
from workers.evaluation.statistics import statistic
from workers.evaluation.units import by_group, by_row, by_time

SHORT, LEAST, MOST = 0.91, 0.935, 0.965
RESAMPLES = 250
Make = Callable[[np.random.Generator, int], Sample]


@dataclass(frozen=True)
class Scene:
    """Samples of one kind: how to draw one, how large, how often."""

    make: Make
    rows: int
    samples: int
    nominal: tuple[str, ...]  # metrics whose intervals are to hold the truth in 95 ± 1.5 %
    safe: tuple[str, ...] = ()  # and in at least so many
    short: tuple[str, ...] = ()  # and those that are known to fall short of it, down to 91 %


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


EXACT = ("accuracy", "recall", "specificity", "precision", "f1")  # Clopper–Pearson: never less than 95 %, often more
SCENES = {
    "30 rows": Scene(ranked, 30, 200, ("log_loss", "brier"), (*EXACT, "roc_auc")),
    "30 rows near 1": Scene(lambda rng, rows: ranked(rng, rows, apart=2.9), 30, 150, (), (*EXACT, "roc_auc", "brier")),
    "2 %": Scene(
        lambda rng, rows: ranked(rng, rows, prevalence=0.02, apart=2.0), 400, 100, (), (*EXACT, "roc_auc", "brier")
    ),
    "30 values": Scene(values, 30, 500, ("rmse", "mae"), ("median_absolute_error",), ("r2",)),
    "90 % of 30 values": Scene(quantiles, 30, 80, (), ("pinball", "coverage"), ("d2_pinball",)),
    "90 % of 25 groups": Scene(quantiles_in_groups, 200, 60, (), ("pinball", "d2_pinball"), ("coverage",)),
    "25 groups of values": Scene(errors_in_groups, 200, 500, ("rmse", "mae", "r2", "median_absolute_error")),
    "25 groups of classes": Scene(classes_in_groups, 200, 150, ("log_loss", "brier"), ("accuracy", "roc_auc", "f1")),
    "values in time": Scene(errors_in_time, 200, 500, ("rmse", "mae", "r2", "median_absolute_error")),
    "60 rows with labels": Scene(labelled, 60, 60, (), ("f1_micro", "f1_samples", "hamming_loss")),
    "25 groups of labels": Scene(labels_in_groups, 200, 60, (), ("f1_micro", "hamming_loss", "subset_accuracy")),
    "classes in time": Scene(classes_in_time, 200, 250, ("log_loss", "brier"), ("accuracy", "roc_auc", "f1")),
}


def truths(scene: Scene, names: Sequence[str]) -> dict[str, float]:
    """The metrics of very many rows."""
    large = scene.make(np.random.default_rng(99), 400_000)
    alike = replace(large, units=by_row(len(large)))
    return {name: float(statistic(name, alike)(alike.row_weights[None, :])[0]) for name in names}


def coverage(scene: Scene, names: tuple[str, ...]) -> dict[str, float]:
    """In which share of the samples where it is defined each metric's interval holds the truth."""
    rng, true = np.random.default_rng(1), truths(scene, names)
    held: dict[str, list[bool]] = {name: [] for name in names}
    for seed in range(scene.samples):
        sample = scene.make(rng, scene.rows)
        judge = Judge(sample, needed_for(sample, names), 0.95, RESAMPLES, seed)
        for name in names:
            one = judge.interval(name)
            if one.value is not None:
                low, high = (-np.inf if one.low is None else one.low), (np.inf if one.high is None else one.high)
                held[name].append(low <= true[name] <= high)
    return {name: float(np.mean(found)) for name, found in held.items()}


@pytest.mark.parametrize("name", SCENES)
def test_intervals_hold_the_truth_as_often_as_they_say(name: str) -> None:
    scene = SCENES[name]
    found = coverage(scene, (*scene.nominal, *scene.safe, *scene.short))
    noise = 2 * np.sqrt(0.95 * 0.05 / scene.samples)  # of the simulation itself
    for metric, share in found.items():
        assert share >= (SHORT if metric in scene.short else LEAST) - noise / 2, f"{metric}: {share:.3f}"
        if metric in scene.nominal:
            assert share <= MOST + noise / 2, f"{metric}: {share:.3f}"


def test_rows_that_hang_together_and_are_taken_for_independent_do_not() -> None:
    for scene in (SCENES["25 groups of values"], SCENES["values in time"]):
        alone = replace(
            scene, samples=100, make=lambda rng, rows, s=scene: replace(s.make(rng, rows), units=by_row(rows))
        )
        assert coverage(alone, ("rmse",))["rmse"] < 0.90

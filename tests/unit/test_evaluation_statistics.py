"""The metrics of many resamples at once are scikit-learn's metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluation_samples import many, quantiles, ranked, values
from tests.unit.label_case import labelled
from workers.evaluation.influence import area_influence, precision_influence
from workers.evaluation.intervals import names_of
from workers.evaluation.points import measured
from workers.evaluation.sample import Sample
from workers.evaluation.statistics import statistic
from workers.evaluation.units import by_group, by_row, by_time

RNG = np.random.default_rng(7)
TIED = ranked(RNG, 300, prevalence=0.3)
SAMPLES = {
    "binary": TIED,
    "tied": replace(TIED, probabilities=np.asarray(TIED.probabilities).round(1)),
    "multiclass": many(RNG, 240, 4),
    "regression": values(RNG, 151),
    "quantile": quantiles(np.random.default_rng(8), 151),
    "multilabel": labelled(RNG, 240),
}
CASES = [(name, metric) for name, sample in SAMPLES.items() for metric in names_of(sample)]


def _repeated(sample: Sample, counts: np.ndarray) -> Sample:
    """The resample written out row by row."""
    index = np.repeat(np.arange(len(sample)), counts)
    probabilities = None if sample.probabilities is None else sample.probabilities[index]
    return replace(
        sample,
        truth=sample.truth[index],
        prediction=sample.prediction[index],
        probabilities=probabilities,
        units=by_row(len(index)),
    )


@pytest.mark.parametrize(("name", "metric"), CASES)
def test_a_statistic_is_scikit_learns_metric_on_the_rows_and_on_every_resample(name: str, metric: str) -> None:
    sample = SAMPLES[name]
    counts = np.vstack([np.ones(len(sample)), RNG.multinomial(len(sample), [1 / len(sample)] * len(sample), size=3)])
    found = statistic(metric, sample)(counts)
    expected = [measured(metric, _repeated(sample, line.astype(int))) for line in counts]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("name", "metric"), [case for case in CASES if case[1] != "median_absolute_error"])
def test_a_statistic_honours_weights_as_scikit_learn_does(name: str, metric: str) -> None:
    sample = replace(SAMPLES[name], weights=RNG.random(len(SAMPLES[name])) + 0.1)
    found = statistic(metric, sample)(sample.row_weights[None, :])[0]
    assert found == pytest.approx(measured(metric, sample), rel=1e-9)


@pytest.mark.parametrize("units", [by_row(50), by_group(RNG.integers(0, 9, 50)), by_time(50)], ids=lambda u: u.kind)
def test_counts_of_units_spread_to_rows_as_sums_of_rows_gather_to_units(units: object) -> None:
    counts = next(units.resamples(np.random.default_rng(1), 20))  # type: ignore[attr-defined]
    rows = RNG.random(50)
    assert counts.sum(axis=1) == pytest.approx(units.draws)  # type: ignore[attr-defined]
    spread = units.spread(counts) @ rows  # type: ignore[attr-defined]
    assert spread == pytest.approx(counts @ units.sums(rows))  # type: ignore[attr-defined]


def test_blocks_are_neighbours_of_the_stated_length() -> None:
    units = by_time(1000)
    first = np.zeros((1, 1000))
    first[0, 995] = 1
    assert np.flatnonzero(units.spread(first)[0]).tolist() == [*range(15), *range(995, 1000)]


@pytest.mark.parametrize(
    ("metric", "influence"), [("roc_auc", area_influence), ("average_precision", precision_influence)]
)
def test_what_a_row_adds_is_the_derivative_by_its_weight(
    metric: str, influence: Callable[[Sample, float], np.ndarray]
) -> None:
    rng = np.random.default_rng(4)
    sample = ranked(rng, 60)
    odds = np.asarray(sample.scores) / (1 - np.asarray(sample.scores))
    sample = replace(sample, ranking=np.round(np.log(odds)), weights=rng.random(60) + 0.2)  # with ties
    measure, weights, small = statistic(metric, sample), sample.row_weights, 1e-6
    value = float(measure(weights[None, :])[0])
    moved = (measure(weights * (1 + small * np.eye(60))) - value) / small
    found = influence(sample, value)
    if metric == "roc_auc":  # DeLong's variance divides by one row of the class less
        for code in (0, 1):
            count = (sample.truth == code).sum()
            found[sample.truth == code] /= np.sqrt(count / (count - 1))
    assert found == pytest.approx(moved, abs=1e-6)

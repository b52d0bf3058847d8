"""Expected calibration error: bins of equal mass, and an interval that chance does not fool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluation_samples import many, perfect
from workers.calibration import calibration_errors, mass_bins
from workers.evaluation.intervals import Judge
from workers.evaluation.points import point
from workers.evaluation.sample import Sample
from workers.evaluation.units import by_group, by_row
from workers.scoring import score

SEEDS = 20261121  # of what is shown here: the method was chosen on others


def drawn(rng: np.random.Generator, rows: int, shift: float) -> tuple[Sample, float]:
    """A model whose probabilities are `shift` too low, and its true calibration error."""
    told = rng.beta(2, 4, rows)
    true = np.clip(told + shift, 0, 1)
    truth = (rng.random(rows) < true).astype(float)
    answers = np.column_stack([1 - told, told])
    sample = Sample("binary", truth, (told > 0.5).astype(float), answers, by_row(rows), None, (0, 1), 1)
    return sample, float(np.mean(true - told))


def interval(sample: Sample, seed: int = 0) -> tuple[float, float, float]:
    found = Judge(sample, ("ece", "accuracy"), 0.95, 200, seed).interval("ece")
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return found.value, found.low, found.high


def test_it_is_the_mean_gap_of_ten_bins_of_equal_mass() -> None:
    rng = np.random.default_rng(0)
    told = np.sort(rng.random(200))
    truth = (rng.random(200) < told**2).astype(float)
    expected = np.mean([abs(truth[low : low + 20].mean() - told[low : low + 20].mean()) for low in range(0, 200, 20)])
    assert score("ece", truth, told, classes=(0, 1), positive=1) == pytest.approx(expected)


def test_rows_of_one_probability_share_a_bin() -> None:
    told = np.repeat([0.2, 0.9], [70, 30])
    order, (codes,) = mass_bins(told, np.ones((1, 100)))
    assert [len(set(codes[told[order] == one])) for one in (0.2, 0.9)] == [1, 1]
    truth = np.concatenate([np.arange(70) < 21, np.arange(30) < 27]).astype(float)
    assert calibration_errors(told, truth == 1, np.ones((1, 100)))[0] == pytest.approx(0.7 * 0.1)


def test_of_many_classes_it_is_that_of_the_likeliest() -> None:
    sample = many(np.random.default_rng(0), 300, 4)
    answers = np.asarray(sample.probabilities)
    hits = answers.argmax(axis=1) == sample.truth
    expected = calibration_errors(answers.max(axis=1), hits, np.ones((1, 300)))[0]
    assert point("ece", sample)[0] == pytest.approx(expected)


def test_a_model_without_probabilities_has_none() -> None:
    sample = replace(drawn(np.random.default_rng(0), 50, 0)[0], probabilities=None)
    assert point("ece", sample) == (None, "the model gives no probabilities")


@pytest.mark.parametrize("rows", [60, 300])
@pytest.mark.parametrize("shift", [0.0, 0.15])
def test_the_interval_holds_the_true_error(rows: int, shift: float) -> None:
    above = below = 0
    for seed in range(60):
        sample, true = drawn(np.random.default_rng([SEEDS, seed]), rows, shift)
        _, low, high = interval(sample, seed)
        above, below = above + (low > true), below + (high < true)
    assert above <= 6  # of 1.5
    assert below <= 6


def test_a_sample_without_errors_may_hide_some() -> None:
    value, low, high = interval(perfect(30, 15))
    assert value == pytest.approx(0.01)
    assert low == 0
    assert high > 0.05


def test_rows_that_hang_together_count_for_less() -> None:
    sample, _ = drawn(np.random.default_rng(1), 300, 0.1)
    clustered = replace(sample, units=by_group(np.arange(300) // 10))
    assert interval(clustered)[2] > interval(sample)[2]
    assert interval(clustered)[1] < interval(sample)[1]

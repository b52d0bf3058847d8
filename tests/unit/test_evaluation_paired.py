"""Comparisons of two models: known values, and how often a true null is taken for a gain."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
from scipy import stats

from tests.unit.evaluation_samples import ranked, values
from workers.evaluation.differences.exchange import _units, exchanged
from workers.evaluation.differences.gain import difference
from workers.evaluation.differences.paired import area_difference, matched_difference
from workers.evaluation.exact import clopper_pearson
from workers.evaluation.sample import Sample
from workers.evaluation.units import by_group, by_row, by_time

ALPHA = 0.025  # one-sided, of a 95 % interval
matched = cache(matched_difference)


def at_most(rate: float, tries: int, surely: float = 0.999) -> int:
    """So many successes of a rate are hardly ever exceeded."""
    return int(stats.binom.ppf(surely, tries, rate))


@pytest.mark.parametrize(("gained", "lost"), [(12, 2), (9, 2), (8, 2), (30, 15), (6, 0), (5, 0)])
def test_the_interval_of_matched_proportions_leaves_out_zero_where_mcnemars_exact_test_rejects(
    gained: int, lost: int
) -> None:
    rejected = stats.binomtest(gained, gained + lost, alternative="greater").pvalue < ALPHA
    assert (matched_difference(gained, lost, 100, 0.05)[0] > 0) == rejected


def test_matched_proportions_have_a_width_where_no_row_differs_and_turn_round_with_the_models() -> None:
    low, high = matched_difference(0, 0, 30, 0.05)
    assert (low, high) == pytest.approx((-clopper_pearson(0, 30, 0.05)[1], clopper_pearson(0, 30, 0.05)[1]))
    low, high = matched_difference(12, 2, 60, 0.05)
    assert matched_difference(2, 12, 60, 0.05) == pytest.approx((-high, -low))
    assert matched_difference(12, 2, 60, 0.01)[0] < low < 10 / 60 < high
    assert matched_difference(30, 0, 30, 0.05)[1] == 1


@pytest.mark.parametrize("margin", [0.0, 0.02])
@pytest.mark.parametrize(("rows", "differing"), [(200, 0.1), (1000, 0.05)])
def test_at_the_margin_matched_proportions_pass_at_most_as_often_as_alpha(
    rows: int, differing: float, margin: float
) -> None:
    rng, tries = np.random.default_rng(5), 500
    chances = [(differing - margin) / 2, (differing + margin) / 2]
    counts = rng.multinomial(rows, [*chances, 1 - differing], size=tries)
    passed = sum(matched(int(gained), int(lost), rows, 2 * ALPHA)[0] > -margin for gained, lost, _ in counts)
    assert passed <= at_most(ALPHA, tries)
    assert passed > 0


def test_the_ends_of_a_difference_of_areas_are_delongs() -> None:
    positive = np.array([1, 1, 1, 0, 0, 0, 0], dtype=bool)
    mine, theirs = np.array([5.0, 4, 2, 3, 1, 1, 0]), np.array([5.0, 1, 2, 3, 4, 1, 0])
    inside = [
        [np.mean((one > s[~positive]) + (one == s[~positive]) / 2) for one in s[positive]] for s in (mine, theirs)
    ]
    outside = [
        [np.mean((s[positive] > one) + (s[positive] == one) / 2) for one in s[~positive]] for s in (mine, theirs)
    ]
    gains, losses = np.subtract(*inside), np.subtract(*outside)
    error = np.sqrt(gains.var(ddof=1) / 3 + losses.var(ddof=1) / 4)
    low, high = area_difference(positive, mine, theirs, 0.05)
    assert (low + high) / 2 == pytest.approx(np.mean(gains))
    assert (high - low) / 2 == pytest.approx(error * stats.t.ppf(0.975, 2) * np.sqrt(3 / 2))


def twins(rng: np.random.Generator, rows: int, *, prevalence: float, better: float = 0.0) -> tuple[Sample, Sample]:
    """Two models that rank alike well, the first better by `better` standard deviations between the classes."""
    truth = (rng.random(rows) < prevalence).astype(float)
    shared = 0.8 * rng.normal(size=rows)
    made: list[Sample] = []
    for apart in (1.2 + better, 1.2):
        signal = shared + 0.6 * rng.normal(size=rows) + apart * truth
        chance = 1 / (1 + np.exp(0.7 - signal))
        answers = np.column_stack([1 - chance, chance])
        made.append(Sample("binary", truth, (chance > 0.5).astype(float), answers, by_row(rows), None, (0, 1), 1))
    return made[0], made[1]


def heavy(rng: np.random.Generator, rows: int) -> tuple[Sample, Sample]:
    """Two regressions alike whose errors have hardly a variance (t with two degrees of freedom)."""
    truth, shared = rng.normal(size=rows), 0.5 * rng.standard_t(2, size=rows)
    made = [truth + shared + rng.standard_t(2, size=rows) for _ in range(2)]
    mine, theirs = (Sample("regression", truth, answer, None, by_row(rows)) for answer in made)
    return mine, theirs


def skewed(rng: np.random.Generator, rows: int) -> tuple[Sample, Sample]:
    """Two regressions alike of a truth that few rows dominate."""
    truth = rng.lognormal(0, 1.5, size=rows)
    made = [truth * np.exp(rng.normal(0, 0.5, size=rows)) for _ in range(2)]
    mine, theirs = (Sample("regression", truth, answer, None, by_row(rows)) for answer in made)
    return mine, theirs


Make = Callable[[np.random.Generator, int], tuple[Sample, Sample]]
SEEDS = 20261121  # of what is shown here: methods were chosen on others
TRIES = 500


def promotions(metric: str, rows: int, make: Make, tries: int) -> int:
    """How often the first of two models is held to be better."""
    passed = 0
    for seed in range(tries):
        mine, theirs = make(np.random.default_rng([SEEDS, seed]), rows)
        found = difference(metric, mine, theirs, confidence=0.95, resamples=200, seed=seed)
        passed += found.low is not None and found.low > 0
    return passed


@pytest.mark.parametrize(
    ("metric", "rows", "make"),
    [
        ("roc_auc", 200, partial(twins, prevalence=0.1)),
        ("accuracy", 200, partial(twins, prevalence=0.3)),
        ("average_precision", 100, partial(twins, prevalence=0.2)),
        ("f1", 100, partial(twins, prevalence=0.3)),
        ("log_loss", 60, partial(twins, prevalence=0.3)),
        ("rmse", 40, heavy),
        ("mae", 40, heavy),
        ("r2", 60, skewed),
    ],
)
def test_equal_models_beat_one_another_at_most_as_often_as_alpha(metric: str, rows: int, make: Make) -> None:
    assert promotions(metric, rows, make, TRIES) <= at_most(ALPHA, TRIES, 0.99)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "brier"])
def test_a_better_model_is_found_to_be_better(metric: str) -> None:
    assert promotions(metric, 1000, partial(twins, prevalence=0.3, better=0.4), 40) > 30


def test_the_exchange_test_is_exact_for_margins_of_nothing() -> None:
    """With five rows, all gained, 1 of 32 exchanges gains as much, which is not enough at 2.5 %; with six it is."""
    for rows, passed in ((5, False), (6, True)):
        truth = np.ones(rows)
        mine, theirs = (Sample("regression", truth, truth + off, None, by_row(rows)) for off in (0.0, 1.0))
        low, high = exchanged("mae", mine, theirs, 0.05, 4000, 0)
        assert (low > 0) == passed
        assert high >= 1 > low


def test_groups_and_blocks_are_exchanged_as_a_whole() -> None:
    truth = np.ones(40)
    for units, passed in ((by_row(40), True), (by_group(np.arange(40) // 10), False)):
        mine, theirs = (Sample("regression", truth, truth + off, None, units) for off in (0.0, 1.0))
        assert (exchanged("mae", mine, theirs, 0.05, 400, 0)[0] > 0) == passed
    blocks = by_time(40)
    assert len(set(_units(Sample("regression", truth, truth, None, blocks)))) == blocks.draws


@pytest.mark.parametrize("metric", ["roc_auc", "f1", "brier"])
def test_models_that_answer_alike_may_differ_on_rows_that_nobody_has_seen(metric: str) -> None:
    mine = ranked(np.random.default_rng(0), 60)
    found = difference(metric, mine, mine, confidence=0.95, resamples=200, seed=0)
    assert found.value == 0
    assert found.low is not None
    assert -0.2 < found.low < -0.05
    assert "0 of 60 rows" in str(found.note)


def test_where_an_error_has_no_bound_models_that_answer_alike_cannot_be_told_apart() -> None:
    mine = values(np.random.default_rng(0), 60)
    found = difference("rmse", mine, mine, confidence=0.95, resamples=200, seed=0)
    assert (found.value, found.low) == (0, None)


def test_rows_that_hang_together_are_compared_by_the_bootstrap() -> None:
    mine, theirs = twins(np.random.default_rng(0), 200, prevalence=0.4)
    groups = by_group(np.arange(200) // 4)
    mine, theirs = (
        Sample("binary", s.truth, s.prediction, s.probabilities, groups, None, (0, 1)) for s in (mine, theirs)
    )
    for metric in ("roc_auc", "accuracy"):
        assert difference(metric, mine, theirs, confidence=0.95, resamples=200, seed=0).method.startswith(
            "paired bootstrap"
        )

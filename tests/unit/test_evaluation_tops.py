"""The rows that a model ranks highest: what is counted, across ties too, and intervals that hold the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.contracts.evaluation import Top
from tests.unit.evaluation_samples import perfect, ranked, values
from workers.evaluation.evidence.curves import curves
from workers.evaluation.evidence.tops import tops
from workers.evaluation.sample import Sample
from workers.evaluation.units import by_group

OPTIONS = {"confidence": 0.95, "resamples": 300, "seed": 0}


def of(scores: list[float], truth: list[int]) -> Sample:
    positive = np.array(scores)
    answers = np.column_stack([1 - positive, positive])
    sample = perfect(len(truth), 1)
    return replace(sample, truth=np.array(truth, dtype=float), probabilities=answers)


def test_a_top_counts_what_a_person_would_count() -> None:
    sample = of([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05], [1, 1, 0, 1, 0, 0, 0, 0, 1, 0])
    four, fifth = tops(sample, (Top(rows=4), Top(share=0.2)), **OPTIONS)
    assert (four.top, four.rows, four.share) == ("4", 4, 0.4)
    assert (four.precision.value, four.recall.value, four.lift.value) == pytest.approx((0.75, 0.75, 1.875))
    assert (fifth.top, fifth.rows) == ("20 %", 2)
    assert (fifth.precision.value, fifth.recall.value, fifth.lift.value) == pytest.approx((1.0, 0.5, 2.5))
    assert four.lift.low == pytest.approx((four.recall.low or 0) / 0.4)


def test_rows_of_one_score_across_the_edge_count_in_part() -> None:
    sample = of([0.9, 0.5, 0.5, 0.5, 0.1, 0.1], [1, 1, 0, 0, 1, 0])
    (two,) = tops(sample, (Top(rows=2),), **OPTIONS)
    assert two.precision.value == pytest.approx((1 + 1 / 3) / 2)  # one of three tied rows, a third of them positive
    constant = of([0.5] * 6, [1, 1, 0, 0, 1, 0])
    (any_two,) = tops(constant, (Top(rows=2),), **OPTIONS)
    assert any_two.lift.value == pytest.approx(1.0)


def test_weights_are_mass() -> None:
    sample = of([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])
    heavy = replace(sample, weights=np.array([3.0, 1, 1, 1]))
    (half,) = tops(heavy, (Top(share=0.5),), **OPTIONS)
    assert (half.precision.value, half.recall.value) == pytest.approx((1.0, 0.75))


def test_tops_without_rows_or_order_are_left_out() -> None:
    sample = ranked(np.random.default_rng(0), 50)
    assert tops(sample, (Top(rows=51),), **OPTIONS) == ()
    assert tops(replace(sample, truth=np.zeros(50)), (Top(rows=5),), **OPTIONS) == ()
    assert tops(replace(sample, probabilities=None), (Top(rows=5),), **OPTIONS) == ()
    assert tops(values(np.random.default_rng(0), 50), (Top(rows=5),), **OPTIONS) == ()


def test_a_perfect_top_has_a_width_and_groups_widen_it() -> None:
    alone = tops(perfect(200, 60), (Top(share=0.1),), **OPTIONS)[0].precision
    assert alone.low == pytest.approx(0.025 ** (1 / 60))  # of all rows that are tied for the top
    together = replace(perfect(200, 60), units=by_group(np.arange(200) % 8))
    assert (tops(together, (Top(share=0.1),), **OPTIONS)[0].precision.low or 1) < 0.7


def test_intervals_of_a_top_cover_the_truth() -> None:
    rng = np.random.default_rng(2)
    large = ranked(rng, 300_000, prevalence=0.15, apart=1.2)
    (true,) = tops(large, (Top(share=0.1),), **{**OPTIONS, "resamples": 2})
    found = [tops(ranked(rng, 250, prevalence=0.15, apart=1.2), (Top(share=0.1),), **OPTIONS)[0] for _ in range(150)]
    for name in ("precision", "recall", "lift"):
        aim = getattr(true, name).value
        held = np.mean([getattr(one, name).low <= aim <= getattr(one, name).high for one in found])
        assert held >= 0.92, name
        width = np.median([getattr(one, name).high - getattr(one, name).low for one in found])
        assert width < 1.1 * getattr(true, name).value, name


def test_gains_rise_from_nothing_to_everything_and_agree_with_the_tops() -> None:
    sample = ranked(np.random.default_rng(1), 400, prevalence=0.3)
    gains = curves(sample)["gains"]
    assert (gains.x[0], gains.y[0], gains.x[-1], gains.y[-1]) == (0, 0, 1, 1)
    (top,) = tops(sample, (Top(share=0.25),), **OPTIONS)
    assert np.interp(0.25, gains.x, gains.y) == pytest.approx(top.recall.value, abs=0.01)

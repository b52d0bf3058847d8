"""How many independent rows some rows amount to that hang together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.unit.coverage_scenes import in_turn
from tests.unit.evaluation_samples import values
from workers.evaluation.bootstrap import resampled
from workers.evaluation.effective import effective, units_among, units_holding
from workers.evaluation.sample import Sample
from workers.evaluation.units import Units, by_group, by_time

ROWS = 200
EVERY = np.ones(ROWS, dtype=bool)


def rows_in(units: Units) -> Sample:
    """Any values; which rows are hits is said apart."""
    rng = np.random.default_rng(0)
    made = values(rng, ROWS)
    return Sample("regression", made.truth, made.prediction, None, units)


def share_of(sample: Sample, hits: NDArray[np.bool_]) -> float:
    drawn = resampled(sample, {"share": lambda weights: weights @ hits / weights.sum(axis=1)}, 250, 0)["share"]
    return effective(sample, drawn, hits, EVERY, 0.05)


def test_a_spread_that_hangs_on_few_groups_is_known_less_well() -> None:
    """The same draws and the same share: misses that two groups have are told by fewer degrees of freedom."""
    sample = rows_in(by_group(np.repeat(np.arange(25), 8)))
    spread_out, together = EVERY.copy(), EVERY.copy()
    spread_out[:128:8] = False
    together[:16] = False
    draws = np.random.default_rng(1).normal(0.92, 0.03, 2000)
    assert effective(sample, draws, together, EVERY, 0.05) < 0.92 * effective(sample, draws, spread_out, EVERY, 0.05)


def test_rows_in_time_count_as_the_blocks_that_they_are_spread_over() -> None:
    sample = rows_in(by_time(ROWS))
    apart, run = ~EVERY, ~EVERY
    apart[::25] = True
    run[60:68] = True
    assert units_holding(sample, apart) == units_holding(sample, run) == 1
    assert 7 < units_among(sample, apart) < 9
    assert 1 <= units_among(sample, run) < 2
    assert units_among(sample, EVERY) == sample.units.draws


def test_what_blocks_do_not_see_of_a_series_is_made_up_for() -> None:
    """Of 200 series whose neighbours correlate by 0.6 the effective counts lie about the true one, by t."""
    rng = np.random.default_rng(5)
    hits = [in_turn(rng, ROWS) > 0 for _ in range(200)]
    true = 0.25 / np.var([one.mean() for one in hits])
    sample = rows_in(by_time(ROWS))
    found = float(np.mean([1 / share_of(sample, one) for one in hits]))  # of the variance
    assert 1.05 < true * found < 1.45


def test_where_it_has_to_be_safe_rows_in_time_count_as_one_run() -> None:
    sample, apart = rows_in(by_time(ROWS)), ~EVERY
    apart[::5] = True
    hits = np.random.default_rng(2).random(ROWS) < 0.7
    draws = np.random.default_rng(1).normal(0.7, 0.1, 2000)
    safe, told = (effective(sample, draws, hits, apart, 0.05, safe=safe) for safe in (True, False))
    assert safe < 0.8 * told

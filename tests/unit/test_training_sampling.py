"""Shares of training rows: nested, the same each time, each class there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from workers.training.sampling import sample

RARE = np.array(["no"] * 880 + ["yes"] * 110 + ["odd"] * 10)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_larger_share_holds_the_smaller_one_and_the_whole_holds_every_row(task):
    shares = [sample(RARE, share, task, (7, 1)) for share in (0.01, 1 / 9, 1 / 3, 1.0)]
    for less, more in itertools.pairwise(shares):
        assert set(less) < set(more)
    assert [len(rows) for rows in shares] == [10, 112, 334, 1000]
    assert list(shares[-1]) == list(range(1000))
    assert all((np.diff(rows) > 0).all() for rows in shares)


def test_the_same_seed_draws_the_same_rows_and_another_others():
    rows = sample(RARE, 0.1, "classification", (7, 1))
    assert np.array_equal(rows, sample(RARE, 0.1, "classification", (7, 1)))
    assert not np.array_equal(rows, sample(RARE, 0.1, "classification", (7, 2)))
    assert not np.array_equal(rows, sample(RARE, 0.1, "classification", (8, 1)))


def test_classes_keep_their_shares_and_a_rare_one_is_never_missing():
    for seed in range(20):
        names, counts = np.unique(RARE[sample(RARE, 0.1, "classification", (seed, 1))], return_counts=True)
        assert dict(zip(names, counts, strict=True)) == {"no": 88, "yes": 11, "odd": 1}
    assert {"odd", "yes"} < set(RARE[sample(RARE, 0.005, "classification", (0, 1))])


def test_a_share_of_few_rows_is_two_of_them_at_least():
    assert len(sample(np.arange(50.0), 0.001, "regression", (0, 1))) == 2
    assert len(sample(np.arange(1.0), 0.001, "regression", (0, 1))) == 1

"""The ratio of rates between groups: judged on its lower end, over all pairs of groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tests.unit.evaluation_samples import ranked
from workers.evaluation.gates.parity import Parity, parity
from workers.evaluation.sample import Sample
from workers.evaluation.units import by_group, by_row


def answers(*rates: tuple[int, int]) -> tuple[Sample, dict[str, np.ndarray]]:
    """Groups of rows, each with (hits, rows): the hits are predicted positive, and the truth is positive everywhere."""
    prediction = np.concatenate([np.arange(rows) < hits for hits, rows in rates]).astype(float)
    group = np.repeat(np.arange(len(rates)), [rows for _, rows in rates])
    truth = np.ones(len(group))
    sample = Sample("binary", truth, prediction, None, by_row(len(group)), None, (0, 1), 1)
    return sample, {f"g={code}": group == code for code in range(len(rates))}


def judged(given: tuple[Sample, dict[str, np.ndarray]], rate: str = "selection_rate", seed: int = 0) -> Parity:
    return parity(rate, *given, confidence=0.95, resamples=500, seed=seed)


def test_the_lowest_rate_is_held_against_the_highest() -> None:
    found = judged(answers((120, 200), (90, 200), (110, 200)))
    assert (found.lowest, found.highest) == ("g=1", "g=0")
    assert found.value == pytest.approx(90 / 120)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 90 / 120 < found.high
    assert found.rates == {"g=0": 0.6, "g=1": 0.45, "g=2": 0.55}


def test_the_interval_is_fishers_exact_test_turned_round() -> None:
    """Melded, it leaves out 1 where Fisher's one-sided test rejects (Fay, Proschan and Brittain 2015)."""
    for hits in range(60, 90):
        rejected = stats.fisher_exact([[hits, 100 - hits], [90, 10]], alternative="less").pvalue < 0.025
        found = judged(answers((hits, 100), (90, 100)))
        assert found.high is not None
        near = abs(found.high - 1) < 0.005
        assert near or (found.high < 1) == rejected, hits


@pytest.mark.parametrize("share", [(0.5, 0.4), (0.5, 0.4, 0.45, 0.4), (0.95, 0.76)])
def test_groups_at_the_bound_pass_at_most_as_often_as_alpha(share: tuple[float, ...]) -> None:
    rng, tries, passed = np.random.default_rng(3), 120, 0
    for seed in range(tries):
        found = judged(answers(*((int(rng.binomial(300, one)), 300) for one in share)), seed=seed)
        passed += (found.low or 0) >= 0.8
    assert passed <= stats.binom.ppf(0.999, tries, 0.025)


def test_alike_groups_of_many_rows_pass_the_four_fifths_rule() -> None:
    found = judged(answers((500, 1000), (490, 1000), (505, 1000)))
    assert (found.low or 0) > 0.8


def test_rates_are_those_of_scikit_learn_on_each_group() -> None:
    sample = ranked(np.random.default_rng(1), 400)
    groups = {"a": np.arange(400) < 200, "b": np.arange(400) >= 200}
    for rate in ("recall", "precision", "specificity", "accuracy"):
        options = {"pos_label": 0} if rate == "specificity" else {}
        function = getattr(metrics, f"{'recall' if rate == 'specificity' else rate}_score")
        expected = {
            name: function(sample.truth[mask], sample.prediction[mask], **options) for name, mask in groups.items()
        }
        assert judged((sample, groups), rate).rates == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "rate", "why"),
    [
        (answers((9, 20), (90, 200)), "selection_rate", "g=0 has only 20 test rows, 30 are needed"),
        (answers((90, 200)), "selection_rate", "there is only one group"),
        (answers((0, 50), (0, 50)), "selection_rate", "the rate is 0 in every group"),
        (answers((5, 50), (40, 50)), "precision", "only 5 independent rows of g=0 count for the rate, 10 are needed"),
        (answers((20, 50), (40, 50)), "specificity", "only 0 independent rows of g=0 count"),
    ],
)
def test_what_cannot_be_told_has_no_value(given: tuple[Sample, dict[str, np.ndarray]], rate: str, why: str) -> None:
    found = judged(given, rate)
    assert found.value is None
    assert why in str(found.why)


def test_a_group_that_is_never_selected_has_a_ratio_of_zero() -> None:
    found = judged(answers((0, 50), (40, 50)))
    assert (found.value, found.low) == (0, 0)
    assert (found.high or 1) < 0.3


def test_rows_that_hang_together_and_weights_are_drawn() -> None:
    sample, groups = answers((120, 200), (100, 200))
    clustered = replace(sample, units=by_group(np.arange(400) // 5))
    weighted = replace(sample, weights=np.where(np.arange(400) < 60, 3.0, 1.0))
    found, heavy = judged((clustered, groups)), judged((weighted, groups))
    assert (found.method, heavy.method) == ("bootstrap", "bootstrap")
    assert (found.low or 1) < (judged((sample, groups)).low or 0)
    assert heavy.rates["g=0"] == pytest.approx(240 / 320)

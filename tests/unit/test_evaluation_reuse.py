"""Test rows that were judged before: how many, what is left of alpha, and that adaptive choice does not get past it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from orchestrator.contracts.documents.evaluation import LOOKS, Spending
from orchestrator.contracts.evaluation import BeatsGate, GatesParams, MetricGate
from tests.unit.evaluation_samples import objective
from tests.unit.test_evaluation_paired import at_most
from tests.unit.test_gates import CLASSES, at_least
from workers.evaluation.bootstrap import far_quantile
from workers.evaluation.gates.sketch import SIZE, Sketch
from workers.evaluation.gates.verdicts import gates

ALPHA = 0.025
Floats = NDArray[np.float64]


def spending(looks: float, judgements: int | None = None) -> Spending:
    times = int(looks) if judgements is None else judgements
    return Spending(objective="Churn", rows=100, judgements=times, looks=looks, runs=("churn-1",)[:times])


# — how many rows two test sets share


@pytest.mark.parametrize("rows", [1, 40, SIZE])
def test_a_small_set_is_known_row_by_row(rows: int) -> None:
    identities = np.random.default_rng(rows).integers(0, 2**63, 2 * rows).astype(np.uint64)
    mine, other = Sketch.of(identities[:rows]), Sketch.of(identities[rows // 2 : rows // 2 + rows])
    assert mine.shared(other) == pytest.approx((rows - rows // 2) / rows)
    assert mine.shared(Sketch.of(identities[rows:])) == 0


@pytest.mark.parametrize(("rows", "others"), [(20_000, 20_000), (5_000, 30_000), (30_000, 5_000), (300, 6_000)])
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_of_large_sets_the_share_is_estimated(rows: int, others: int, share: float) -> None:
    rng = np.random.default_rng(11)
    mine = rng.integers(0, 2**63, rows).astype(np.uint64)
    common = int(share * min(rows, others))
    other = Sketch.of(np.concatenate([mine[:common], rng.integers(0, 2**63, others - common).astype(np.uint64)]))
    known = min(rows, SIZE) * min(1.0, rows / others)  # identities that both have kept
    assert Sketch.of(mine).shared(other) == pytest.approx(common / rows, abs=4 / np.sqrt(known))


def test_a_sketch_comes_back_from_text_and_a_row_twice_is_one() -> None:
    identities = np.array([5, 2**64 - 1, 5, 0], dtype=np.uint64)
    found = Sketch.of(identities)
    assert found.rows == 3
    again = Sketch.parse(found.text, found.rows)
    assert again.least.tolist() == [0, 5, 2**64 - 1]
    with pytest.raises(ValueError, match=r"[Bb]ase64"):
        Sketch.parse("%", 1)


def test_where_nothing_can_be_told_all_rows_count_as_shared() -> None:
    few, many = Sketch(np.array([900], dtype=np.uint64), 1), Sketch(np.arange(SIZE, dtype=np.uint64), 10**6)
    assert few.shared(many) == 1.0


# — what that leaves


def test_the_levels_of_all_judgements_that_answers_can_lead_to_sum_to_alpha() -> None:
    levels = [spending(looks).share for looks in range(40)]
    assert levels[:3] == [1 / 2, 1 / 8, 1 / 32]
    assert sum(2**looks * level for looks, level in enumerate(levels)) == pytest.approx(1)
    assert spending(LOOKS).left < 1e-3 < spending(LOOKS - 0.1).left
    assert [spending(looks).spent for looks in (0, 4.99, 5)] == [False, False, True]


def test_what_a_person_reads() -> None:
    assert spending(0).sentence == "nothing was judged before on these 100 test rows for Churn"
    assert spending(2).sentence == "rows of this test set were judged 2 times before for Churn: 6.25 % of alpha is left"
    assert "judged 1 time before for Churn, 0.5 times an average row: 50 %" in spending(0.5, 1).sentence


def judged(asked: tuple[MetricGate | BeatsGate, ...], looks: float | None, confidence: float = 0.95) -> list:
    asked = tuple(gate.model_copy(update={"confidence": confidence}) for gate in asked)
    params = GatesParams(gates=asked, objective=objective("accuracy", positive=1), resamples=300)
    found = gates(*CLASSES, spending=None if looks is None else spending(looks), params=params)
    return list(found.verdicts.verdicts)


ASKED = (at_least("accuracy", 0.5), at_least("roc_auc", 0.5), BeatsGate(text="b", beats="dummy"))


@pytest.mark.parametrize("gate", ASKED)
def test_gates_are_judged_at_what_is_left(gate: MetricGate | BeatsGate) -> None:
    first, third = (judged((gate,), looks)[0] for looks in (0, 2))
    (same,) = judged((gate,), None, confidence=1 - 0.05 / 2)
    assert first.evidence["low"] == same.evidence["low"]
    assert third.evidence["low"] < first.evidence["low"]
    assert (third.evidence["alpha"], third.evidence["alpha_left"]) == (ALPHA / 32, ALPHA / 16)
    assert (third.evidence["looks"], third.evidence["judgements"]) == (2, 2)
    assert third.evidence["confidence"] == pytest.approx(1 - 2 * ALPHA / 32)


def test_spent_rows_let_nothing_pass() -> None:
    for verdict in judged(ASKED, 5):
        assert not verdict.passed
        assert verdict.evidence["spent"] is True
        assert "nothing more can be shown on these test rows" in verdict.sentence
        assert "(in churn-1); let new rows into the test set" in verdict.sentence


def test_a_quantile_that_few_resamples_reach_is_led_on() -> None:
    values = np.random.default_rng(2).normal(size=2000)
    assert far_quantile(values, 0.1) == np.quantile(values, 0.1)
    for share in (1e-4, 1e-6):
        found = far_quantile(values, share), far_quantile(values, 1 - share)
        assert found == pytest.approx((stats.norm.ppf(share), stats.norm.isf(share)), rel=0.1)


# — fifty models, each chosen by what the ones before it scored

RUNS, ROWS, TRIES = 50, 300, 3000


def promoted(strategy: str, levels: list[float], seed: int) -> int:
    """How many of so many projects promote one of fifty models that gain nothing over their rival.

    A model is its gain on each test row over the rival (normal, mean 0), judged by a t-test; the strategies see every
    score on the test rows to the last digit, which is more than passed or refused.
    """
    rng = np.random.default_rng(seed)
    passed, best, top = np.zeros(TRIES, dtype=bool), np.zeros((TRIES, ROWS)), np.full(TRIES, -np.inf)
    for run, level in enumerate(levels):
        probe = rng.normal(size=(TRIES, ROWS))
        if strategy == "climb":  # a change of the best so far, kept where the score rises
            model = best + (0.5 if run else 1.0) * probe
        elif strategy == "vote":  # every second run submits the vote of all probes, each on the side that it scored on
            model = best if run % 2 else probe
        else:
            model = probe
        scores = stats.ttest_1samp(model, 0, axis=1).statistic
        passed |= scores > stats.t.isf(level, ROWS - 1)
        if strategy == "climb":
            better = scores > top
            best[better], top[better] = model[better], scores[better]
        elif strategy == "vote" and not run % 2:
            best = best + np.sign(probe.mean(axis=1, keepdims=True)) * probe
    return int(passed.sum())


def spent(runs: int) -> list[float]:
    """The level of each run by our rule."""
    accounts = [spending(looks) for looks in range(runs)]
    return [0.0 if account.spent else ALPHA * account.share for account in accounts]


@pytest.mark.parametrize("strategy", ["fresh", "climb", "vote"])
def test_fifty_adaptive_runs_on_one_test_set_promote_falsely_at_most_as_often_as_alpha(strategy: str) -> None:
    assert promoted(strategy, spent(RUNS), 20261121) <= at_most(ALPHA, TRIES)
    assert promoted(strategy, [ALPHA] * RUNS, 20261121) > 0.4 * TRIES  # without an account


def test_a_fixed_share_for_each_run_would_not_do() -> None:
    """Bonferroni's correction is for fifty models that are fixed beforehand, not for models that follow scores."""
    assert promoted("climb", [ALPHA / RUNS] * RUNS, 20261121) > 0.4 * TRIES

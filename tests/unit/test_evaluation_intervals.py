"""Intervals hold the truth as often as they say, and are not too sure of small, rare and perfect samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from orchestrator.contracts.documents.evaluation import Interval
from tests.unit.evaluation_samples import many, perfect, quantiles, ranked, values
from tests.unit.label_case import labelled
from workers.evaluation.exact import clopper_pearson, median_ranks, mid_p, newcombe_auc
from workers.evaluation.intervals import Judge, intervals, names_for, names_of
from workers.evaluation.sample import Sample
from workers.evaluation.statistics import statistic
from workers.evaluation.units import by_group, by_time

SIMULATIONS = 200
# A coverage of 95 % in 200 simulations has a standard error of 1.5 %; below 90 % (3.2 of them) something is wrong.
LEAST = 0.90


def safe_intervals(sample: Sample) -> dict[str, Interval]:
    """Those that gates are judged on."""
    return Judge(sample, names_for(sample.kind), 0.95, 200, seed=0, safe=True).all()


def interval(sample: Sample, metric: str, seed: int = 0, resamples: int = 400) -> Interval:
    names = (metric,) if sample.kind == "regression" else tuple(dict.fromkeys((metric, "accuracy")))
    return Judge(sample, names, 0.95, resamples, seed).interval(metric)


def coverage(make: Callable[[np.random.Generator], Sample], metric: str, true: float) -> float:
    rng = np.random.default_rng(sum(map(ord, metric)))
    found = [interval(make(rng), metric, seed) for seed in range(SIMULATIONS)]
    judged = [one for one in found if one.value is not None]
    return float(np.mean([one.low <= true <= (np.inf if one.high is None else one.high) for one in judged]))  # type: ignore[operator]


@pytest.mark.parametrize(("rows", "apart"), [(30, 2.9), (60, 2.9), (200, 3.3)])
def test_the_interval_of_a_nearly_perfect_area_covers_it(rows: int, apart: float) -> None:
    true = float(stats.norm.cdf(apart / np.sqrt(2)))
    assert coverage(lambda rng: ranked(rng, rows, apart=apart), "roc_auc", true) >= LEAST


def _clustered(rng: np.random.Generator, groups: int = 40, size: int = 10) -> Sample:
    """Whether a row is right hangs on its group: 80 % on average, intraclass correlation 0.4."""
    chance = np.repeat(rng.beta(1.2, 0.3, groups), size)
    right = rng.random(groups * size) < chance
    truth = (rng.random(groups * size) < 0.5).astype(float)
    guess = np.where(right, truth, 1 - truth)
    units = by_group(np.repeat(np.arange(groups), size))
    return Sample("binary", truth, guess, None, units, None, (0, 1), 1)


def test_intervals_of_grouped_rows_cover_where_row_by_row_ones_do_not() -> None:
    assert coverage(_clustered, "accuracy", 0.8) >= LEAST
    alone = coverage(lambda rng: replace(_clustered(rng), units=ranked(rng, 400).units), "accuracy", 0.8)
    assert alone < 0.80


def test_a_ranking_within_few_large_groups_is_not_taken_for_a_handful_of_rows() -> None:
    rng = np.random.default_rng(6)
    groups = by_group(np.repeat(np.arange(8), 50))
    loose = interval(replace(ranked(rng, 400, apart=2.5), units=groups), "roc_auc")
    assert loose.low is not None
    assert loose.value is not None
    assert 0.02 < loose.value - loose.low < 0.12  # as eight rows it would be 0.4


def test_rankings_of_grouped_rows_cover() -> None:
    def make(rng: np.random.Generator) -> Sample:
        given = ranked(rng, 400, apart=1.5)
        shift = np.repeat(rng.normal(size=20), 20) * 0.8  # each group's scores are off by its own amount
        return replace(
            given, ranking=np.asarray(given.scores) * 4 + shift, units=by_group(np.repeat(np.arange(20), 20))
        )

    rng = np.random.default_rng(8)
    large = [interval_value(make(rng)) for _ in range(300)]
    assert coverage(make, "roc_auc", float(np.mean(large))) >= LEAST


def interval_value(sample: Sample) -> float:
    return float(statistic("roc_auc", sample)(sample.row_weights[None, :])[0])


@pytest.mark.parametrize("positives", [3, 15, 27])
def test_a_perfect_sample_is_not_a_perfect_model(positives: int) -> None:
    told, safe = (
        intervals(perfect(30, positives), confidence=0.95, resamples=200, seed=0),
        safe_intervals(perfect(30, positives)),
    )
    for found in (told, safe):
        for name, one in found.items():
            assert one.value is not None
            width = (one.high or 0) - (one.low or 0)
            assert width > 0.03, f"{name}: [{one.low}, {one.high}] by {one.method}"
        assert found["roc_auc"].high == 1.0
    few, longer = min(positives, 30 - positives), float(stats.t.ppf(0.975, 14) / stats.norm.ppf(0.975))
    wide = newcombe_auc(1.0, 15, 15, 0.05, longer=longer)[0]  # by t further out than the safe one, which takes it in
    least = (clopper_pearson(few, few, 0.05)[0], mid_p(few, few, 0.05)[0]) if few < 10 else (wide, wide)
    assert (safe["roc_auc"].low, told["roc_auc"].low) == pytest.approx(least)


def test_a_perfect_sample_of_three_rare_rows_says_little() -> None:
    told = intervals(perfect(500, 3), confidence=0.95, resamples=200, seed=0)
    for found, tail in ((told, 0.05), (safe_intervals(perfect(500, 3)), 0.025)):  # mid-p, and exact
        assert found["recall"].low == pytest.approx(tail ** (1 / 3))
        for name in ("roc_auc", "average_precision", "f1", "precision"):
            low = found[name].low
            assert low is not None
            assert low < 0.6, name
        assert found["accuracy"].low == pytest.approx(tail ** (1 / 500))


def test_predictions_without_any_error_are_not_certain() -> None:
    truth = np.linspace(0, 10, 50)
    found = intervals(replace(values(np.random.default_rng(0), 50), truth=truth, prediction=truth), confidence=0.95,
                      resamples=100, seed=0)  # fmt: skip
    assert found["rmse"].value == 0
    assert (found["rmse"].high or 0) > 1
    assert (found["mae"].high or 0) > 0.5


def test_a_loss_that_hangs_on_one_row_has_an_upper_end_within_reason() -> None:
    sample = ranked(np.random.default_rng(4), 170, apart=3.0)
    answers = np.asarray(sample.probabilities).copy()
    wrong = int(np.flatnonzero((sample.truth == 1) & (sample.prediction == 1))[0])
    answers[wrong] = (1.0, 0.0)  # sure, and wrong
    found = interval(replace(sample, probabilities=answers), "log_loss")
    assert found.value is not None
    assert found.high is not None
    assert 3 * found.value < found.high < 3
    assert "rare errors" in found.method


@pytest.mark.parametrize("seed", range(4))
def test_where_one_row_makes_up_nearly_all_of_the_error_the_ends_stay_in_sight(seed: int) -> None:
    """Resamples without the row have hardly any standard error: R² of 0.98 had a lower end of −19, or of −10⁶."""
    rng = np.random.default_rng(seed)
    sample = values(rng, 10, noise=0.01)
    sample.prediction[3] = sample.truth[3] + 0.3
    found = {metric: interval(sample, metric) for metric in ("r2", "rmse", "mae")}
    assert 0 < (found["r2"].low or 0) < (found["r2"].value or 0) - 0.03
    assert 2 * (found["rmse"].value or 0) < (found["rmse"].high or 0) < 6.5 * (found["rmse"].value or 0)
    assert (found["mae"].high or 0) < 2
    assert "single row" in str(found["rmse"].note)


def test_perfect_groups_count_as_groups_not_rows() -> None:
    sample = replace(perfect(200, 100), units=by_group(np.arange(200) % 8))
    told = intervals(sample, confidence=0.95, resamples=200, seed=0)
    for found, method in ((told, mid_p), (safe_intervals(sample), clopper_pearson)):
        assert (found["accuracy"].low or 1) <= method(8, 8, 0.05)[0] + 1e-9
        assert (found["roc_auc"].low or 1) < 0.75


def test_undefined_metrics_say_why() -> None:
    one_class = perfect(40, 0)
    found = intervals(one_class, confidence=0.95, resamples=50, seed=0)
    for name in ("roc_auc", "recall", "precision", "f1", "average_precision", "balanced_accuracy", "mcc"):
        assert found[name].value is None, name
        assert found[name].low is None, name
        assert found[name].note, name
    zeros = replace(values(np.random.default_rng(0), 20), truth=np.zeros(20))
    unknown = intervals(zeros, confidence=0.95, resamples=50, seed=0)
    assert unknown["mape"].note == "20 rows have a true value of zero"
    assert unknown["r2"].note == "the true value is the same in all rows"
    assert intervals(replace(one_class, probabilities=None), confidence=0.95, resamples=50, seed=0)["brier"].note


def test_a_single_row_gives_no_false_certainty() -> None:
    found = intervals(values(np.random.default_rng(0), 1), confidence=0.95, resamples=50, seed=0)
    assert found["rmse"].high is None
    assert found["median_absolute_error"].high is None
    assert found["r2"].value is None


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("units", ["rows", "groups", "blocks", "weights"])
def test_every_metric_has_finite_ends_around_its_value(kind: str, units: str) -> None:
    rng = np.random.default_rng(5)
    sample = {"binary": ranked, "multiclass": many, "regression": values}[kind](rng, 120)
    if units == "weights":
        sample = replace(sample, weights=rng.random(120) + 0.2)
    elif units != "rows":
        sample = replace(sample, units=by_time(120) if units == "blocks" else by_group(np.arange(120) // 4))
    found = intervals(sample, confidence=0.95, resamples=300, seed=1)
    assert set(found) == set(names_for(sample.kind))
    for name, one in found.items():
        assert None not in (one.value, one.low, one.high), name
        assert one.low < one.value < one.high, name  # type: ignore[operator]
    assert found == intervals(sample, confidence=0.95, resamples=300, seed=1)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize("units", ["rows", "groups", "blocks"])
def test_safe_ends_lie_no_further_in_than_those_that_are_told(kind: str, units: str) -> None:
    sample = {"binary": ranked, "multiclass": many}[kind](np.random.default_rng(6), 60)
    if units != "rows":
        sample = replace(sample, units=by_time(60) if units == "blocks" else by_group(np.arange(60) // 4))
    told, safe = intervals(sample, confidence=0.95, resamples=200, seed=0), safe_intervals(sample)
    for name, one in told.items():
        assert None not in (one.low, one.high, safe[name].low, safe[name].high), name
        assert safe[name].low <= one.low < one.high <= safe[name].high, name  # type: ignore[operator]
    assert safe["accuracy"].low < told["accuracy"].low  # type: ignore[operator]


def test_lower_confidence_gives_narrower_intervals() -> None:
    sample = ranked(np.random.default_rng(2), 150)
    wide, narrow = (intervals(sample, confidence=level, resamples=500, seed=0) for level in (0.99, 0.8))
    for name in wide:
        assert (wide[name].high or 0) - (wide[name].low or 0) > (narrow[name].high or 0) - (narrow[name].low or 0), name


def test_the_median_is_held_by_order_statistics() -> None:
    for rows in (6, 7, 25, 100):
        ranks = median_ranks(rows, 0.05)
        assert ranks is not None
        inside = stats.binom.cdf(ranks[1], rows, 0.5) - stats.binom.cdf(ranks[0], rows, 0.5)
        assert inside >= 0.95
    assert median_ranks(5, 0.05) is None


def test_ten_thousand_rows_take_seconds() -> None:
    import time

    start = time.process_time()
    intervals(ranked(np.random.default_rng(0), 10_000), confidence=0.95, resamples=2000, seed=0)
    assert time.process_time() - start < 10  # 2 s when nothing else runs


@pytest.mark.parametrize("hang", ["by themselves", "in groups"])
@pytest.mark.parametrize("make", [ranked, many, quantiles, labelled])
def test_no_gate_is_judged_on_ends_that_lie_nearer_than_the_report_s(make: Callable[..., Sample], hang: str) -> None:
    sample = make(np.random.default_rng(5), 96)
    if hang == "in groups":
        sample = replace(sample, units=by_group(np.arange(96) // 4))
    told, safe = (Judge(sample, names_of(sample), 0.95, 200, seed=0, safe=safe).all() for safe in (False, True))
    for name, one in told.items():
        assert safe[name].low <= one.low, name  # type: ignore[operator]
        assert safe[name].high >= one.high, name  # type: ignore[operator]
    if sample.kind == "multilabel":  # whose gates rest on what is told
        assert safe == told
        return
    count = "coverage" if sample.quantile else "accuracy"
    assert (told[count].method, safe[count].method) in (
        ("mid-p", "clopper-pearson"),
        ("mid-p on effective counts", "korn-graubard"),
    )
    assert safe[count].low < told[count].low  # type: ignore[operator]
    assert safe[count].high > told[count].high  # type: ignore[operator]


@pytest.mark.parametrize("label", [0, 1])
def test_a_class_whose_rows_have_no_weight_is_as_one_that_has_no_rows(label: int) -> None:
    sample = ranked(np.random.default_rng(1), 100)
    weighed = replace(sample, weights=np.where(sample.truth == label, 0.0, 1.0))
    found = intervals(weighed, confidence=0.95, resamples=50, seed=1)
    assert found["roc_auc"].note == "the rows hold one class only"
    assert found["recall" if label else "specificity"].value is None
    none = intervals(replace(sample, weights=np.zeros(100)), confidence=0.95, resamples=50, seed=1)
    assert {one.note for one in none.values()} == {"the rows have no weight"}

"""How sure metrics of several labels are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from orchestrator.report.sections import label_table
from tests.unit.label_case import labelled
from workers.evaluation.differences.gain import difference
from workers.evaluation.intervals import Judge, names_for
from workers.evaluation.label_intervals import label_evidence
from workers.evaluation.sample import Sample
from workers.evaluation.units import by_group, by_row, by_time


def _near(sample: Sample, rng: np.random.Generator) -> Sample:
    chances = np.clip(np.asarray(sample.probabilities) + rng.normal(size=sample.truth.shape) * 0.02, 0, 1)
    return sample.answered((chances > 0.5).astype(float), chances)


@pytest.mark.parametrize("units", [by_row(240), by_group(np.arange(240) // 6), by_time(240)], ids=lambda one: one.kind)
def test_every_metric_has_an_interval_whatever_makes_rows_hang_together(units):
    sample = labelled(np.random.default_rng(4), 240, units=units)
    found = Judge(sample, names_for("multilabel"), 0.95, 300, 1).all()
    assert len(found) == 9
    for name, one in found.items():
        assert one.value is not None, name
        assert 0 <= one.low < one.value < one.high <= 1, (name, one)


def test_rows_that_are_all_right_leave_room_for_what_was_not_seen():
    sample = labelled(np.random.default_rng(4), 60)
    right = sample.answered(sample.truth, np.where(sample.truth == 1, 0.9, 0.1))
    for name, one in Judge(right, names_for("multilabel"), 0.95, 300, 1).all().items():
        safe, best = (one.high, 0.0) if name == "hamming_loss" else (one.low, 1.0)
        if name in ("f1_samples", "jaccard"):  # rows without any label count as 0
            best = float(right.truth.any(axis=1).mean())
        assert one.value == pytest.approx(best)
        assert abs(safe - best) > 0.015, (name, one)


def test_a_model_that_has_hardly_anything_right_is_not_taken_for_one_that_may_have_all():
    sample = labelled(np.random.default_rng(4), 60, prevalence=0.15)
    held = np.flatnonzero(sample.truth.any(axis=1))
    guess = 1 - sample.truth
    guess[held[:3]] = sample.truth[held[:3]]
    found = Judge(sample.answered(guess, None), ("f1_micro", "f1_samples"), 0.95, 400, 1).all()
    for one in found.values():
        assert (one.method, one.low) == ("bootstrap and rare rows", pytest.approx(0, abs=0.02))
        assert one.value < one.high < 0.3


def test_a_label_by_itself_is_a_binary_target():
    sample = labelled(np.random.default_rng(4), 200)
    found = label_evidence(Judge(sample, (), 0.95, 200, 1))
    assert [one.label for one in found] == list(sample.classes)
    truth, guess, chance = sample.truth[:, 1], sample.prediction[:, 1], np.asarray(sample.probabilities)[:, 1]
    expected = {
        "precision": metrics.precision_score(truth, guess),
        "recall": metrics.recall_score(truth, guess),
        "f1": metrics.f1_score(truth, guess),
        "roc_auc": metrics.roc_auc_score(truth, chance),
    }
    assert {name: one.value for name, one in found[1].metrics.items()} == pytest.approx(expected)
    assert (found[1].rows, found[1].prevalence) == (int(truth.sum()), pytest.approx(truth.mean()))
    drawn = label_table(found)
    assert drawn is not None
    assert drawn.metrics == ["ROC AUC", "F1", "precision", "recall"]


@pytest.mark.parametrize("metric", ["f1_micro", "average_precision_micro", "roc_auc_macro", "hamming_loss"])
def test_a_better_model_is_shown_to_be_better_and_an_equal_one_is_not(metric):
    rng = np.random.default_rng(6)
    mine = labelled(rng, 300)
    options = {"confidence": 0.95, "resamples": 400, "seed": 1}
    worse = mine.answered(*(1 - np.asarray(one) for one in (mine.prediction, mine.probabilities)))
    better = difference(metric, mine, worse, **options)
    assert better.low is not None
    assert better.low > 0
    assert better.method.startswith("paired bootstrap and exchange test")
    alike = difference(metric, mine, _near(mine, rng), **options)
    assert alike.low is not None
    assert alike.low < 0

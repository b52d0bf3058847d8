"""The exchange test of two models: what their difference would be if it did not matter which of them answered a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from orchestrator.contracts.metrics import metric_of
from workers.evaluation.bootstrap import Ends, far_quantile
from workers.evaluation.sample import Floats, Sample
from workers.evaluation.statistics import statistic
from workers.evaluation.units import CELLS


def exchanged(metric: str, mine: Sample, theirs: Sample, alpha: float, number: int, seed: int) -> Ends:
    """The difference, less what exchange alone adds to it at this level, and more.

    Where both models answer alike well on every row, in distribution, any exchange of their answers is as likely as
    what was seen (Fisher's permutation test on matched pairs; for rankings Venkatraman and Begg 1996, Biometrika
    83:835–848, on ranks, since scores of two models have no common scale). So the lower end is above 0 with a chance of
    at most alpha / 2, exactly, for every metric and any number of rows; for a margin it holds as far as the noise is
    the same there. Groups, and blocks in time, are exchanged as a whole.
    """
    measure, rows = statistic(metric, _stacked(metric, mine, theirs)), len(mine)
    weights = mine.row_weights
    sign = 1.0 if metric_of(metric).greater_is_better else -1.0

    def difference(swapped: Floats) -> Floats:
        own, other = weights * (1 - swapped), weights * swapped
        return sign * (measure(np.hstack([own, other])) - measure(np.hstack([other, own])))

    units, rng = _units(mine), np.random.default_rng([seed, 1])
    chunk = max(1, CELLS // (2 * rows))
    parts = [difference(np.zeros((1, rows)))]
    for start in range(0, number, chunk):
        drawn = rng.integers(0, 2, size=(min(chunk, number - start), int(units.max()) + 1))
        parts.append(difference(drawn[:, units].astype(float)))
    values = np.concatenate(parts)
    seen = float(values[0])
    reach = far_quantile(values[np.isfinite(values)], 1 - alpha / 2, "higher")
    return seen - reach, seen + reach


def _stacked(metric: str, mine: Sample, theirs: Sample) -> Sample:
    """The rows twice, with the answers of either model."""
    both = (mine, theirs)
    probabilities: Floats | None = None
    ranking: Floats | None = None
    answers = [one.probabilities for one in both if one.probabilities is not None]
    if len(answers) == len(both):
        probabilities = np.concatenate([_ranked(metric, one) for one in answers])
    orders = [one.order for one in both if one.order is not None]
    if len(orders) == len(both):
        ranking = np.concatenate([stats.rankdata(one) for one in orders])
    return replace(
        mine,
        truth=np.concatenate([one.truth for one in both]),
        prediction=np.concatenate([one.prediction for one in both]),
        probabilities=probabilities,
        ranking=ranking,
    )


def _ranked(metric: str, answers: Floats) -> Floats:
    """Probabilities as ranks, where the metric judges an order: of each class or label, or of all labels together."""
    if metric in ("roc_auc_ovr", "roc_auc_macro", "average_precision_macro"):
        return np.asarray(stats.rankdata(answers, axis=0))
    if metric == "average_precision_micro":
        return np.asarray(stats.rankdata(answers)).reshape(answers.shape)
    return answers


def _units(sample: Sample) -> NDArray[np.intp]:
    """What is exchanged together, as a code for each row."""
    if sample.units.codes is not None:
        return sample.units.codes
    return np.arange(len(sample)) // (sample.units.block if sample.units.kind == "blocks" else 1)

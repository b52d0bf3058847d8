"""Losses whose mean hangs on errors too rare to have been seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.evaluation.bootstrap import Ends
from workers.evaluation.exact import clopper_pearson
from workers.evaluation.sample import Sample
from workers.evaluation.statistics import EPSILON, losses

Floats = NDArray[np.float64]

SEEN = 5  # errors, from which on the bootstrap knows them well enough
BEYOND = 20  # rows beyond a quantile, from which on the bootstrap knows their share and size well enough
DOMINANT = 0.25  # of the sum of losses, by one row
METHOD = "bootstrap-t"


def with_rare_errors(
    name: str, sample: Sample, value: float, ends: Ends | None, alpha: float
) -> tuple[Ends | None, str, str | None]:
    """The bootstrap's ends, with the upper one raised where fewer than five wrong rows were seen.

    A model that was hardly ever wrong may be wrong in up to the Clopper–Pearson share of new rows. Those cost what the
    wrong rows cost that were seen, and one more that costs what the model's own probabilities put on the other answer
    (mean over the rows). For values, an error as wide as the range of the truth is assumed, and only where no row had
    any error at all.
    """
    wrong = _wrong(name, sample)
    rows = int(sample.units.effective) if not sample.independent else len(sample)
    if int(wrong.sum()) >= SEEN or (name in ("rmse", "mae", "mape", "pinball") and value > 0):
        return ends, METHOD, None
    share = clopper_pearson(min(float(wrong.sum()), rows), rows, alpha)[1]
    loss = losses(name, sample)
    error = (float(loss[wrong].sum()) + _loss_if_wrong(name, sample)) / (int(wrong.sum()) + 1)
    bound = _mean(loss[~wrong]) * (1 - share) + share * error
    bound = float(np.sqrt(bound)) if name == "rmse" else bound
    low, high = ends or (0.0, bound)
    seen = {0: "no wrong row was", 1: "only one wrong row was"}.get(
        int(wrong.sum()), f"only {wrong.sum()} wrong rows were"
    )
    return (
        (min(low, value), max(high, bound)),
        f"{METHOD} and rare errors",
        f"{seen} seen: the upper end allows for more",
    )


def dominated(name: str, sample: Sample) -> bool:
    """Whether a single row makes up so much of the loss that the bootstrap-t runs away.

    Resamples without the row have hardly any standard error; their pivots put the upper end at any height.
    """
    loss = losses(name, sample) * sample.row_weights
    return sample.units.draws >= 10 and bool(loss.max() > DOMINANT * loss.sum())


def few_large(name: str, sample: Sample, alpha: float) -> float:
    """An upper end for a mean that hangs on few rows: the Clopper–Pearson share of rows like the largest four."""
    loss = np.sort(losses(name, sample))[::-1]
    rows = sample.units.draws
    bounds = [0.0]
    for count in range(1, min(SEEN, rows, len(loss))):
        share = clopper_pearson(count, rows, alpha)[1]
        bounds.append(_mean(loss[:count]) * share + _mean(loss[count:]) * (1 - share))
    return float(np.sqrt(max(bounds)) if name == "rmse" else max(bounds))


def with_few_beyond(sample: Sample, value: float, ends: Ends | None, alpha: float) -> Ends | None:
    """The bootstrap's ends of a pinball loss, the upper one raised where fewer than 20 rows lie beyond the quantile.

    Those few make up most of the loss: of new rows up to their Clopper–Pearson share may lie there, and lose what they
    lose on average with one more, as bad as the worst of them and as an average error of the other rows would be.
    """
    level, short = sample.quantile or 0.5, sample.truth - sample.prediction
    beyond = short > 0 if level >= 0.5 else short < 0
    count, weights = int(beyond.sum()), sample.row_weights
    if count >= BEYOND or count == len(sample):
        return ends
    rows = sample.units.effective
    share = clopper_pearson(count * rows / len(sample), rows, alpha)[1]
    loss = losses("pinball", sample)
    others = float(np.average(loss[~beyond], weights=weights[~beyond]))
    strange = float(np.average(np.abs(short[~beyond]), weights=weights[~beyond])) * max(level, 1 - level)
    worst = max(strange, float(loss[beyond].max(initial=0.0)))
    bound = others * (1 - share) + share * (float(loss[beyond].sum()) + worst) / (count + 1)
    low, high = ends or (0.0, bound)
    return min(low, value), max(high, bound)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0


def _wrong(name: str, sample: Sample) -> NDArray[np.bool_]:
    if name in ("log_loss", "brier") and sample.probabilities is not None:
        return np.asarray(sample.probabilities.argmax(axis=1) != sample.truth)
    return np.asarray(losses(name, sample) > 0)


def _loss_if_wrong(name: str, sample: Sample) -> float:
    if sample.probabilities is None:  # values: the widest error that the truth has room for
        width = float(np.ptp(sample.truth))
        if name == "pinball" and sample.quantile is not None:
            return width * max(sample.quantile, 1 - sample.quantile)
        return width**2 if name == "rmse" else width / float(np.abs(sample.truth).min() if name == "mape" else 1.0)
    best = np.clip(sample.probabilities.max(axis=1), EPSILON, 1 - EPSILON)
    return float(np.mean(best**2 if name == "brier" else -np.log1p(-best)))

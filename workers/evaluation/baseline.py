"""The dummy: what is known without any feature."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor

from workers.evaluation.rows import TARGET, weights_of
from workers.evaluation.sample import Sample, encode
from workers.labels import decoded

Floats = NDArray[np.float64]


class Baseline(NamedTuple):
    """A constant answer learned from the training rows' targets."""

    value: (
        float | Floats
    )  # the mean, the quantile, the code of the most frequent class, or of each label what most have
    shares: Floats | None  # of the classes, or labels


def baseline(truth: Floats, weights: Floats | None, classes: int, quantile: float | None = None) -> Baseline:
    """The mean (or a quantile) of values, or the most frequent class with all classes' shares (`classes` > 0)."""
    if quantile is not None:
        dummy = DummyRegressor(strategy="quantile", quantile=quantile)
        return Baseline(float(dummy.fit(np.zeros((len(truth), 1)), truth, weights).constant_.item()), None)
    if classes == 0:
        return Baseline(float(np.average(truth, weights=weights)), None)
    counts = np.bincount(truth.astype(np.intp), weights=weights, minlength=classes)
    return Baseline(float(counts.argmax()), counts / counts.sum())


def learned_baseline(train: pd.DataFrame, sample: Sample) -> Baseline:
    """The dummy of the training rows, in the codes of the sample's classes."""
    if sample.kind == "multilabel":
        held = decoded(train[TARGET].to_numpy(), len(sample.classes))
        shares = np.average(held, axis=0, weights=weights_of(train))
        return Baseline((shares > 0.5).astype(float), shares)
    targets = train[TARGET].tolist()
    truth = encode(targets, sample.classes, "train") if sample.classes else np.array(targets, dtype=float)
    return baseline(truth, weights_of(train), len(sample.classes), sample.quantile)


def answers_of(dummy: Baseline, sample: Sample) -> Sample:
    """The sample's rows with the dummy's answers."""
    shares = None if dummy.shares is None else np.tile(dummy.shares, (len(sample), 1))
    return sample.answered(np.full(sample.truth.shape, dummy.value), shares)

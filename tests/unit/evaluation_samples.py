"""Test rows made up from known distributions, for the tests of evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.documents.data import Preparation, PreparedColumn, Scalar
from orchestrator.contracts.roles import Objective
from workers.evaluation.sample import Sample
from workers.evaluation.units import Units, by_row


def ranked(
    rng: np.random.Generator, rows: int, *, prevalence: float = 0.5, apart: float = 1.5, units: Units | None = None
) -> Sample:
    """Two normal classes `apart` standard deviations; probabilities are the true ones."""
    truth = (rng.random(rows) < prevalence).astype(float)
    signal = rng.normal(size=rows) + apart * truth
    odds = np.exp(apart * signal - apart**2 / 2) * prevalence / (1 - prevalence)
    positive = odds / (1 + odds)
    answers = np.column_stack([1 - positive, positive])
    return Sample("binary", truth, (positive > 0.5).astype(float), answers, units or by_row(rows), None, (0, 1), 1)


def perfect(rows: int, positives: int) -> Sample:
    """Every row right, and surely so."""
    truth = (np.arange(rows) < positives).astype(float)
    probability = np.where(truth == 1, 0.99, 0.01)
    return Sample("binary", truth, truth, np.column_stack([1 - probability, probability]), by_row(rows), None, (0, 1))


def values(rng: np.random.Generator, rows: int, *, noise: float = 0.5) -> Sample:
    """Values whose errors are normal with standard deviation `noise`."""
    truth = rng.normal(size=rows)
    return Sample("regression", truth, truth + rng.normal(size=rows) * noise, None, by_row(rows))


def quantiles(rng: np.random.Generator, rows: int, *, level: float = 0.9, units: Units | None = None) -> Sample:
    """Exponential errors above a signal that the model follows a little too faintly, at the level's distance."""
    signal = rng.normal(size=rows)
    answers = 0.9 * signal - np.log(1 - level)
    truth = signal + rng.exponential(size=rows)
    return Sample("regression", truth, answers, None, units or by_row(rows), quantile=level)


def many(rng: np.random.Generator, rows: int, classes: int = 3) -> Sample:
    """Classes with probabilities that lean to the truth."""
    truth = rng.integers(0, classes, rows).astype(float)
    raw = rng.random((rows, classes))
    raw[np.arange(rows), truth.astype(int)] += 0.6
    answers = raw / raw.sum(axis=1, keepdims=True)
    guess = answers.argmax(axis=1).astype(float)
    return Sample("multiclass", truth, guess, answers, by_row(rows), None, tuple(range(classes)), classes - 1)


def frame_of(features: NDArray[np.float64], target: list[Scalar]) -> pd.DataFrame:
    """A frame as `features.build` leaves it."""
    frame = pd.DataFrame(features, columns=[f"f{index}" for index in range(features.shape[1])])
    frame["__target__"] = pd.Series(target)
    return frame.rename_axis(index="row")


def rows_of(frame: pd.DataFrame, test: NDArray[np.bool_]) -> pd.DataFrame:
    """A split as `data.split` leaves it; identities are the positions."""
    parts = np.where(test, "test", "train")
    position = np.arange(len(frame))
    columns = {"identity": position.astype(np.uint64), "part": parts, "fold": np.where(test, -1, 0), "order": position}
    return pd.DataFrame(columns, index=frame.index)


def preparation_of(frame: pd.DataFrame, classes: tuple[Scalar, ...], positive: Scalar = None) -> Preparation:
    """What was resolved for the frame's features."""
    rule = ColumnPreparation(type="numeric", missing="median", scale="standard")
    named = [name for name in frame.columns if not name.startswith("__")]
    kind = {0: "regression", 2: "binary"}.get(len(classes), "multiclass")
    features = tuple(PreparedColumn(name=name, source="data", rule=rule, reason="numeric") for name in named)
    return Preparation(features=features, target_kind=kind, classes=classes, positive=positive)  # type: ignore[arg-type]


def objective(metric: str, *, classes: bool = True, positive: Scalar = None) -> Objective:
    """What is predicted."""
    return Objective(predict="y", task="classification" if classes else "regression", metric=metric, positive=positive)

"""The test rows as arrays: truth, predictions, weights, and the units that are independent of one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.roles import Costs
from workers.evaluation.units import Units

Floats = NDArray[np.float64]
Kind = Literal["binary", "multiclass", "regression", "multilabel"]
Label = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows on which a model is judged. Classes are codes: their positions in `classes`.

    Of several labels truth and prediction are rows × labels of 0 and 1, probabilities each label's own.
    """

    kind: Kind
    truth: Floats  # values, or class codes as floats
    prediction: Floats
    probabilities: Floats | None  # rows × classes
    units: Units
    weights: Floats | None = None
    classes: tuple[Label, ...] = ()
    positive: int = 1  # code of the class of interest, of a binary target
    ranking: Floats | None = None  # the decision function, where the model has one; it orders rows
    costs: Floats | None = None  # of a row, truth × prediction, where the workflow says them
    quantile: float | None = None  # of values: what is predicted, where it is not the mean

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.truth)

    @property
    def row_weights(self) -> Floats:
        """One weight per row; ones where none were given."""
        return np.ones(len(self)) if self.weights is None else self.weights

    @property
    def independent(self) -> bool:
        """Whether rows are independent and count alike, so that exact methods apply."""
        return self.units.kind == "rows" and self.weights is None

    @property
    def scores(self) -> Floats | None:
        """The probability of the positive class."""
        return None if self.probabilities is None else self.probabilities[:, self.positive]

    @property
    def order(self) -> Floats | None:
        """What ranks the rows from negative to positive: the decision function, else the probability."""
        return self.scores if self.ranking is None else self.ranking

    def answered(self, prediction: Floats, probabilities: Floats | None, ranking: Floats | None = None) -> Sample:
        """The same rows with another model's answers."""
        return replace(self, prediction=prediction, probabilities=probabilities, ranking=ranking)

    def take(self, mask: NDArray[np.bool_]) -> Sample:
        """Some of the rows."""
        return replace(
            self,
            truth=self.truth[mask],
            prediction=self.prediction[mask],
            probabilities=None if self.probabilities is None else self.probabilities[mask],
            ranking=None if self.ranking is None else self.ranking[mask],
            weights=None if self.weights is None else self.weights[mask],
            units=self.units.take(mask),
        )


def encode(values: Sequence[Label], classes: tuple[Label, ...], where: str) -> Floats:
    """Class labels as positions in `classes`; equal numbers of different types are the same class."""
    lookup = {label: code for code, label in enumerate(classes)}
    try:
        return np.array([lookup[value] for value in values], dtype=float)
    except KeyError as missing:
        known = ", ".join(map(str, classes))
        raise DataError(f"{where}: the class {missing} is none of those that the model knows ({known})") from None


def sample_from(
    predictions: pd.DataFrame,
    *,
    kind: Kind,
    classes: tuple[Label, ...] = (),
    positive: Label = None,
    units: Units,
    weights: Floats | None = None,
    costs: Costs | None = None,
    quantile: float | None = None,
) -> Sample:
    """The table that `evaluate` leaves (`truth`, `prediction`, `probability_<i>`, `score`) as arrays.

    Of several labels: `truth_<label>`, `prediction_<label>`, `probability_<label>`.
    """
    if kind == "multilabel":
        answers = label_columns(predictions, classes)
        return Sample(kind, _by_label(predictions, "truth", classes), *answers, units, weights, classes)
    probabilities = _probabilities(predictions, len(classes))
    if kind == "regression":
        truth, prediction = (predictions[name].to_numpy(dtype=float) for name in ("truth", "prediction"))
    else:
        truth = encode(predictions["truth"].tolist(), classes, "truth")
        prediction = encode(predictions["prediction"].tolist(), classes, "prediction")
    ranking = predictions["score"].to_numpy(dtype=float) if "score" in predictions.columns else None
    code = positive_code(classes, positive)
    prices = None if costs is None or kind != "binary" else priced(costs, code, len(classes))
    return Sample(kind, truth, prediction, probabilities, units, weights, classes, code, ranking, prices, quantile)


def label_columns(answers: pd.DataFrame, labels: tuple[Label, ...]) -> tuple[Floats, Floats | None]:
    """Predictions and, where the model gives them, probabilities of several labels, as rows × labels."""
    known = f"probability_{labels[0]}" in answers.columns
    chances = _by_label(answers, "probability", labels) if known else None
    return _by_label(answers, "prediction", labels), chances


def _by_label(predictions: pd.DataFrame, part: str, labels: tuple[Label, ...]) -> Floats:
    return predictions[[f"{part}_{label}" for label in labels]].to_numpy(dtype=float)


def priced(costs: Costs, positive: int, classes: int) -> Floats:
    """Costs as a matrix, truth × prediction; a class that only test rows have counts as negative."""
    mine = np.arange(classes) == positive
    table = np.array(
        [[costs.true_negative, costs.false_positive], [costs.false_negative, costs.true_positive]], dtype=float
    )
    return np.asarray(table[np.ix_(mine.astype(int), mine.astype(int))])


def _probabilities(predictions: pd.DataFrame, classes: int) -> Floats | None:
    """Rows × classes; a class that only test rows have was given no probability by the model."""
    known = [name for name in map("probability_{}".format, range(classes)) if name in predictions.columns]
    if not known:
        return None
    missing = np.zeros((len(predictions), classes - len(known)))
    return np.column_stack([predictions[known].to_numpy(dtype=float), missing])


def positive_code(classes: tuple[Label, ...], positive: Label) -> int:
    """The position of the class of interest; the last class when none is named."""
    return classes.index(positive) if positive is not None and positive in classes else max(len(classes) - 1, 0)

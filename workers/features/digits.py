"""What float32 loses of a column's numbers: it keeps about seven digits, and its squares end at 3e38."""

from __future__ import annotations

from typing import Any

import pandas as pd

from orchestrator.contracts.documents.data import Preparation, PreparedColumn
from orchestrator.contracts.errors import DataError
from workers.features.rowwise import LARGEST, featurize

WORTH_A_WORD = 0.1  # share of a column's distinct values


def with_digits(training: pd.DataFrame, preparation: Preparation) -> Preparation:
    """The preparation, its reasons saying of which columns float32 cannot tell the values apart.

    Raises DataError naming a column with numbers in the training rows that float32 would take for missing.
    """
    exact = featurize(training, preparation.model_copy(update={"dtype": None, "derive": {}}))
    features = tuple(_told(column, exact[column.name]) for column in preparation.features)
    return preparation.model_copy(update={"features": features})


def _told(column: PreparedColumn, values: pd.Series[Any]) -> PreparedColumn:
    if column.rule.type != "numeric":
        return column
    largest = values.abs().max()
    if largest >= LARGEST["float32"]:
        raise DataError(
            f"features: {column.name!r} holds numbers up to {largest:.3g}, too large for float32 "
            "(divide it in features.derive, or take train.dtype out)"
        )
    lost = 1 - values.astype("float32").nunique() / max(1, values.nunique())
    if lost < WORTH_A_WORD:
        return column
    return column.model_copy(
        update={"reason": f"{column.reason}; float32 cannot tell {lost:.0%} of its values from others"}
    )

"""Whether prepared rows are better kept as a sparse matrix."""

from __future__ import annotations

import warnings

import pandas as pd
from scipy import sparse

from orchestrator.contracts.documents.data import Preparation
from workers.features.preparation import feature_columns, learned

DENSEST = 0.1  # share of cells that are not zero: a sparse matrix takes 12 bytes for each (8 of float32), a dense one 8


def density(training: pd.DataFrame, preparation: Preparation) -> float:
    """The share of the prepared training rows' cells that are not zero; 1 where no column becomes many.

    `training` is the frame of features and `__target__`, its training rows alone.
    """
    if not any(column.rule.type == "text" or column.rule.encode == "onehot" for column in preparation.features):
        return 1.0
    transformer = learned(preparation.model_copy(update={"sparse": True}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the trials tell theirs
        made = transformer.fit_transform(training[feature_columns(preparation)], training["__target__"].to_numpy())
    return made.nnz / (made.shape[0] * made.shape[1]) if sparse.issparse(made) else 1.0

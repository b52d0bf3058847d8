"""The champion on the test rows, which nothing has touched before."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from sklearn.base import BaseEstimator

from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.documents.evaluation import Details, Evaluation
from orchestrator.contracts.environment import environment
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.evaluation import EvaluateParams
from workers.evaluation.judging import judge
from workers.evaluation.rows import part, units_of
from workers.evaluation.slices import columns_of
from workers.runtime.context import StageContext


class EvaluateOutputs(NamedTuple):
    """The evidence, the predictions that it rests on, and what the model leans on and bears."""

    evaluation: Evaluation
    predictions: pd.DataFrame
    details: Details


def evaluate(
    model: BaseEstimator,
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    preparation: Preparation,
    prepared: pd.DataFrame | None = None,
    *,
    params: EvaluateParams,
    context: StageContext | None = None,
) -> EvaluateOutputs:
    """Everything that an evaluation holds, on the rows of part "test".

    `prepared` is the table that slices are made of, where the workflow asks for some.
    """
    if context is not None:
        context.measure("environment", environment())
    test, train = part(frame, rows, "test"), part(frame, rows, "train")
    if test.empty:
        raise DataError("evaluate: no test row has a target: raise split.test, or look at what prepare drops")
    columns = columns_of(prepared, test, params.slices)
    judged = judge(model, test, units_of(test, rows), preparation, train=train, columns=columns, params=params)
    return EvaluateOutputs(*judged)

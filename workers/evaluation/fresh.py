"""evaluate.fresh: a registered version on labelled rows from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from orchestrator.contracts.documents.evaluation import Details, Evaluation
from orchestrator.contracts.environment import environment
from orchestrator.contracts.evaluation import FreshParams
from workers.evaluation.registered import Given, judge_in_own_process, judge_registered
from workers.packaging.bundle import described
from workers.runtime.context import StageContext


class FreshOutputs(NamedTuple):
    """The evidence, the predictions that it rests on, and what the model leans on and bears."""

    evaluation: Evaluation
    predictions: pd.DataFrame
    details: Details


def fresh(
    bundle: Path,
    table: pd.DataFrame,
    trained: pd.DataFrame,
    before: Evaluation | None = None,
    frame: pd.DataFrame | None = None,
    *,
    params: FreshParams,
    context: StageContext,
) -> FreshOutputs:
    """What evaluation holds, of the rows that the version was not trained on.

    `table` is as ingested; `trained` the split of the training run, `before` its evaluation, and `frame` its frame, of
    which the dummy learns. A bundle with a team's own code is judged in a process of its own.
    """
    context.measure("environment", environment())
    given = Given(bundle, table, trained, before, frame, params)
    own = described(bundle)[1]
    found = judge_in_own_process(given, context.workdir) if own else judge_registered(given)
    context.measure("performance", found.performance.model_dump(mode="json"))
    for note in found.evaluation.notes:
        context.log.info("%s", note)
    return FreshOutputs(found.evaluation, found.predictions, found.details)

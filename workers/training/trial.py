"""train.trial: one candidate with one set of parameters, scored on every fold."""

from __future__ import annotations

from typing import NamedTuple

from sklearn.base import clone

from orchestrator.contracts.documents.data import Preparation, SplitSummary
from orchestrator.contracts.documents.training import TrialResult
from orchestrator.contracts.training import TrialParams
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.interruption import StageCancelled
from workers.training.estimators import build
from workers.training.folds import prepared_folds
from workers.training.scored import Scored, measure, score_fold, scored_result


class TrialOutputs(NamedTuple):
    """What a trial leaves."""

    result: TrialResult


def trial(
    frame: Artifact,
    rows: Artifact,
    preparation: Preparation,
    summary: SplitSummary,
    *,
    params: TrialParams,
    context: StageContext,
) -> TrialOutputs:
    """Fit the pipeline on each fold's training rows and score it on its validation rows.

    The scores are those of scikit-learn's cross_validate on the same pipeline, frame and folds. A metric that is
    undefined on a fold fails the trial: a mean over the other folds would compare trials on different rows. On a rung
    whose resource is rows the estimator sees a share of the fold's training rows; the preparation has seen them all.
    """
    estimator = build(params)
    folds = prepared_folds(frame, rows, preparation, summary, context)
    scored: list[Scored] = []
    for fold in folds:
        if context.cancelled:
            raise StageCancelled
        scored.append(score_fold(clone(estimator), fold, preparation, params))
        context.progress(len(scored) / summary.folds)
    measure(scored, context)
    return TrialOutputs(scored_result(scored, params))

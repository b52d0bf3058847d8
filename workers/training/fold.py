"""train.fold: one fold of a trial, where each has a stage of its own."""

from __future__ import annotations

from typing import NamedTuple

from sklearn.base import clone

from orchestrator.contracts.documents.data import Preparation, SplitSummary
from orchestrator.contracts.documents.training import FoldScore
from orchestrator.contracts.training import FoldParams
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.training.estimators import build
from workers.training.folds import prepared_folds
from workers.training.scored import measure, score_fold


class FoldOutputs(NamedTuple):
    """What a fold leaves."""

    score: FoldScore


def fold(
    frame: Artifact,
    rows: Artifact,
    preparation: Preparation,
    summary: SplitSummary,
    *,
    params: FoldParams,
    context: StageContext,
) -> FoldOutputs:
    """Fit and score the trial on this fold alone, as `train.trial` does on one after the other."""
    estimator = build(params)
    taken = prepared_folds(frame, rows, preparation, summary, context).at(params.fold)
    scored = score_fold(clone(estimator), taken, preparation, params)
    measure([scored], context)
    return FoldOutputs(FoldScore(score=scored.score, warnings=scored.warnings))

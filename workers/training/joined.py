"""train.joined: a trial whose folds had a stage each, as the document that it would have left in one."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.contracts.documents.training import FoldScore, TrialResult
from orchestrator.contracts.training import TrialParams
from workers.training.result import result_of


class JoinedOutputs(NamedTuple):
    """What a trial leaves."""

    result: TrialResult


def joined(folds: list[FoldScore], *, params: TrialParams) -> JoinedOutputs:
    """Bring the scores of all folds together, in their order. What they took stands with their stages."""
    warnings = (text for fold in folds for text in fold.warnings)
    return JoinedOutputs(result_of(params, [fold.score for fold in folds], warnings))

"""The document of a trial that was scored on all folds; light, since no estimator is needed for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from orchestrator.contracts.documents.training import TrialResult
from orchestrator.contracts.training import TrialParams


def result_of(params: TrialParams, scores: Sequence[float], notes: Iterable[str] = ()) -> TrialResult:
    """Scores in the order of the folds; each warning once."""
    return TrialResult(
        candidate=params.candidate,
        estimator=params.estimator,
        index=params.index,
        params=params.params,
        metric=params.objective.metric,
        scores=tuple(scores),
        mean=float(np.mean(scores)),
        std=float(np.std(scores)),
        warnings=tuple(dict.fromkeys(notes)),
        rung=params.rung,
    )

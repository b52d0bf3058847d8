"""train.trials: several small trials of one candidate under one claim, which costs more than any of them."""

from __future__ import annotations

import time
from typing import NamedTuple

from sklearn.base import BaseEstimator, clone

from orchestrator.contracts.documents.data import Preparation, SplitSummary
from orchestrator.contracts.documents.training import TrialFailure, TrialsResult
from orchestrator.contracts.errors import CycleryError, LimitExceeded, RequirementMissing, TransientError
from orchestrator.contracts.training import TrialParams, TrialsParams
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.failures import describe
from workers.runtime.interruption import StageCancelled
from workers.training.estimators import build
from workers.training.folds import PreparedFold, prepared_folds
from workers.training.scored import Scored, peak_memory_mb, score_fold, scored_result

_OF_THE_STAGE = (TransientError, RequirementMissing, LimitExceeded)  # errors that are no trial's own


class TrialsOutputs(NamedTuple):
    """What the trials leave."""

    results: TrialsResult


def trials(
    frame: Artifact,
    rows: Artifact,
    preparation: Preparation,
    summary: SplitSummary,
    *,
    params: TrialsParams,
    context: StageContext,
) -> TrialsOutputs:
    """Score each trial on every fold, as `train.trial` does; one that fails is recorded and the others go on.

    Folds are taken one after the other, each for all trials. What a trial took is measured in `trials`: seconds in
    all, fitting and scoring, in the order of the trials.
    """
    asked = [_Asked(one) for one in params.each()]
    folds = prepared_folds(frame, rows, preparation, summary, context)
    steps, done = len(asked) * summary.folds, 0
    for fold in folds:
        for one in asked:
            if context.cancelled:
                raise StageCancelled
            one.score(fold, preparation, context)
            done += 1
            context.progress(done / steps)
    failures = tuple(one.failure for one in asked if one.failure is not None)
    _measure(asked, len(failures), context)
    results = tuple(scored_result(one.scored, one.params) for one in asked if one.failure is None)
    return TrialsOutputs(TrialsResult(results=results, failures=failures))


class _Asked:
    """One of the trials: what is known of it so far."""

    def __init__(self, params: TrialParams) -> None:
        self.params = params
        self.scored: list[Scored] = []
        self.failure: TrialFailure | None = None
        self.seconds = 0.0
        self._estimator: BaseEstimator | None = None

    def score(self, fold: PreparedFold, preparation: Preparation, context: StageContext) -> None:
        """Score it on a fold, unless it has failed."""
        if self.failure is not None:
            return
        started = time.perf_counter()
        try:
            if self._estimator is None:
                self._estimator = build(self.params)
            self.scored.append(score_fold(clone(self._estimator), fold, preparation, self.params))
        except _OF_THE_STAGE:
            raise
        except (CycleryError, MemoryError) as error:
            if isinstance(error, MemoryError):
                context.forget()  # this host may have more the next time
            told = describe(error)
            context.log.warning("%s", told.message)
            self.failure = TrialFailure(
                index=self.params.index, family=told.family, message=told.message, frames=told.frames
            )
        self.seconds += time.perf_counter() - started


def _measure(asked: list[_Asked], failed: int, context: StageContext) -> None:
    taken = [(one.seconds, sum(f.fit_s for f in one.scored), sum(f.score_s for f in one.scored)) for one in asked]
    context.measure("fit_seconds", sum(fit for _, fit, _ in taken))
    context.measure("score_seconds", sum(score for _, _, score in taken))
    context.measure("peak_memory_mb", peak_memory_mb())
    context.measure("failed", failed)
    context.measure("trials", [[round(one, 6) for one in three] for three in taken])

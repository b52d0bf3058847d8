"""How the engine treats each kind of stage."""

from __future__ import annotations

from orchestrator.contracts.calls import Hold, Policy
from orchestrator.spec.models import Approve, CustomStage, Spec
from orchestrator.spec.train import Train

SMALL_BYTES = 4 * 2**20  # source bytes × folds × trials that one message may carry
WIDTH = 16  # messages that a search is spread over at least, so that pools stay busy
MOST = 16  # trials in one message, so that one loss repeats little


def trial_policy(train: Train, trials: int, source_bytes: int) -> Policy:
    """Failures are borne, the choice after them judges; small trials share messages."""
    return Policy(
        tolerate=True,
        timeout_s=train.timeout,
        memory_mb=train.memory,
        batch=trial_batch(trials, source_bytes, train.search.folds),
    )


def feasibility_policy(spec: Spec) -> Policy:
    """The limits of one trial; a failure is borne unless the run waits for the verdict."""
    required = spec.objective.require is not None
    return Policy(tolerate=not required, timeout_s=spec.train.timeout, memory_mb=spec.train.memory)


def trial_batch(trials: int, source_bytes: int, folds: int) -> int:
    """How many trials one message may carry.

    As many as read at most 4 MiB together (source bytes × folds each), at most 16, and never so many that a search
    makes fewer than 16 messages: a message costs about as much as fitting a small model once.
    """
    affordable = SMALL_BYTES // max(1, source_bytes * folds)
    return max(1, min(affordable, trials // WIDTH, MOST))


def together_policy(train: Train, trials: int) -> Policy:
    """As for one trial, with the time of all."""
    return Policy(tolerate=True, timeout_s=train.timeout * trials)


def joined_policy(folds: int) -> Policy:
    """A trial whose folds have a stage each fails where one of them does, which is borne as any trial's failure."""
    return Policy(tolerate=True, min_success=folds)


def segment_policy(train: Train) -> Policy:
    """The limits of one trial hold for a stage of segments; where it fails, its segments are done without."""
    return Policy(tolerate=True, timeout_s=train.timeout, memory_mb=train.memory)


def search_policy(trials: int) -> Policy:
    """A step of a search goes on however many of its trials failed."""
    return Policy(max_failures=trials)


def select_policy(train: Train) -> Policy:
    """The join after the trials: one success is enough unless the spec asks for more."""
    return Policy(
        timeout_s=train.timeout,
        memory_mb=train.memory,
        min_success=train.min_success or 1,
        max_failures=train.max_failures,
    )


def approve_policy(approve: Approve) -> Policy:
    """Held for a person, until its deadline."""
    return Policy(hold=Hold(deadline_s=approve.deadline, otherwise=approve.otherwise))


def custom_policy(stage: CustomStage, *, joins: bool) -> Policy:
    """The limits that the spec gives; after a search it bears failed trials as `select` does."""
    return Policy(timeout_s=stage.timeout, memory_mb=stage.memory, min_success=1 if joins else None)

"""The states of stages and runs, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class StageState(StrEnum):
    """Where a stage stands; the ledger's scripts use the same words."""

    WAITING = "waiting"  # for the stages before it
    HELD = "held"  # for a person: no message, no slot
    READY = "ready"  # to be claimed: rung, parked behind its run's window, or backing off
    RUNNING = "running"  # under a lease
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"  # a person said no
    SKIPPED = "skipped"  # something before it did not succeed
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can follow in this generation of the run."""
        return not STAGE_TRANSITIONS[self]


_STOPPED = frozenset({StageState.SKIPPED, StageState.CANCELLED})

STAGE_TRANSITIONS: dict[StageState, frozenset[StageState]] = {
    StageState.WAITING: frozenset({StageState.READY, StageState.HELD}) | _STOPPED,
    StageState.HELD: frozenset({StageState.DONE, StageState.READY, StageState.REJECTED}) | _STOPPED,
    StageState.READY: frozenset({StageState.RUNNING, StageState.FAILED}) | _STOPPED,
    StageState.RUNNING: frozenset({StageState.READY, StageState.DONE, StageState.FAILED}) | _STOPPED,
    StageState.DONE: frozenset(),
    StageState.FAILED: frozenset(),
    StageState.REJECTED: frozenset(),
    StageState.SKIPPED: frozenset(),
    StageState.CANCELLED: frozenset(),
}


class RunStatus(StrEnum):
    """How a run stands, as documents and exit codes say it."""

    RUNNING = "running"
    HELD = "held"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the run will not move again by itself or by a decision."""
        return self not in (RunStatus.RUNNING, RunStatus.HELD)


EXIT_CODES: dict[RunStatus, int] = {
    RunStatus.RUNNING: 0,
    RunStatus.SUCCEEDED: 0,
    RunStatus.FAILED: 1,  # 2 when the data broke its checks
    RunStatus.REFUSED: 3,
    RunStatus.HELD: 4,
    RunStatus.CANCELLED: 7,
}

"""One stage under way in this child: its limits, what happened to it, and how it can be stopped."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Literal, Protocol

from orchestrator.contracts.calls import Policy
from orchestrator.engine.messages import Lease
from workers.runtime.job import Job, Outcome

Ending = Literal["cancelled", "lost", "returned"]
GRACE_S = 5.0  # between asking a stage to stop and ending its process


class Body(Protocol):
    """Whatever executes the stage: this process itself, or a guest."""

    def run(self, job: Job, running: Running) -> Outcome:
        """Execute the stage and wait for its end."""

    def soft_limit(self) -> None:
        """Raise StageTimeout inside the stage."""

    def stop(self) -> None:
        """Raise StageCancelled inside the stage."""

    def kill(self, running: Running) -> None:
        """End the stage at once, for the reason that `running` holds."""

    def memory(self) -> int:
        """Resident memory, bytes."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A hard limit that a stage has passed."""

    family: Literal["timeout", "memory"]
    message: str


@dataclass(slots=True)
class Running:
    """Shared by the thread that runs the stage and the one that keeps its lease."""

    lease: Lease
    attempt: int
    policy: Policy
    body: Body
    started: float = field(default_factory=time.monotonic)
    share: float | None = None  # progress
    ending: Ending | None = None  # asked to stop, and why
    exceeded: Exceeded | None = None  # over a hard limit
    asked: float | None = None  # when it was asked to stop
    soft_done: bool = False
    over: bool = False  # the function has returned: only the lease is kept
    peak: int = 0  # the most memory seen, bytes
    _reporter: threading.Lock = field(default_factory=threading.Lock)

    def progress(self, share: float) -> None:
        """Take the share of the work that is done; the next heartbeat tells it."""
        self.share = share

    @property
    def cancelled(self) -> bool:
        """Whether the stage should stop."""
        return self.ending is not None

    @property
    def seconds(self) -> float:
        """Since the claim."""
        return time.monotonic() - self.started

    def report_once(self) -> bool:
        """Whether the caller is the first who reports the stage's end: the others must not."""
        return self._reporter.acquire(blocking=False)

    def end(self, ending: Ending) -> None:
        """Ask the stage to stop, once."""
        if self.ending is None:
            self.ending = ending
            self.asked = time.monotonic()
            if not self.over:
                self.body.stop()

    def enforce(self) -> None:
        """Hold the stage to its limits; the heartbeat's thread calls this a few times a second."""
        if self.over:
            return
        policy, seconds = self.policy, self.seconds
        if self.asked is not None and time.monotonic() - self.asked > GRACE_S:
            self.body.kill(self)
        elif seconds > policy.timeout_s:
            self._exceed("timeout", f"ran longer than its limit of {policy.timeout_s:g} s")
        elif policy.soft_timeout_s is not None and seconds > policy.soft_timeout_s and not self.soft_done:
            self.soft_done = True
            self.body.soft_limit()
        self._enforce_memory()

    def _enforce_memory(self) -> None:
        used = self.body.memory()
        self.peak = max(self.peak, used)
        limit = self.policy.memory_mb
        if limit is not None and used > limit * 2**20:
            self._exceed("memory", f"used {used / 2**20:.0f} MB of memory, its limit is {limit} MB")

    def _exceed(self, family: Literal["timeout", "memory"], what: str) -> None:
        if self.exceeded is None:
            remedy = "raise the limit in the workflow, or give the stage less to do"
            self.exceeded = Exceeded(family, f"stage {self.lease.stage} {what}: {remedy}")
        self.body.kill(self)

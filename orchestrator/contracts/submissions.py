"""What the store keeps of a submission: enough to run it again when Redis, and the run with it, is lost."""

from __future__ import annotations

from orchestrator.contracts.calls import Plan
from orchestrator.contracts.records import RECORD_VERSION, Record


class SubmissionRecord(Record):
    """One generation of a run as it was asked for; its plan names sources and code by digest."""

    version: int = RECORD_VERSION
    run: str
    generation: int = 1
    author: str = "unknown"
    created: float  # of the run's first generation, on Redis's clock
    submitted: float  # of this one
    seed: int = 0
    plan_digest: str
    plan: Plan

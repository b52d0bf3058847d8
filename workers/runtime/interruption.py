"""What is raised inside a running stage from outside."""

from __future__ import annotations

from orchestrator.contracts.errors import LimitExceeded

SOFT_LIMIT = "the soft time limit has passed: raise the limit, or give the stage less to do"


class StageTimeout(LimitExceeded):
    """The soft time limit has passed: clean up and raise, before the hard limit ends the process."""


class StageCancelled(BaseException):
    """The run is being stopped, or the stage has gone to another worker. No `except Exception` keeps it back."""

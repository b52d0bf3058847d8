"""Patience with a Redis that went away: a command is sent again for so long, and whoever waits is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from orchestrator.contracts.text import first_line

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 1.0
SPEAK_AFTER_S = 2.0  # a restart of Redis is over before; a command that hangs is told of well within five seconds

Told = Callable[[str], None]
Answer = TypeVar("Answer")


def silent(_: str) -> None:
    """Tells nobody."""


class Patience(Retry):
    """Sends a command again until `seconds` have passed since it was first sent; a refused password is final.

    redis-py counts attempts instead, of which each may take a whole timeout, and nests those of connecting in those of
    sending: three seconds become half a minute.
    """

    def __init__(self, seconds: float, where: str, told: Told = silent) -> None:
        super().__init__(ExponentialBackoff(cap=LONGEST_BACKOFF_S, base=FIRST_BACKOFF_S), -1)
        self.seconds, self._where, self._told = seconds, where, told

    def __deepcopy__(self, _memo: dict[int, Any]) -> Patience:
        """Each connection takes a copy of its own: this one holds nothing that they could disturb."""
        return self

    def call_with_retry(self, do: Callable[[], Answer], fail: Callable[..., Any], *args: Any, **options: Any) -> Answer:
        """The answer of `do`, which is tried again after a failure of the connection."""
        began = time.monotonic()
        spoken = False

        def failed(error: Exception, *count: int) -> None:
            nonlocal spoken
            fail(error, *count)
            waited = time.monotonic() - began
            if isinstance(error, AuthenticationError) or waited >= self.seconds:
                raise error
            if waited >= SPEAK_AFTER_S and not spoken:
                spoken = True
                left = self.seconds - waited
                self._told(f"{self._where} does not answer ({first_line(error)}): trying for another {left:.0f} s …")

        return super().call_with_retry(do, failed, *args, **options)

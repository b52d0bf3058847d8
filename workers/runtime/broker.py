"""Celery's connection to Redis, as a worker waits for it."""

from __future__ import annotations

from typing import Any

from kombu.connection import Connection

PAUSES = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 3.0}  # seconds


class PromptConnection(Connection):
    """Looks for a lost Redis every few seconds: kombu's own pause grows to half a minute, in which nothing runs."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """Wait until the broker answers."""
        return super().ensure_connection(*args, **PAUSES | options)  # type: ignore[no-untyped-call]

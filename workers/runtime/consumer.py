"""Celery's consumer, polite about tasks that a newer release sends: given back, not dropped with a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.message import Message

log = logging.getLogger(__name__)

Refuse = Callable[[str, list[str], str, str], None]  # run, stages, the message's task, its stamp


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Hands messages of unknown tasks to the app's `refuse`, which must not wait: this is the worker's main loop."""

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """A message whose task this release does not have."""
        try:
            _, words, _ = message.payload
            self.app.refuse(words["run"], list(words["stages"]), message.headers["task"], _stamp(message))
        except (KeyError, TypeError, ValueError):  # none of the ledger's
            super().on_unknown_task(body, message, exc)
        else:
            message.ack_log_error(log, self.connection_errors)


def _stamp(message: Message) -> str:
    return str(message.headers.get("stamp") or "0")

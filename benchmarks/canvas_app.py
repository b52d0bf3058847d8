"""The app of the canvas side: Cyclery's own Celery settings with a result backend, or Celery at its fastest."""

from __future__ import annotations

import os

from celery import Celery

from orchestrator.engine.app import configuration
from orchestrator.settings import Settings


def _same_conditions() -> Celery:
    app = Celery("canvas", broker=os.environ["CANVAS_BACKEND"])
    app.conf.update(configuration(Settings()))
    app.conf.update(result_backend=os.environ["CANVAS_BACKEND"], task_ignore_result=False)
    return app


def _fastest() -> Celery:
    app = Celery("fastest", broker=os.environ["CANVAS_BACKEND"], backend=os.environ["CANVAS_BACKEND"])
    app.conf.update(worker_prefetch_multiplier=16, worker_send_task_events=False, task_send_sent_event=False)
    return app


app = _fastest() if os.environ.get("CANVAS_FASTEST") else _same_conditions()


@app.task(name="noop")
def noop() -> int:
    """A stage that does nothing."""
    return 1


@app.task(name="join")
def join(parts: list[int]) -> int:
    """The end of a fan-out."""
    return len(parts)

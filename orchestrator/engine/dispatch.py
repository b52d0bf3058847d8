"""Ringing doorbells: what the ledger made ready becomes Celery messages."""

from __future__ import annotations

from collections.abc import Iterable

from celery import Celery

from orchestrator.engine.messages import Bell

BATCH = 500  # messages that one pipeline carries
BACKSTOP_S = 60.0  # beyond a stage's own limit, until Celery kills the process


def ring(app: Celery, bells: Iterable[Bell]) -> int:
    """Publish one message for each bell; answers how many. Losing or doubling one does no harm.

    Raises kombu.exceptions.OperationalError when the broker cannot be reached; the reconciler rings again.
    """
    waiting = list(bells)
    if not waiting:
        return 0
    # A batch of one is worth it too: the message and its event go in one round trip.
    with app.producer_or_acquire() as producer, producer.batch(max_size=BATCH):
        for bell in waiting:
            _publish(app, producer, bell)
    return len(waiting)


def _publish(app: Celery, producer: object, bell: Bell) -> None:
    limit = bell.timeout_s * len(bell.stages) + BACKSTOP_S if bell.timeout_s else None
    app.send_task(
        bell.task,
        kwargs={"run": bell.run, "stages": list(bell.stages)},
        task_id=bell.task_id,
        queue=bell.queue,
        shadow=bell.shadow,
        time_limit=limit,
        headers={"stamp": bell.stamp},
        producer=producer,
        ignore_result=True,
    )

"""Watching a run to its end, through outages of Redis: the run goes on, and so does whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from orchestrator.cli.output import Output
from orchestrator.contracts.errors import Unreachable

if TYPE_CHECKING:
    from orchestrator.client.client import Client
    from orchestrator.client.run import Run
    from orchestrator.client.waiting import Waiting
    from orchestrator.contracts.records import RunRecord

INTERRUPTED = 130
OUTAGE_S = 1800.0  # that a watcher sits through, before it ends and says how to come back
LOOK_EVERY_S = 1.0

Item = TypeVar("Item")


def follow(output: Output, client: Client, run: Run) -> int:
    """Show a run until it ends or is held; its exit code."""
    from orchestrator.cli.summary import exit_code, show_end

    try:
        record = watched(output, client, run)
        (document,) = through_outages(output, run.id, lambda: iter([run.document(report=True, record=record)]))
    except KeyboardInterrupt:
        output.say(f"\nDetached; {run.id} goes on. Back: cyclery watch {run.id} · stop it: cyclery cancel {run.id}")
        if output.as_json:
            output.document(run.document())
        return INTERRUPTED
    if output.as_json:
        output.document(document)
    else:
        show_end(output, record, document)
    return exit_code(record)


def watched(output: Output, client: Client, run: Run) -> RunRecord:
    """Show a run's progress until it ends or is held."""
    from orchestrator.cli.live import progress

    with progress(output, client) as show:
        client.session().hurry()
        for record, waiting in through_outages(output, run.id, lambda: _steps(run)):
            show(record, [one.message for one in waiting])
    return record


def _steps(run: Run) -> Iterator[tuple[RunRecord, tuple[Waiting, ...]]]:
    for record in run.follow():
        yield record, run.waiting(record)


def through_outages(output: Output, run: str, begin: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """What `begin` yields, which is begun again once Redis is back; says that it is away, and that it is back.

    Raises Unreachable, with the way back, when it stays away for `OUTAGE_S`.
    """
    away: float | None = None
    while True:
        try:
            for item in begin():
                if away is not None:
                    output.say(f"Connected again; {run} is being watched")
                    away = None
                yield item
            return
        except outages() as error:
            now = time.monotonic()
            problem = str(error) if isinstance(error, Unreachable) else f"Redis is away ({error})"
            if away is None:
                away = now
                output.say(f"{problem}; {run} goes on, and so does this command as soon as it can")
            if now - away > OUTAGE_S:
                raise Unreachable(f"{problem}; {run} goes on without this command: cyclery watch {run}") from error
            time.sleep(LOOK_EVERY_S)


def outages() -> tuple[type[Exception], ...]:
    """What is raised when the connection to Redis breaks; redis-py is loaded by now."""
    import redis

    return Unreachable, redis.ConnectionError, redis.TimeoutError

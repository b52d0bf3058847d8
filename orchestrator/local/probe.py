"""A probe through every queue and back, through the real ledger and the real workers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from orchestrator.contracts.calls import Plan, Policy, StageCall
from orchestrator.contracts.errors import Unreachable
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.tasks import TASKS, Queue
from orchestrator.engine.history import History
from orchestrator.local.findings import Finding
from orchestrator.settings import Settings
from orchestrator.store.connection import connect

if TYPE_CHECKING:
    import redis


def probe_queues(settings: Settings, patience_s: float) -> Iterator[Finding]:
    """One finding for each queue."""
    with connect(settings) as client:
        history = History(client, settings.namespace)
        record = _probe(client, settings, history, patience_s)
        workers = _workers_by_queue(history)
    for queue in Queue:
        stage = record.stage(queue.value)
        assert stage is not None  # noqa: S101
        yield _queue(queue, stage, workers.get(queue.value, ()), patience_s)


def _probe(client: redis.Redis, settings: Settings, history: History, patience_s: float) -> RunRecord:
    from orchestrator.engine.app import make_app
    from orchestrator.engine.dispatch import ring
    from orchestrator.engine.ledger import Ledger
    from orchestrator.engine.submission import Submission

    ledger = Ledger(client, settings)
    app = make_app(settings)
    accepted = ledger.submit(Submission(_probe_plan(), author=settings.author, new=True))
    ring(app, accepted.bells)
    deadline = time.monotonic() + patience_s
    while (record := history.snapshot(accepted.run)) is None or not record.status.ended:
        if time.monotonic() > deadline:
            ring(app, ledger.cancel(accepted.run, settings.author).bells)
            break
        time.sleep(0.05)
    if record is None:
        raise Unreachable(f"the ledger lost the probe {accepted.run}: was this Redis emptied?")
    return record


def _probe_plan() -> Plan:
    """One probe for each queue, none waiting for another; the echo keeps them out of every cache."""
    task = TASKS["ops.probe"]
    nonce = secrets.token_hex(8)
    calls = tuple(
        StageCall(
            id=queue.value,
            task=task.name,
            queue=queue.value,
            version=task.version,
            params={"echo": f"{nonce}-{queue.value}"},
            policy=Policy(attempts=1, tolerate=True),
        )
        for queue in Queue
    )
    return Plan(workflow="doctor", stages=calls, on_failure="continue")


def _workers_by_queue(history: History) -> dict[str, tuple[str, ...]]:
    """Queue → a line for each of its worker nodes."""
    own = version("cyclery")
    found: dict[str, tuple[str, ...]] = {}
    for pool in history.pools():
        other = "" if pool.version == own else f", Cyclery {pool.version} while this is {own}"
        found[pool.queue] = (*found.get(pool.queue, ()), f"{pool.node} ({pool.processes}{other})")
    return found


def _queue(queue: Queue, stage: StageRecord, workers: tuple[str, ...], patience_s: float) -> Finding:
    name = f"queue {queue.value}"
    nodes = ", ".join(workers)
    if stage.state is StageState.DONE:
        waited = None if stage.finished is None or stage.started is None else 1000 * (stage.finished - stage.started)
        return Finding(
            name=name,
            level="warning" if "while this is" in nodes else "ok",
            detail=f"a probe came back from {stage.worker}; workers: {nodes}",
            ms=waited,
        )
    if stage.error is not None:
        return Finding(name=name, level="failed", detail=f"the probe failed: {stage.error.message}")
    if not workers:
        detail = (
            "no worker serves it: start the pools (`cyclery up`, or the compose service worker-" + f"{queue.value})"
        )
        return Finding(name=name, level="failed", detail=detail)
    detail = f"no answer in {patience_s:.0f} s although there is {nodes}: it is busy, or see its log"
    return Finding(name=name, level="failed", detail=detail)

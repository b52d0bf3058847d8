"""A probe through every queue and back, through the real ledger and the real workers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from importlib.metadata import version

from orchestrator.contracts.calls import Plan, Policy, StageCall
from orchestrator.contracts.records import StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.tasks import TASKS, ProbeParams, Queue
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.local.findings import Finding
from orchestrator.settings import Settings
from orchestrator.store.connection import connect

_LOOK_MS = 500


def probe_queues(settings: Settings, patience_s: float) -> Iterator[Finding]:
    """A finding for each queue as its probe comes back; a cancelled run is all that late ones leave."""
    with connect(settings) as client:
        history, ledger = History(client, settings.namespace), Ledger(client, settings)
        accepted = ledger.submit(Submission(_plan(), author=settings.author, new=True))
        began = time.monotonic()
        left = {queue.value for queue in Queue}
        while left and time.monotonic() - began < patience_s:
            record = history.snapshot(accepted.run)
            for stage in record.stages if record is not None else ():
                if stage.id in left and stage.state.terminal:
                    left.remove(stage.id)
                    yield _answered(stage, _workers(history, stage.id), time.monotonic() - began)
            if left and record is not None:
                history.events(accepted.run, record.position, block_ms=_LOOK_MS)
        if left:
            ledger.cancel(accepted.run, settings.author)
        for queue in sorted(left):
            yield _unanswered(queue, _workers(history, queue), patience_s)


def worker_versions(settings: Settings) -> Iterator[Finding]:
    """A warning for each worker that runs another version of Cyclery than this process."""
    own = version("cyclery")
    with connect(settings) as client:
        for pool in History(client, settings.namespace).pools():
            if pool.version != own:
                detail = f"{pool.node} runs Cyclery {pool.version}, this is {own}: upgrade the older one"
                yield Finding(f"queue {pool.queue}", ok=True, detail=detail, warning=True)


def _plan() -> Plan:
    """One probe for each queue, none waiting for another; the echo keeps them out of every cache."""
    task = TASKS["ops.probe"]
    nonce = secrets.token_hex(8)
    calls = tuple(
        StageCall(
            id=queue.value,
            task=task.name,
            queue=queue.value,
            version=task.version,
            params=ProbeParams(echo=f"{nonce}-{queue.value}").model_dump(mode="json"),
            policy=Policy(attempts=1, tolerate=True),
        )
        for queue in Queue
    )
    return Plan(workflow="doctor", stages=calls, on_failure="continue")


def _workers(history: History, queue: str) -> str:
    """The nodes that serve a queue; empty: none."""
    return ", ".join(f"{pool.node} ({pool.processes})" for pool in history.pools() if pool.queue == queue)


def _answered(stage: StageRecord, workers: str, seconds: float) -> Finding:
    check = f"queue {stage.id}"
    if stage.state is StageState.DONE:
        return Finding(
            check, ok=True, detail=f"a probe went to {stage.worker} and back; served by {workers}", seconds=seconds
        )
    why = stage.error.message if stage.error is not None else stage.state.value
    return Finding(check, ok=False, detail=f"the probe failed: {why}", seconds=seconds)


def _unanswered(queue: str, workers: str, patience_s: float) -> Finding:
    detail = (
        f"{workers} took no probe in {patience_s:.0f} s: it is busy (`cyclery workers`), or see its log"
        if workers
        else f"no pool serves it: start one (`cyclery up`, or `worker-{queue}` of compose.yaml)"
    )
    return Finding(f"queue {queue}", ok=False, detail=detail)

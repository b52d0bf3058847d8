"""A probe through every queue and back, through the real ledger and the real workers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import NamedTuple

from orchestrator.contracts.calls import DIAGNOSTIC, Plan, Policy, StageCall
from orchestrator.contracts.records import StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.tasks import TASKS, ProbeParams, Queue
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.local.findings import Finding
from orchestrator.settings import Settings
from orchestrator.store.artifacts import open_store
from orchestrator.store.connection import connect
from orchestrator.store.continuity import require_bound

_LOOK_S = 0.02


def probe_queues(settings: Settings, patience_s: float) -> Iterator[Finding]:
    """A finding for each queue as its probe comes back; late ones are cancelled.

    A probe is sent once a pool serves its queue: where none does, no message stays behind for nobody. Raises
    `LedgerBehind` where nothing may be submitted.
    """
    with connect(settings) as client:
        history, ledger = History(client, settings.namespace), Ledger(client, settings)
        require_bound(client, ledger.keys, open_store(settings))
        began = time.monotonic()
        left = [queue.value for queue in Queue]
        sent: dict[str, _Sent] = {}
        while left and time.monotonic() - began < patience_s:
            for queue in list(left):
                if queue not in sent and _workers(history, queue):
                    accepted = ledger.submit(Submission(_plan(queue), author=settings.author, new=True))
                    sent[queue] = _Sent(accepted.run, time.monotonic())
                stage = _ended(history, queue, sent.get(queue))
                if stage is not None:
                    left.remove(queue)
                    yield _answered(stage, _workers(history, queue), time.monotonic() - sent[queue].at)
            time.sleep(_LOOK_S)
        for queue in left:
            if queue in sent:
                ledger.cancel(sent[queue].run, settings.author)
            yield _unanswered(queue, _workers(history, queue), patience_s)


class _Sent(NamedTuple):
    run: str
    at: float  # on the monotonic clock


def _ended(history: History, queue: str, sent: _Sent | None) -> StageRecord | None:
    record = history.snapshot(sent.run) if sent is not None else None
    stage = record.stage(queue) if record is not None else None
    return stage if stage is not None and stage.state.terminal else None


def worker_versions(settings: Settings) -> Iterator[Finding]:
    """A warning for each worker that runs another version of Cyclery than this process."""
    own = version("cyclery")
    with connect(settings) as client:
        for pool in History(client, settings.namespace).pools():
            if pool.version != own:
                detail = f"{pool.node} runs Cyclery {pool.version}, this is {own}: upgrade the older one"
                yield Finding(f"queue {pool.queue}", ok=True, detail=detail, warning=True)


def _plan(queue: str) -> Plan:
    """One probe; the echo keeps it out of every cache."""
    task = TASKS["ops.probe"]
    call = StageCall(
        id=queue,
        task=task.name,
        queue=queue,
        version=task.version,
        params=ProbeParams(echo=secrets.token_hex(8)).model_dump(mode="json"),
        policy=Policy(attempts=1),
    )
    return Plan(workflow=DIAGNOSTIC, stages=(call,))


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

"""What doctor tests: Redis, the store, and a probe through every queue and back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.client.session import Session
from orchestrator.contracts.calls import Kind, Plan, Policy, StageCall
from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.status import StageState
from orchestrator.contracts.tasks import TASKS, ProbeParams, Queue
from orchestrator.engine.submission import Submission

PATIENCE_S = 30.0  # pools that are just starting import their libraries first


@dataclass(frozen=True, slots=True)
class Finding:
    """One test and what came of it."""

    check: str
    ok: bool
    detail: str
    seconds: float | None = None


def examine(session: Session) -> Iterator[Finding]:
    """Each test as it ends; those that need Redis are left out when it does not answer."""
    yield _timed("store", lambda: _store(session))
    redis = _timed("redis", lambda: _redis(session))
    yield redis
    if redis.ok:
        yield from _queues(session)


def _timed(name: str, test: Callable[[], str]) -> Finding:
    began = time.monotonic()
    try:
        detail = test()
    except CycleryError as error:
        return Finding(name, ok=False, detail=str(error))
    return Finding(name, ok=True, detail=detail, seconds=time.monotonic() - began)


def _store(session: Session) -> str:
    data = secrets.token_bytes(32)
    ref = session.store.put_bytes(data, Kind.FILE)
    try:
        read = session.store.read(ref)
    finally:
        session.store.delete(ref.digest)
    if read != data:
        raise CycleryError(f"the store at {session.store.where} answers other bytes than it was given")
    return f"{session.store.where}: written, read, deleted"


def _redis(session: Session) -> str:
    from orchestrator.store.server import inspect_server

    facts = inspect_server(session.redis)
    return f"{facts.product}, append-only file {'on' if facts.append_only else 'off'}, maxmemory-policy {facts.policy}"


def _queues(session: Session) -> Iterator[Finding]:
    from orchestrator.engine.dispatch import ring

    served = {pool.queue for pool in session.history.pools()}
    row = TASKS["ops.probe"]
    calls = tuple(
        StageCall(
            id=queue.value,
            task=row.name,
            queue=queue.value,
            version=row.version,
            params=ProbeParams(echo=secrets.token_hex(8)).model_dump(mode="json"),
            policy=Policy(attempts=1, timeout_s=PATIENCE_S),
        )
        for queue in Queue
    )
    plan = Plan(workflow="doctor", stages=calls, on_failure="continue")
    accepted = session.ledger.submit(Submission(plan, session.settings.author, new=True))
    ring(session.app, accepted.bells)
    yield from _await(session, accepted.run, served)


def _await(session: Session, run: str, served: set[str]) -> Iterator[Finding]:
    began = time.monotonic()
    left = [queue.value for queue in Queue]
    while left and time.monotonic() - began < PATIENCE_S:
        record = session.history.snapshot(run)
        for stage in record.stages if record is not None else ():
            if stage.id in left and stage.state.terminal:
                left.remove(stage.id)
                answered = stage.state is StageState.DONE
                detail = (
                    f"a probe went to {stage.worker} and back" if answered else str(stage.error and stage.error.message)
                )
                yield Finding(f"queue {stage.id}", answered, detail, time.monotonic() - began)
        position = record.position if record is not None else "0-0"
        if left:
            session.history.events(run, position, block_ms=500)
    if left:
        session.ledger.cancel(run, "doctor")
    for queue in left:
        reason = "the pool took no probe" if queue in served else "no pool serves it"
        yield Finding(f"queue {queue}", ok=False, detail=f"{reason}: see `cyclery workers` and the pools' logs")

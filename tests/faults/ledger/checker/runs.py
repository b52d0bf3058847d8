"""Every run that was accepted came to the end it should, each of its stages once, with the bytes it should."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from orchestrator.engine.submission import data_needs
from orchestrator.store.manifests import read_manifest
from tests.faults.ledger.checker.events import TERMINAL, known_before, told
from tests.faults.ledger.expected import Expected, expect

if TYPE_CHECKING:
    from orchestrator.contracts.records import RunRecord, StageRecord
    from tests.faults.ledger.plot import Book
    from tests.faults.ledger.storm import Storm


def outcome(storm: Storm, book: Book, record: RunRecord) -> Iterator[str]:
    name = f"{book.id} ({book.workflow.shape})"
    workflow = book.workflow
    generation = record.generation
    if generation < book.generation:
        yield f"lost: retry of {name} was accepted, it is of generation {generation}"
    if generation == 2:
        if book.retry_tried is None:
            yield f"invented: {name} was retried by nobody"
            return
        workflow = book.retry_tried
    end = expect(workflow)
    actual = {stage.id: stage for stage in record.stages}
    cancelled = generation == book.generation and book.cancelled
    may_be_cancelled = cancelled or (1 in (generation, book.generation) and book.cancel_tried)  # a retry unheard of
    stopped = end.status == "failed" and workflow.plan.on_failure == "stop"
    if cancelled and record.status != "cancelled":
        yield f"lost: cancel of {name}, it is {record.status}"
    if record.status == "cancelled" and not may_be_cancelled:
        yield f"invented: {name} was cancelled by nobody"
    elif record.status not in ("cancelled", end.status):
        yield f"wrong end: {name} is {record.status}, not {end.status}"
    missing = set(actual) - set(end.states)
    yield from (f"invented: stage {one} of {name}" for one in missing)
    free = record.status == "cancelled" or stopped
    for one, state in end.states.items():
        stage = actual.get(one)
        if stage is None:
            if not (free and one not in {call.id for call in workflow.plan.stages}):
                yield f"lost: stage {one} of {name}"
            continue
        yield from _stage(storm, name, stage, state, end, free, record.status.value)
    yield from _bytes(storm, name, record, end)
    yield from counters(storm, book.id)
    yield from told(storm, book, record)
    for decided, stage in book.decided:
        if decided == generation and actual[stage].decision is None:
            yield f"lost: decision on {stage} of {name}"
    manifest = read_manifest(storm.store, book.id, generation)
    if manifest is None or manifest.stages != record.stages:
        yield f"manifest: {name} is not as it ended"


def _stage(
    storm: Storm, name: str, stage: StageRecord, state: str, end: Expected, free: bool, status: str
) -> Iterator[str]:
    where = f"{stage.id} of {name}"
    allowed = {state}
    if free:
        allowed |= {"skipped", "cancelled"} if status == "cancelled" else {"skipped"}
    if stage.state not in allowed:
        yield f"wrong end: {where} is {stage.state}, not {' or '.join(sorted(allowed))}"
    if stage.state == "cancelled" and status != "cancelled":
        yield f"wrong end: {where} is cancelled in a run that is {status}"
    call = end.calls[stage.id]
    if stage.state == "done" and call.policy.hold is None:
        left = stage.outputs.get("echo")
        if left is None or left.digest != end.outputs.get(stage.id):
            yield f"outputs: {where} left {left}, not {end.outputs.get(stage.id)}"
    by = stage.measured.get("by") if stage.state == "done" and not stage.cached else _blamed(stage)
    if by not in (None, stage.worker):
        yield f"fence: {where} was ended by {by}, though {stage.worker} had taken it"
    ran = stage.state == "done" and call.policy.hold is None and not stage.cached
    if ran and by is None:
        yield f"measured: nothing is known of how {where} ran"
    if stage.state == "failed":
        yield from _failure(where, stage, call.params.get("act"), call.policy.attempts, storm.settings.max_deaths)
    if stage.attempt > 400:
        yield f"attempts: {where} was claimed {stage.attempt} times"
    if stage.decision is not None and stage.started is None:
        yield f"times: {where} was never held"
    refused = any(end.calls[one].params.get("act") == "refuse" for one in call.upstream() if one in end.calls)
    if call.policy.hold is not None and refused and stage.started is not None:
        yield f"held: {where}, though its model was refused"
    if stage.finished is None and not stage.cached:
        yield f"times: {where} never finished"


def _bytes(storm: Storm, name: str, record: RunRecord, end: Expected) -> Iterator[str]:
    """What was recorded is in the store; a result that was known before only where a stage of this run takes it."""
    ran = [end.calls[one.id] for one in record.stages if not known_before(one) and one.id in end.calls]
    taken = {one for call in ran for one in data_needs(call)}
    for stage in record.stages:
        left = stage.outputs.values() if stage.id in taken or not known_before(stage) else ()
        for ref in (*left, *stage.sources.values()):
            if not storm.store._size(ref.digest):
                yield f"bytes: {stage.id} of {name} refers to {ref.digest}, which was deleted"


def _blamed(stage: StageRecord) -> str | None:
    """Who says in a failure that it was the one."""
    found = re.search(r"(?:by|says) (host\d:\d+)$", stage.error.message) if stage.error else None
    return found.group(1) if found and stage.state == "failed" else None


def _failure(where: str, stage: StageRecord, act: Any, attempts: int, most: int) -> Iterator[str]:
    family = stage.error.family if stage.error else None
    wanted = {"fail": "data", "exhaust": "transient", "kill": "poison", "hang": "timeout"}.get(act, "user")
    if family != wanted:
        yield f"failure: {where} failed of {family} ({stage.error}), not of {wanted}"
    if family in ("data", "transient") and stage.seconds is None:
        yield f"failure: nobody knows how long {where} took"
    if act == "kill" and stage.deaths != most:
        yield f"failure: {where} is poison after {stage.deaths} deaths"
    if act == "exhaust" and stage.attempt < attempts:
        yield f"failure: {where} was tried {stage.attempt} times only"
    if stage.deaths >= most and act != "kill":
        yield f"failure: {where} is poison, which it should not be"


def counters(storm: Storm, run: str) -> Iterator[str]:
    """What the run counts is what its stages are; nothing stands in its lists any more."""
    base = storm.keys.run(run)
    fields = cast("dict[str, str]", storm.admin.hgetall(base))
    texts = cast("dict[str, str]", storm.admin.hgetall(f"{base}:stages"))
    records = {one: json.loads(text) for one, text in texts.items()}
    done = sum(1 for one in records.values() if one["state"] == "done")
    expected = {"left": 0, "flight": 0, "busy": 0, "held": 0, "done": done, "total": len(records)}
    for name, value in expected.items():
        if int(fields.get(name, 0)) != value:
            yield f"counters: {run} has {name} = {fields.get(name)}, not {value}"
    if fields.get("working"):
        yield f"counters: {run} is still working"
    for one, record in records.items():
        if record["state"] not in TERMINAL:
            yield f"counters: {one} of {run} is {record['state']}"
        if record.get("flying"):
            yield f"counters: {one} of {run} still flies"
        if record.get("progress") is not None and record["state"] == "done":
            yield f"counters: {one} of {run} is done and makes progress"
    for part in ("open", "roots", "work", "parked"):
        if storm.admin.exists(f"{base}:{part}"):
            yield f"leftover: {part} of {run}: {storm.admin.type(f'{base}:{part}')}"
    extra = cast("set[str]", storm.admin.smembers(f"{base}:extra"))
    yield from (f"leftover: {run} lists {name}, which is not there" for name in extra if not storm.admin.exists(name))
    if set(storm.admin.hkeys(f"{base}:calls")) != set(records):
        yield f"counters: {run} has other calls than stages"

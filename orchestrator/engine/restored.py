"""Runs that ended, and what they left, as the hashes and cached results that the ledger keeps of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.contracts.calls import ArtifactRef, Purity, StageCall
from orchestrator.contracts.keys import content_key, effect_key, made_of
from orchestrator.contracts.records import OFF_RECIPE, RunRecord, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.submissions import SubmissionRecord
from orchestrator.contracts.tasks import purity_of
from orchestrator.engine.messages import CacheRecord, encode_refs
from orchestrator.engine.submission import CHUNK, encode_call, inputs_of
from orchestrator.store.keys import Keys
from orchestrator.store.replay import Command

ABRIDGED = "abridged"  # field of a run whose calls are not those that were planned, only what its record says of them


def calls_of_record(record: RunRecord, submission: SubmissionRecord | None) -> tuple[dict[str, str], bool]:
    """The calls of a run as JSON by stage, and whether all of them are the very ones that were planned."""
    planned = {call.id: call for call in submission.plan.stages} if submission is not None else {}
    calls = {
        stage.id: encode_call(planned[stage.id]) if stage.id in planned else _call_as_told(stage)
        for stage in record.stages
    }
    return calls, all(stage.id in planned for stage in record.stages)


def run_commands(keys: Keys, record: RunRecord, submission: SubmissionRecord | None) -> Iterator[Command]:
    """What puts an ended run into Redis; its entry in the index comes last, and doing it twice changes nothing."""
    calls, whole = calls_of_record(record, submission)
    outputs = {one.id: json.dumps(encode_refs(one.outputs)) for one in record.stages if one.outputs}
    hashes = {"calls": calls, "stages": {one.id: _moving(one) for one in record.stages}, "outputs": outputs}
    for part, mapping in hashes.items():
        yield "UNLINK", keys.run(record.run, part)
        yield from _hset(keys.run(record.run, part), mapping)
    fields = _fields(record, submission) | ({} if whole else {ABRIDGED: "1"})
    yield "UNLINK", keys.run(record.run)
    yield from _hset(keys.run(record.run), fields)
    yield "ZADD", keys("runs"), fields["created"], record.run


def cached_results(record: RunRecord, submission: SubmissionRecord) -> Iterator[tuple[tuple[str, ...], bool, str]]:
    """Each stage's result that may be found again: its keys, whether it lasts for ever, the record.

    None of a run whose stages brought others into being, since its record does not say which did. Gates only of a run
    that succeeded: a refusal is not part of a stage's record, and judging again costs little.
    """
    calls = {call.id: call for call in submission.plan.stages}
    if any(stage.id not in calls for stage in record.stages):
        return
    outputs = {stage.id: stage.outputs for stage in record.stages if stage.state is StageState.DONE}
    for stage in record.stages:
        found = _keys(stage, calls[stage.id], outputs) if stage.state is StageState.DONE else ()
        if found and (stage.task != "evaluate.gates" or record.status is RunStatus.SUCCEEDED):
            inputs = made_of(inputs_of(calls[stage.id], outputs))
            kept = CacheRecord(stage.outputs, stage.seconds, stage.measured, stage.log, inputs=inputs)
            yield found, purity_of(calls[stage.id]) is Purity.EFFECT, kept.encode()


def cache_commands(keys: Keys, found: tuple[str, ...], record: str, left_ms: int | None) -> Iterator[Command]:
    """What puts a result under its keys, for so long as it has left; None: for ever."""
    for key in found:
        name = keys("cache", key)
        if left_ms is None:
            yield "SET", name, record
        else:
            yield "SET", name, record, "PX", str(left_ms), "NX"
            yield "PEXPIRE", name, str(left_ms), "GT"


def _keys(stage: StageRecord, call: StageCall, outputs: Mapping[str, Mapping[str, ArtifactRef]]) -> tuple[str, ...]:
    """The keys under which the ledger had kept a stage's result, as far as they are certain."""
    purity = purity_of(call)
    if purity is Purity.VOLATILE or stage.measured.get(OFF_RECIPE):
        return ()
    inputs, second = inputs_of(call, outputs), None
    if inputs is not None and call.environment:
        if purity is Purity.EFFECT:
            second = effect_key(call, inputs, call.environment)
        elif stage.worker is not None:  # what a hit at submission was made of, if 0.1.0 kept it, nobody has looked at
            second = content_key(call, inputs, call.environment)
    return tuple(key for key in (call.key, second) if key)


def _fields(record: RunRecord, submission: SubmissionRecord | None) -> dict[str, str]:
    fields = {
        "status": record.status.value,
        "workflow": record.workflow,
        "generation": str(record.generation),
        "author": record.author,
        "created": _ms(record.created),
        "seed": str(record.seed),
        "spec": json.dumps(record.spec),
        "identity": record.plan_digest,
        "plan_version": str(record.plan_version),
        "notes": json.dumps(record.notes),
        "total": str(len(record.stages)),
        "done": str(sum(1 for stage in record.stages if stage.state is StageState.DONE)),
        "left": "0",
    }
    if record.finished is not None:
        fields["finished"] = _ms(record.finished)
    if submission is not None:
        fields["on_failure"] = submission.plan.on_failure
        if submission.plan.max_parallel is not None:
            fields["max_parallel"] = str(submission.plan.max_parallel)
    return fields


def _moving(stage: StageRecord) -> str:
    """What moves of a stage, as the ledger's steps and readers spell it."""
    moving: dict[str, Any] = {
        "state": stage.state.value,
        "queue": stage.queue,
        "task": stage.task,
        "attempt": stage.attempt,
        "pending": 0,
        "deaths": stage.deaths or None,
        "cached": stage.cached or None,
        "worker": stage.worker,
        "started": _int_ms(stage.started),
        "finished": _int_ms(stage.finished),
        "seconds": stage.seconds,
        "progress": stage.progress,
        "error": stage.error.model_dump_json() if stage.error else None,
        "decision": stage.decision.model_dump_json() if stage.decision else None,
        "measured": json.dumps(stage.measured) if stage.measured else None,
        "log": stage.log.model_dump_json(exclude_none=True) if stage.log else None,
        "shadow": stage.shadow,
    }
    return json.dumps({name: value for name, value in moving.items() if value is not None})


def _call_as_told(stage: StageRecord) -> str:
    """The part of a call that a record tells; who would run it lacks where its inputs come from."""
    call = {
        "id": stage.id,
        "task": stage.task,
        "queue": stage.queue,
        "version": 0,
        "params": stage.params,
        "inputs": {name: ref.model_dump(mode="json", exclude_none=True) for name, ref in stage.sources.items()},
        "after": stage.after,
        "code": stage.code.model_dump(mode="json") if stage.code else None,
        "key": stage.key,
        "shadow": stage.shadow,
    }
    return json.dumps({name: value for name, value in call.items() if value not in (None, (), {})})


def _hset(key: str, mapping: Mapping[str, str]) -> Iterator[Command]:
    flat = [word for pair in mapping.items() for word in pair]
    for start in range(0, len(flat), 2 * CHUNK):
        yield "HSET", key, *flat[start : start + 2 * CHUNK]


def _ms(seconds: float) -> str:
    return str(_int_ms(seconds))


def _int_ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)

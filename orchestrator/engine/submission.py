"""A plan, and what it grows by, as the hashes of a run: staged in chunks under a nonce, made visible by one flip."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import redis

from orchestrator.contracts.calls import PLAN_VERSION, ArtifactRef, Gather, Output, Plan, Purity, StageCall
from orchestrator.contracts.keys import ResolvedInput, made_of
from orchestrator.contracts.tasks import message_name, purity_of
from orchestrator.contracts.values import digest_of
from orchestrator.engine.messages import CacheRecord, Expansion, encode_refs
from orchestrator.store.keys import Keys

CHUNK = 500  # stages or keys of one round trip
STAGING_MS = 3_600_000  # an abandoned staging disappears by itself
PARTS = ("calls", "stages", "next", "outputs", "open", "roots")  # keys of what is staged
NEEDS = 16  # inputs whose outputs come with the claim; more are read beside it


@dataclass(frozen=True, slots=True)
class Submission:
    """One request to run a plan."""

    plan: Plan
    author: str = "unknown"
    seed: int = 0
    new: bool = False  # start another run even though an identical one is active
    run: str | None = None  # the run to retry; None: a new one
    generation: int = 1
    attempts: Mapping[str, int] = field(default_factory=dict)  # of the generation before, so that task ids stay unique
    refresh: frozenset[str] = frozenset()  # stages that run again whatever is known of them
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))

    def identity(self) -> str:
        """The digest of what is run: an identical active run is attached to, whatever pools were known by then."""
        plan = self.plan.model_dump(mode="json", exclude={"stages": {"__all__": {"key", "environment"}}})
        return digest_of([plan, self.seed])


def named_digests(calls: Iterable[StageCall]) -> list[str]:
    """Digests of the artifacts that calls name themselves: sources, rivals, code."""
    named: set[str] = set()
    for call in calls:
        named |= {source.digest for source in call.inputs.values() if isinstance(source, ArtifactRef)}
        named |= {call.code.snapshot.digest} if call.code else set()
    return sorted(named)


def new_run_id(workflow: str) -> str:
    """`churn-7f3a91`: the workflow's name and six random hex digits."""
    return f"{workflow}-{secrets.token_hex(3)}"


def data_needs(call: StageCall) -> list[str]:
    """Stages whose outputs the call takes."""
    found: dict[str, None] = {}
    for source in call.inputs.values():
        if isinstance(source, Output):
            found[source.stage] = None
        elif isinstance(source, Gather):
            found.update(dict.fromkeys(source.stages))
    return list(found)


def encode_call(call: StageCall) -> str:
    """A call as JSON without its defaults."""
    return call.model_dump_json(exclude_defaults=True)


def initial_record(call: StageCall, pending: int, attempt: int = 0, plan: int = PLAN_VERSION) -> dict[str, Any]:
    """What moves of a stage, at its beginning; the Lua steps read these names. Its task is what its messages name."""
    policy = call.policy
    named = message_name(call.task, call.version, plan)
    record: dict[str, Any] = {
        "state": "waiting",
        "pending": pending,
        "queue": call.queue,
        "task": named,
        "attempt": attempt,
        "attempts": policy.attempts,
        "backoff": policy.backoff_s * 1000,
        "timeout": policy.timeout_s * 1000,
    }
    needs = data_needs(call)
    if needs and len(needs) <= NEEDS:
        record["needs"] = needs
    optional = {
        "shadow": call.shadow or (call.task if named != call.task else None),
        "tolerate": policy.tolerate or None,
        "min_success": policy.min_success,
        "max_failures": policy.max_failures,
        "batch": policy.batch if policy.batch > 1 else None,
        "hold": True if policy.hold else None,
        "deadline": policy.hold.deadline_s * 1000 if policy.hold and policy.hold.deadline_s else None,
        "otherwise": policy.hold.otherwise if policy.hold else None,
    }
    return record | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Row:
    call: StageCall
    record: dict[str, Any]
    outputs: str | None  # JSON of a stage that is already done


def _done_record(call: StageCall, hit: CacheRecord, attempt: int, plan: int) -> dict[str, Any]:
    record = initial_record(call, 0, attempt, plan) | {"state": "done", "cached": True}
    if hit.seconds is not None:
        record["seconds"] = hit.seconds
    if hit.measured:
        record["measured"] = json.dumps(dict(hit.measured))
    if hit.log:
        record["log"] = hit.log.model_dump_json(exclude_none=True)
    return record


def _rows(submission: Submission, hits: Mapping[str, CacheRecord]) -> Iterator[_Row]:
    plan = submission.plan.version
    tolerated = {call.id for call in submission.plan.stages if call.policy.tolerate}
    for call in submission.plan.stages:
        attempt = submission.attempts.get(call.id, 0)
        if call.id in hits:
            hit = hits[call.id]
            yield _Row(call, _done_record(call, hit, attempt, plan), json.dumps(encode_refs(hit.outputs)))
            continue
        upstream = call.upstream()
        pending = sum(1 for one in upstream if one not in hits)
        record = initial_record(call, pending, attempt, plan)
        if call.id in submission.refresh:
            record["fresh"] = True
        got = sum(1 for one in upstream if one in hits and one in tolerated)
        yield _Row(call, record | ({"got": got} if got else {}), None)


def successors(calls: Iterable[StageCall]) -> dict[str, list[str]]:
    """For each stage the ones that wait for it."""
    following: dict[str, list[str]] = {}
    for call in calls:
        for upstream in call.upstream():
            following.setdefault(upstream, []).append(call.id)
    return following


def stage(client: redis.Redis, keys: Keys, submission: Submission, hits: Mapping[str, CacheRecord]) -> None:
    """Write the run's hashes under the submission's nonce, where nobody looks before the flip."""
    rows = list(_rows(submission, hits))
    following = successors(submission.plan.stages)
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        with client.pipeline(transaction=True) as pipe:  # whole or not at all: nothing is left without its expiry
            _stage_chunk(pipe, keys, submission.nonce, chunk, following)
            pipe.execute()


def _stage_chunk(
    pipe: redis.client.Pipeline, keys: Keys, nonce: str, rows: list[_Row], following: Mapping[str, list[str]]
) -> None:
    hashes: dict[str, dict[str, str]] = {
        "calls": {row.call.id: encode_call(row.call) for row in rows},
        "stages": {row.call.id: json.dumps(row.record) for row in rows},
        "next": {row.call.id: json.dumps(following[row.call.id]) for row in rows if row.call.id in following},
        "outputs": {row.call.id: row.outputs for row in rows if row.outputs is not None},
    }
    unfinished = [row for row in rows if row.outputs is None]
    lists = {
        "open": [row.call.id for row in unfinished],
        "roots": [row.call.id for row in unfinished if row.record["pending"] == 0],
    }
    for part, mapping in hashes.items():
        if mapping:
            pipe.hset(keys("staging", nonce, part), mapping=cast("Any", mapping))
    if lists["open"]:
        pipe.sadd(keys("staging", nonce, "open"), *lists["open"])
    if lists["roots"]:
        pipe.rpush(keys("staging", nonce, "roots"), *lists["roots"])
    pipe.sadd(keys("queues"), *{row.call.queue for row in rows})
    for part in (*hashes, *lists):
        pipe.pexpire(keys("staging", nonce, part), STAGING_MS)


def stage_expansion(client: redis.Redis, keys: Keys, expansion: Expansion, *, fresh: bool = False) -> str:
    """Write new stages under a nonce of their own; only completing makes them part of the run.

    Whoever has lost its lease, or sends this again, touches nothing that anybody else has staged, let alone the run.
    """
    nonce = secrets.token_hex(8)
    own = {call.id for call in expansion.calls}
    following = successors(expansion.calls)
    for start in range(0, len(expansion.calls), CHUNK):
        chunk = expansion.calls[start : start + CHUNK]
        hashes: dict[str, dict[str, str | int]] = {
            "calls": {call.id: encode_call(call) for call in chunk},
            "stages": {call.id: json.dumps(_grown_record(call, own, fresh=fresh)) for call in chunk},
            "next": {call.id: json.dumps([*following.get(call.id, []), *expansion.joins]) for call in chunk},
            "joins": dict.fromkeys(expansion.joins, len(own)),
        }
        with client.pipeline(transaction=True) as pipe:  # whole or not at all: nothing is left without its expiry
            for part, mapping in hashes.items():
                if mapping:
                    pipe.hset(keys("staging", nonce, part), mapping=cast("Any", mapping))
            pipe.zadd(keys("staging", nonce, "ids"), {call.id: start + place for place, call in enumerate(chunk)})
            pipe.sadd(keys("queues"), *{call.queue for call in chunk})
            for part in (*hashes, "ids"):
                pipe.pexpire(keys("staging", nonce, part), STAGING_MS)
            pipe.execute()
    return nonce


def _grown_record(call: StageCall, own: set[str], *, fresh: bool) -> dict[str, Any]:
    return initial_record(call, len(own & set(call.upstream()))) | ({"fresh": True} if fresh else {})


def cacheable(submission: Submission) -> dict[str, str]:
    """Stage id → recipe key, of the stages that may be recognised at submission."""
    return {
        call.id: call.key
        for call in submission.plan.stages
        if call.key and call.id not in submission.refresh and purity_of(call) is not Purity.VOLATILE
    }


def run_fields(submission: Submission, hits: Mapping[str, CacheRecord]) -> dict[str, str]:
    """The run's own fields, beside those that the flip writes itself."""
    plan = submission.plan
    refusal = next((hit.refusal for hit in hits.values() if hit.refusal), None)
    fields = {
        "workflow": plan.workflow,
        "plan_version": str(plan.version),
        "author": submission.author,
        "seed": str(submission.seed),
        "on_failure": plan.on_failure,
        "spec": json.dumps(plan.spec),
        "notes": json.dumps(plan.notes),
        "total": str(len(plan.stages)),
        "done": str(len(hits)),
    }
    if plan.max_parallel:
        fields["max_parallel"] = str(plan.max_parallel)
    if refusal:
        fields["refusal"] = refusal
    return fields


def usable(plan: Plan, hits: Mapping[str, CacheRecord], has: Callable[[str], bool]) -> dict[str, CacheRecord]:
    """The hits whose bytes are there as far as a stage that will run needs them; missing bytes are a miss.

    So is what was made of other inputs than those that the hits before it hold.
    """
    good = dict(hits)
    while True:
        for one in reopened(plan, good):
            good.pop(one, None)
        needed = {one for call in plan.stages if call.id not in good for one in data_needs(call) if one in good}
        missing = {one for one in needed if not all(has(ref.digest) for ref in good[one].outputs.values())}
        if not missing:
            return good
        for one in missing:
            del good[one]


def reopened(plan: Plan, hits: Mapping[str, CacheRecord]) -> set[str]:
    """Stages that run though a result stands under their recipe key: it was made of other inputs, or may have been.

    A recipe says neither which trials failed, and were borne, nor what a stage made when it was asked to run anew. So a
    hit must have been made of what the hits before it hold; what comes of a search counts only where these are known.
    Where the same comes of them once more, the stages find their results when they are claimed.
    """
    borne = {call.id for call in plan.stages if call.policy.tolerate}
    outputs = {stage: hit.outputs for stage, hit in hits.items()}
    found: set[str] = set()
    searched: set[str] = set()  # what comes of stages whose failure is borne
    for call in plan.stages:
        needs, hit = set(data_needs(call)), hits.get(call.id)
        known = hit is not None and needs <= hits.keys()
        if needs & borne or needs & searched:
            searched.add(call.id)
        unlike = known and hit is not None and hit.inputs not in (None, made_of(inputs_of(call, outputs)))
        if unlike or (call.id in searched and not known) or not found.isdisjoint(call.upstream()):
            found.add(call.id)
    return found


def inputs_of(call: StageCall, outputs: Mapping[str, Mapping[str, ArtifactRef]]) -> dict[str, ResolvedInput] | None:
    """The artifacts that a call takes, as workers resolve them; None where one is not known."""
    found: dict[str, ResolvedInput] = {}
    for name, source in call.inputs.items():
        if isinstance(source, ArtifactRef):
            found[name] = source
        elif isinstance(source, Gather):
            left = [outputs.get(stage, {}) for stage in source.stages]
            found[name] = tuple(one[source.output] for one in left if source.output in one)
        elif source.stage not in outputs:
            return None
        elif source.output in outputs[source.stage]:
            found[name] = outputs[source.stage][source.output]
    return found

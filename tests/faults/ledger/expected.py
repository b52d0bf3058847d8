"""What must come of a workflow: a model of the graph's rules that shares nothing with the ledger's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.contracts.calls import ArtifactRef, Gather, Output, StageCall
from tests.faults.ledger.shapes import Workflow, stage

GOOD = frozenset({"done", "rejected"})
FAILING = frozenset({"fail", "exhaust", "kill", "hang"})


def leave(params: Mapping[str, Any], inputs: Sequence[str]) -> bytes:
    """The bytes that a stage makes of its parameters and its inputs' digests."""
    return json.dumps({"salt": params["salt"], "act": params["act"], "inputs": list(inputs)}).encode()


def digest(data: bytes) -> str:
    """As the store names these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def grown(call: StageCall, waiting: Sequence[str]) -> tuple[tuple[StageCall, ...], tuple[str, ...]]:
    """The stages that an act `grow:COUNT:KIND` brings into being, and the joins that wait for them."""
    _, count, kind = call.params["act"].split(":")
    salt = call.params["salt"]
    calls = []
    for i in range(int(count)):
        nested = kind == "nested" and i == 0
        act = "grow:2:flat" if nested else "ok"
        calls.append(stage(f"{call.id}.{i}", call.id, salt=f"{salt}.{i}", act=act, key=False))
    if int(count) > 3:  # one that waits for others of the same expansion
        calls.append(stage(f"{call.id}.x", f"{call.id}.1", f"{call.id}.2", salt=f"{salt}.x", key=False))
    return tuple(calls), () if kind == "loose" else tuple(waiting)  # loose: nobody waits for them


@dataclass
class Expected:
    """The end of a run that nobody cancels and no failure stops."""

    states: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)  # digest of what a done stage left
    left: list[bytes] = field(default_factory=list)
    calls: dict[str, StageCall] = field(default_factory=dict)
    refused: bool = False
    over: bool = False  # what has not begun by then never begins
    poisoned: set[str] = field(default_factory=set)

    @property
    def status(self) -> str:
        untolerated = any(
            state == "failed" and not self.calls[one].policy.tolerate for one, state in self.states.items()
        )
        return "failed" if untolerated else "refused" if self.refused else "succeeded"


def expect(workflow: Workflow) -> Expected:
    """Go through the stages in their order, each once."""
    end = Expected()
    joined: dict[str, list[str]] = {}
    pending = list(workflow.plan.stages)
    while pending:
        ready = next(one for one in pending if _can_tell(one, end, joined, pending))
        pending.remove(ready)
        end.calls[ready.id] = ready
        end.states[ready.id] = state = _state(ready, [*ready.upstream(), *joined.get(ready.id, [])], end, workflow)
        act = str(ready.params.get("act", ""))
        if state == "done":
            end.left.append(leave(ready.params, _inputs(ready, joined.get(ready.id, []), end)))
            end.outputs[ready.id] = digest(end.left[-1])
        if state == "done" and act.startswith("grow"):
            calls, joins = grown(ready, ["join"])
            pending = [*calls, *pending]
            for join in joins:
                joined.setdefault(join, []).extend(call.id for call in calls)
        if state == "done" and act == "refuse":
            end.refused, end.over = True, ready.task == "train.require"
        if state == "rejected":
            end.refused = True
    return end


def _can_tell(call: StageCall, end: Expected, joined: Mapping[str, list[str]], pending: Sequence[StageCall]) -> bool:
    before = [*call.upstream(), *joined.get(call.id, [])]
    return all(one in end.states for one in before)


def _state(call: StageCall, before: Sequence[str], end: Expected, workflow: Workflow) -> str:
    policy = call.policy
    tolerated = [one for one in before if end.calls[one].policy.tolerate]
    bad = sum(1 for one in tolerated if end.states[one] not in GOOD)
    if end.over or any(end.states[one] not in GOOD for one in before if one not in tolerated):
        return "skipped"
    if policy.max_failures is not None and bad > policy.max_failures:
        return "failed"
    if policy.min_success is not None and len(tolerated) - bad < policy.min_success:
        return "failed"
    if bad and policy.max_failures is None and policy.min_success is None:
        return "skipped"
    if policy.hold is not None:
        return "done" if end.refused else _decided(call, workflow)
    return "failed" if call.params["act"] in FAILING else "done"


def _decided(call: StageCall, workflow: Workflow) -> str:
    hold = call.policy.hold
    assert hold is not None
    verdict = workflow.verdict or {"approve": "approved", "reject": "rejected"}[hold.otherwise]
    return "done" if verdict == "approved" else "rejected"


def _inputs(call: StageCall, joined: Sequence[str], end: Expected) -> list[str]:
    taken: list[str] = []
    for source in call.inputs.values():
        if isinstance(source, Output):
            taken.append(end.outputs[source.stage])
        elif isinstance(source, Gather):
            taken += [end.outputs[one] for one in [*source.stages, *joined] if one in end.outputs]
        elif isinstance(source, ArtifactRef):
            taken.append(source.digest)
    return taken

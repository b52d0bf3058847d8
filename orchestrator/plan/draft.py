"""A plan being written: stages so far, what they offer, and the table as it stands after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.contracts.calls import Code, Gather, Input, Output, Policy, StageCall
from orchestrator.contracts.release import CustomStep
from orchestrator.contracts.tasks import TASKS
from orchestrator.contracts.values import Value
from orchestrator.plan.fingerprints import Fingerprints
from orchestrator.plan.signature import Carries
from orchestrator.spec.models import Spec

# What the outputs of Cyclery's own stages carry, where a stage of a team's own may ask for them by type.
_TABLES = frozenset({"table", "rows", "frame", "predictions"})
_FILES = frozenset({"bundle"})


@dataclass(slots=True)
class Draft:
    """What the stages written so far offer to those that come."""

    spec: Spec
    fingerprints: Fingerprints
    waits: Mapping[str, Sequence[str]]  # name → own stages that asked to stand before it
    source: Output  # the table as it is ingested
    table: Output  # the table as it stands: the stream
    calls: list[StageCall] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)  # name → ids: train → its trials
    offers: dict[str, tuple[tuple[str, Carries], ...]] = field(default_factory=dict)  # name → outputs
    notes: list[str] = field(default_factory=list)
    steps: list[CustomStep] = field(default_factory=list)  # own stages that the table went through

    def add(
        self,
        name: str,
        task: str,
        params: Value | Mapping[str, Any],
        inputs: Mapping[str, Input],
        *,
        identifier: str | None = None,
        after: Sequence[str] = (),
        policy: Policy | None = None,
        code: Code | None = None,
    ) -> None:
        """Write one of Cyclery's own stages; `name` is its group's, `identifier` its own where they differ."""
        row = TASKS[task]
        chosen = params.model_dump(mode="json") if isinstance(params, Value) else dict(params)
        self.put(
            name,
            StageCall(
                id=identifier or name,
                task=task,
                queue=row.queue.value,
                version=row.version,
                params=chosen,
                inputs=dict(inputs),
                after=tuple(after),
                policy=policy or Policy(),
                code=code,
            ),
        )
        self.offers[name] = tuple((output, _carried(output)) for output in row.outputs)

    def put(self, name: str, call: StageCall) -> None:
        """Write a stage; it also waits for the own stages that asked to stand before it."""
        waiting = [one for one in self.waits.get(name, ()) if one not in call.upstream()]
        self.calls.append(call.model_copy(update={"after": (*call.after, *waiting)}) if waiting else call)
        self.groups.setdefault(name, []).append(call.id)

    def has(self, name: str) -> bool:
        """Whether a stage of this name was written."""
        return name in self.groups

    def output(self, name: str, output: str) -> Input:
        """An output of a stage: of the search, of all its trials."""
        ids = self.groups[name]
        return Gather(stages=tuple(ids), output=output) if name == "train" else Output(stage=ids[0], output=output)


def _carried(output: str) -> Carries:
    if output in _TABLES:
        return "table"
    return "model" if output == "model" else "file" if output in _FILES else "json"

"""One attempt at a stage, with its inputs resolved: what a child or a guest executes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from orchestrator.contracts.calls import ArtifactRef, Gather, Output, StageCall
from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.keys import ResolvedInput
from orchestrator.contracts.values import Value


class Job(Value):
    """A stage call that was claimed; goes to guests as JSON."""

    run: str
    attempt: int
    key: str  # idempotency key
    call: StageCall
    inputs: dict[str, ResolvedInput] = Field(default_factory=dict)
    seed: int = 0
    author: str = "unknown"
    refusal: str | None = None

    @property
    def place(self) -> str:
        """`stage geo of churn-7f3a`, for messages."""
        return f"stage {self.call.id} of {self.run}"


class Outcome(Value):
    """What executing left."""

    outputs: dict[str, ArtifactRef] = Field(default_factory=dict)
    measured: dict[str, Any] = Field(default_factory=dict)
    grown: tuple[StageCall, ...] = ()  # stages that join the run in the step that completes this one
    joins: tuple[str, ...] = ()  # waiting stages that wait for those too
    kept: bool = True  # whether it may be found again


def resolve_inputs(call: StageCall, outputs: Mapping[str, Mapping[str, ArtifactRef]]) -> dict[str, ResolvedInput]:
    """The artifacts of a call's inputs, from the outputs of the stages before it.

    A gathered input leaves out stages that failed or were skipped, and takes in those that joined while running.
    An output that its stage did not leave (an optional one) is no input.
    """
    resolved: dict[str, ResolvedInput] = {}
    named = set(call.upstream())
    joined = [stage for stage in outputs if stage not in named]
    for name, source in call.inputs.items():
        if isinstance(source, ArtifactRef):
            resolved[name] = source
        elif isinstance(source, Gather):
            stages = [*source.stages, *joined]
            resolved[name] = tuple(
                outputs[stage][source.output] for stage in stages if source.output in outputs.get(stage, {})
            )
        else:
            _add_output(resolved, name, source, outputs)
    return resolved


def _add_output(
    resolved: dict[str, ResolvedInput],
    name: str,
    source: Output,
    outputs: Mapping[str, Mapping[str, ArtifactRef]],
) -> None:
    left = outputs.get(source.stage)
    if left is None:
        raise CycleryError(f"input {name}: {source.stage} has left no record: run `cyclery retry` for the whole run")
    if source.output in left:
        resolved[name] = left[source.output]

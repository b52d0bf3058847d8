"""Recipe keys, known at submission, and content keys, known at claim: equal keys mean equal results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.contracts.calls import ArtifactRef, Gather, Input, Output, Purity, StageCall
from orchestrator.contracts.tasks import expands, purity_of
from orchestrator.contracts.values import digest_of

KEY_VERSION = 1

ResolvedInput = ArtifactRef | tuple[ArtifactRef, ...]


def recipe_key(call: StageCall, upstream_keys: Mapping[str, str | None], environments: Mapping[str, str]) -> str | None:
    """The key of what a call asks for, from the keys of the stages before it and each queue's environment digest.

    None where equal keys would not mean equal results: the task is volatile or expands (what it brings into being is
    part of its result, and of the inputs of those after it), data comes from a stage without a key, or nothing is known
    of the environment that its queue runs in. The approval that a stage merely comes after has no key either, and does
    not take away the stage's own.
    """
    if purity_of(call) is Purity.VOLATILE or expands(call):
        return None
    environment = environments.get(call.queue)
    if environment is None:
        return None
    inputs: dict[str, Any] = {}
    for name, source in call.inputs.items():
        described = _recipe_of(source, upstream_keys)
        if described is None:
            return None
        inputs[name] = described
    after = sorted(upstream_keys.get(stage) or "" for stage in call.after)
    return digest_of({"kind": "recipe", "inputs": inputs, "after": after, **_ingredients(call, environment)})


def content_key(call: StageCall, inputs: Mapping[str, ResolvedInput], environment: str) -> str:
    """The key of what a call computes from these very bytes in this environment."""
    digests = {name: _digests(value) for name, value in inputs.items()}
    return digest_of({"kind": "content", "inputs": digests, **_ingredients(call, environment)})


def made_of(inputs: Mapping[str, ResolvedInput] | None) -> str | None:
    """The digest of a result's inputs, which its recipe does not tell; None where they are not known."""
    return None if inputs is None else digest_of({name: _digests(value) for name, value in inputs.items()})


def effect_key(call: StageCall, inputs: Mapping[str, ResolvedInput], environment: str) -> str:
    """The idempotency key of an effect: what was asked for, and the very bytes that came of it so far.

    Its recipe alone would take the effect of one champion for that of another.
    """
    if call.key is None:
        return content_key(call, inputs, environment)
    return digest_of({"kind": "effect", "recipe": call.key, "inputs": made_of(inputs)})


def _ingredients(call: StageCall, environment: str) -> dict[str, Any]:
    code = call.code
    return {
        "version": KEY_VERSION,
        "task": call.task,
        "task_version": call.version,
        "params": call.params,
        "code": None if code is None else [code.snapshot.digest, code.entry, sorted(code.requires)],
        "environment": environment,
    }


def _recipe_of(source: Input, keys: Mapping[str, str | None]) -> Any:
    """What stands for an input in a recipe; None when a stage that it comes from has no key."""
    if isinstance(source, Output):
        key = keys.get(source.stage)
        return None if key is None else {"from": key, "output": source.output}
    if isinstance(source, Gather):
        gathered = [keys.get(stage) for stage in source.stages]
        return None if None in gathered else {"gathered": gathered, "output": source.output}
    return {"artifact": source.digest}


def _digests(value: ResolvedInput) -> Any:
    return value.digest if isinstance(value, ArtifactRef) else [ref.digest for ref in value]

"""What changed since an earlier plan of the same workflow, stage by stage, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.contracts.calls import ArtifactRef, Gather, Input, Output, StageCall
from orchestrator.contracts.values import canonical


@dataclass(frozen=True, slots=True)
class Change:
    """One stage that is not as it was."""

    stage: str
    kind: Literal["new", "removed", "changed"]
    reasons: tuple[str, ...] = ()  # "params: C", "code", "source", "environment", "upstream: prepare"


def changes(before: Sequence[StageCall], after: Sequence[StageCall]) -> list[Change]:
    """The differences, in the order of the new plan; removed stages come last.

    A stage without a reason of its own that stands behind a changed one is changed by that upstream.
    """
    earlier = {call.id: call for call in before}
    found: dict[str, Change] = {}
    for call in after:
        old = earlier.pop(call.id, None)
        if old is None:
            found[call.id] = Change(call.id, "new")
            continue
        reasons = tuple(_reasons(old, call)) or tuple(_behind(call, found))
        if not reasons and old.key != call.key and None not in (old.key, call.key):
            reasons = ("environment",)
        if reasons:
            found[call.id] = Change(call.id, "changed", reasons)
    return [*found.values(), *(Change(identifier, "removed") for identifier in earlier)]


def _reasons(old: StageCall, new: StageCall) -> Iterator[str]:
    """Reasons that lie in the stage itself."""
    if old.task != new.task or old.version != new.version:
        yield "task"
    differing = _differing(old.params, new.params)
    if differing:
        yield f"params: {', '.join(differing)}"
    old_code, new_code = (
        call.code and (call.code.snapshot.digest, call.code.entry, call.code.requires) for call in (old, new)
    )
    if old_code != new_code:
        yield "code"
    if _files(old) != _files(new):
        yield "source"
    if _wiring(old) != _wiring(new):
        yield "inputs"
    if old.queue != new.queue:
        yield "queue"


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Names of parameters with another value; one level down where both are mappings."""
    names: list[str] = []
    for name in [*new, *(name for name in old if name not in new)]:
        left, right = old.get(name), new.get(name)
        if canonical(left) == canonical(right):
            continue
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            names += _differing(left, right)
        else:
            names.append(name)
    return names


def _files(call: StageCall) -> dict[str, str]:
    return {name: one.digest for name, one in call.inputs.items() if isinstance(one, ArtifactRef)}


def _wiring(call: StageCall) -> tuple[dict[str, tuple[object, str]], tuple[str, ...]]:
    wired = {name: _from(one) for name, one in call.inputs.items() if not isinstance(one, ArtifactRef)}
    return wired, tuple(sorted(call.after))


def _from(source: Input) -> tuple[object, str]:
    """Where an input comes from; a search counts as one, however many trials it has."""
    if isinstance(source, Gather):
        return {stage.split("[")[0] for stage in source.stages}, source.output
    return (source.stage, source.output) if isinstance(source, Output) else (None, "")


def _behind(call: StageCall, found: Mapping[str, Change]) -> Iterator[str]:
    changed = [stage for stage in call.upstream() if stage in found]
    if changed:
        groups = dict.fromkeys(stage.split("[")[0] for stage in changed)
        yield f"upstream: {', '.join(groups)}"

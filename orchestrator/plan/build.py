"""(spec, fingerprints) → plan: a pure function without Redis, clock or data."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.contracts.calls import Output, Plan, StageCall
from orchestrator.contracts.keys import recipe_key
from orchestrator.plan.custom import add_custom, wishes_of
from orchestrator.plan.draft import Draft
from orchestrator.plan.fingerprints import Fingerprints
from orchestrator.plan.placing import in_order
from orchestrator.plan.stages import BUILDERS, spine_of
from orchestrator.spec.models import Spec

FEASIBILITY = ".feasibility"  # at the end of a workflow's name, which no file's workflow can have


def build(spec: Spec, fingerprints: Fingerprints, *, feasibility: bool = False) -> Plan:
    """The plan of a workflow, its stages in an order in which each comes after what it waits for.

    With `feasibility` it has that stage whether or not the spec has a target.
    Raises CannotPlan with the problems that only planning can see.
    """
    spine = spine_of(spec, feasibility=feasibility)
    wishes = wishes_of(spec, dict(fingerprints.signatures), spine)
    line = in_order(spine, wishes)
    waits: dict[str, list[str]] = {}
    for wish in wishes:
        for later in wish.before:
            waits.setdefault(later, []).append(wish.name)
    source = Output(stage=f"ingest[{spec.data.source[0]}]", output="table")
    draft = Draft(spec, fingerprints, waits, source=source, table=source)
    own = {stage.name: (place, stage) for place, stage in enumerate(spec.stages)}
    for name in line:
        if name in own:
            place, stage = own[name]
            add_custom(draft, stage, place)
        else:
            BUILDERS[name](draft)
    return Plan(
        workflow=spec.name,
        stages=keyed(joined(draft.calls), fingerprints.environments),
        on_failure=spec.run.on_failure,
        max_parallel=spec.run.max_parallel,
        spec=spec.document(),
        notes=tuple(draft.notes),
    )


def joined(calls: list[StageCall]) -> list[StageCall]:
    """The calls, where the steps of a search know who takes the trials that they bring into being."""
    steps = [call.id for call in calls if call.task == "train.search"]
    if not steps:
        return calls
    takers = [call.id for call in calls if steps[-1] in call.upstream()]
    return [
        call.model_copy(update={"params": call.params | {"joins": takers}}) if call.id in steps else call
        for call in calls
    ]


def feasibility_plan(spec: Spec, fingerprints: Fingerprints) -> Plan:
    """The part of a workflow's plan that tells whether its target is in reach, as a workflow of its own.

    Its stages are those of the whole plan, keys included: a later run finds them cached. Where the spec has no target
    its goal is judged; without either only what can be reached is estimated.
    """
    whole = build(spec, fingerprints, feasibility=True)
    needed = {"feasibility", "require"}
    for call in reversed(whole.stages):
        if call.id in needed:
            needed.update(call.upstream())
    stages = tuple(call for call in whole.stages if call.id in needed)
    return whole.model_copy(update={"workflow": f"{spec.name}{FEASIBILITY}", "stages": stages})


def keyed(calls: list[StageCall], environments: Mapping[str, str | None]) -> tuple[StageCall, ...]:
    """The calls with their recipe keys and the environments that these count on."""
    known = {queue: digest for queue, digest in environments.items() if digest is not None}
    keys: dict[str, str | None] = {}
    keyed_calls = []
    for call in calls:
        keys[call.id] = recipe_key(call, keys, known)
        keyed_calls.append(call.model_copy(update={"key": keys[call.id], "environment": known.get(call.queue)}))
    return tuple(keyed_calls)

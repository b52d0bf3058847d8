"""A team's own stages: what their parameters take, and whether the table goes on through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.contracts.calls import Gather, Input, Output, Purity, StageCall
from orchestrator.contracts.release import CustomStep
from orchestrator.contracts.tasks import TASKS
from orchestrator.plan import policies
from orchestrator.plan.draft import Draft
from orchestrator.plan.placing import SPINE, Wish
from orchestrator.plan.problems import CannotPlan, Problem
from orchestrator.plan.signature import Parameter, Signature
from orchestrator.spec.models import CustomStage, Spec
from orchestrator.spec.problems import did_you_mean

Where = tuple[str | int, ...]

# Names of outputs by which a parameter may ask, and whose they are; `results` are those of all trials.
_PRODUCERS = {
    output: stage
    for stage, outputs in {
        "ingest": ("profile",),
        "check": ("findings",),
        "prepare": ("changes",),
        "split": ("rows", "summary"),
        "features": ("frame", "preparation"),
        "feasibility": ("feasibility",),
        "train": ("results",),
        "select": ("model", "ranking"),
        "evaluate": ("evaluation", "predictions"),
        "gates": ("verdicts",),
        "package": ("bundle", "signature"),
        "measure": ("measurements",),
        "register": ("registration",),
    }.items()
    for output in outputs
}


def wishes_of(spec: Spec, signatures: dict[str, Signature], spine: Sequence[str]) -> list[Wish]:
    """Where each own stage asks to stand; taking a stage's output implies standing after it."""
    names = {*spine, *(stage.name for stage in spec.stages)}
    wishes = []
    for place, stage in enumerate(spec.stages):
        implied = [reference.split(".")[0] for reference in stage.inputs.values()]
        for parameter in signatures[stage.call].inputs:
            if parameter.name in stage.inputs or parameter.name in spec.data.sources:
                continue
            wanted = parameter.name if parameter.name in names else _PRODUCERS.get(parameter.name)
            if wanted in names and wanted != stage.name:
                implied.append(wanted)
        known = tuple(name for name in implied if name in names)
        wishes.append(Wish(stage.name, ("stages", place), stage.after, stage.before, known))
    return wishes


def add_custom(draft: Draft, stage: CustomStage, place: int) -> None:
    """Write one own stage; where it takes and gives the table before features, the table goes on from it.

    Raises CannotPlan with every parameter that nothing can be given for.
    """
    signature = draft.fingerprints.signatures[stage.call]
    where = ("stages", place)
    problems = _with_problems(stage, signature, where)
    inputs: dict[str, Input] = {}
    for parameter in signature.inputs:
        found = _input(draft, stage, parameter, where, problems)
        if found is not None:
            inputs[parameter.name] = found
    problems += [
        Problem(
            (*where, "inputs"), f"{signature.name} has no parameter {name!r}{did_you_mean(name, _names(signature))}"
        )
        for name in stage.inputs
        if name not in _names(signature)
    ]
    passes = _passes_on(draft, stage, signature, inputs, where, problems)
    if problems:
        raise CannotPlan(problems)
    call = _call(draft, stage, signature, inputs)
    draft.put(stage.name, call)
    draft.offers[stage.name] = signature.outputs
    if passes is not None:
        draft.table = Output(stage=stage.name, output=passes)
        rowwise = signature.rowwise if stage.rowwise is None else stage.rowwise
        step = CustomStep(
            name=stage.name,
            code=draft.fingerprints.code[stage.call],
            options={} if _holds_secret(stage.with_) else stage.with_,
            rowwise=rowwise,
            prepared=draft.has("prepare"),
            secret=_holds_secret(stage.with_),
        )
        draft.steps.append(step)


def _call(draft: Draft, stage: CustomStage, signature: Signature, inputs: dict[str, Input]) -> StageCall:
    taken = {one for source in inputs.values() for one in _stages(source)}
    after = [one for name in stage.after for one in draft.groups[name] if one not in taken]
    searched = set(draft.groups.get("train", ()))
    task = TASKS["custom"]
    code = draft.fingerprints.code[stage.call]
    return StageCall(
        id=stage.name,
        task=task.name,
        queue=stage.queue or signature.queue or task.queue.value,
        version=task.version,
        params=stage.with_,
        inputs=inputs,
        after=tuple(after),
        policy=policies.custom_policy(stage, joins=bool(searched & (taken | set(after)))),
        code=code,
        purity=Purity(stage.purity),
        shadow=f"custom.{stage.name}",
    )


def _stages(source: Input) -> tuple[str, ...]:
    if isinstance(source, Gather):
        return source.stages
    return (source.stage,) if isinstance(source, Output) else ()


def _input(
    draft: Draft, stage: CustomStage, parameter: Parameter, where: Where, problems: list[Problem]
) -> Input | None:
    """What a parameter is given: as `inputs` says, else by its name, else by what its annotation carries."""
    reference = stage.inputs.get(parameter.name)
    if reference is not None:
        return _referenced(draft, reference, parameter, (*where, "inputs", parameter.name), problems)
    if draft.has(parameter.name):
        return _referenced(draft, parameter.name, parameter, where, problems)
    found = _by_name(draft, parameter.name) or _by_kind(draft, parameter)
    if found is None and parameter.required:
        have = sorted({*draft.groups, *(name for name, stage in _PRODUCERS.items() if draft.has(stage))})
        message = (
            f"what is the parameter {parameter.name!r} of {stage.call} given{did_you_mean(parameter.name, have)}? "
            "Name it for a stage or an output, annotate it as a table, or say it under `inputs`"
        )
        problems.append(Problem(where, message))
    return found


def _by_name(draft: Draft, name: str) -> Input | None:
    """The table by its source's name, or the output of this name."""
    if name in draft.spec.data.sources:
        return draft.table
    producer = _PRODUCERS.get(name)
    if producer is None or not draft.has(producer):
        return None
    return draft.output(producer, "result" if producer == "train" else name)


def _by_kind(draft: Draft, parameter: Parameter) -> Input | None:
    if parameter.carries == "table":
        return draft.table
    return draft.output("select", "model") if parameter.carries == "model" and draft.has("select") else None


def _referenced(
    draft: Draft, reference: str, parameter: Parameter, where: Where, problems: list[Problem]
) -> Input | None:
    """STAGE or STAGE.OUTPUT; a stage alone stands for its first output that carries what is asked for."""
    name, _, output = reference.partition(".")
    if not draft.has(name):
        later = name in SPINE or any(stage.name == name for stage in draft.spec.stages)
        reason = "does not come before this one" if later else f"does not exist{did_you_mean(name, draft.groups)}"
        problems.append(Problem(where, f"the stage {name!r} {reason}"))
        return None
    offered = dict(draft.offers[name])
    if not output:
        fitting = [one for one, carried in offered.items() if parameter.carries in ("any", carried)]
        output = next(iter(fitting), next(iter(offered), ""))
    if output not in offered:
        have = ", ".join(offered) or "none"
        problems.append(
            Problem(where, f"{name} has no output {output!r}{did_you_mean(output, offered)}; it has: {have}")
        )
        return None
    return draft.output(name, output)


def _passes_on(
    draft: Draft,
    stage: CustomStage,
    signature: Signature,
    inputs: dict[str, Input],
    where: Where,
    problems: list[Problem],
) -> str | None:
    """The output with which the table goes on, where this stage stands in its stream."""
    if draft.has("features") or draft.table not in inputs.values():
        return None
    given = signature.first("table")
    if given is None and ("result", "any") in signature.outputs:
        message = (
            f"{signature.where}: say what {signature.name} returns: `-> pd.DataFrame` where the table goes on from it"
        )
        problems.append(Problem((*where, "call"), message))
    if given is not None and draft.has("split"):
        draft.notes.append(f"{stage.name} stands after split: it must keep the rows")
    return given


def _with_problems(stage: CustomStage, signature: Signature, where: Where) -> list[Problem]:
    problems = [
        Problem((*where, "with", name), f"{stage.call} has no option {name!r}{did_you_mean(name, signature.options)}")
        for name in stage.with_
        if name not in signature.options and not signature.open_ended
    ]
    missing = [name for name, required in signature.options.items() if required and name not in stage.with_]
    return problems + [Problem((*where, "with"), f"{stage.call} needs the option {name!r}") for name in missing]


def _holds_secret(value: Any) -> bool:
    """Whether `{secret: NAME}` is anywhere in the value."""
    if isinstance(value, Mapping):
        return set(value) == {"secret"} or any(_holds_secret(item) for item in value.values())
    return isinstance(value, (list, tuple)) and any(_holds_secret(item) for item in value)


def _names(signature: Signature) -> list[str]:
    return [parameter.name for parameter in signature.inputs]

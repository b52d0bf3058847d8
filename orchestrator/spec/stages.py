"""A team's own stages: names, places among the others, and signatures."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.spec.models import CustomStage, Spec
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.requirements import check_requires
from orchestrator.spec.review import Review
from orchestrator.spec.signatures import NotFoundError, Signature, function_signature, several
from orchestrator.spec.written import Step

STANDARD = (
    *("ingest", "check", "prepare", "split", "features", "feasibility", "require", "train", "segments", "select"),
    *("evaluate", "spend", "gates", "package", "measure", "approve", "register"),
)


def changes_table(spec: Spec, *, before: str) -> bool:
    """Whether a stage of the team's own may change the columns that the standard stage `before` is given."""
    followers: dict[str, list[str]] = {}  # place → stages that make what is upstream of `before` wider, once it is
    for stage in spec.stages:
        for place in (*stage.after, *(source.partition(".")[0] for source in stage.inputs.values()), *stage.before):
            followers.setdefault(place, []).append(stage.name)
    pending = [*STANDARD[: STANDARD.index(before)], *(stage.name for stage in spec.stages if before in stage.before)]
    upstream: set[str] = set()
    while pending:
        place = pending.pop()
        if place not in upstream:
            upstream.add(place)
            pending.extend(followers.get(place, ()))
    return any(stage.name in upstream for stage in spec.stages)


def check_stages(review: Review) -> None:
    """Note names that clash or lead nowhere, and values that a function does not take."""
    known = dict.fromkeys([*STANDARD, *(stage.name for stage in review.spec.stages)])
    seen: set[str] = set()
    for index, stage in enumerate(review.spec.stages):
        at: tuple[Step, ...] = ("stages", index)
        if stage.name in STANDARD:
            review.note((*at, "name"), f"{stage.name!r} is a stage of Cyclery's own: choose another name")
        elif stage.name in seen:
            review.note((*at, "name"), f"there are two stages {stage.name!r}")
        seen.add(stage.name)
        for key, places in (("after", stage.after), ("before", stage.before)):
            for position, place in enumerate(places):
                if place not in known or place == stage.name:
                    words = "itself" if place == stage.name else f"a stage {place!r} that does not exist"
                    review.note((*at, key, position), f"{stage.name!r} stands {key} {words}{_near(place, known)}")
        for parameter, source in stage.inputs.items():
            if source.partition(".")[0] not in known:
                words = f"{source!r} is not an output of a stage{_near(source.partition('.')[0], known)}"
                review.note((*at, "inputs", parameter), words)
        check_requires(review, stage.requires, (*at, "requires"))
        _check_call(review, stage, at)


def _near(name: str, known: Collection[str]) -> str:
    hint = did_you_mean(name, known)
    return hint if "did you mean" in hint and name not in known else ""


def _check_call(review: Review, stage: CustomStage, at: tuple[Step, ...]) -> None:
    try:
        signature = function_signature(review.folders, stage.call)
    except NotFoundError as error:
        review.note((*at, "call"), str(error))
        return
    check_requires(review, several(signature.decorator.get("requires")), (*at, "call"), "@stage(requires=…): ")
    keywords = [parameter.name for parameter in signature.keywords if parameter.name != "context"]
    for name in stage.with_:
        if name not in keywords and not signature.any_keyword:
            words = f"{stage.call} has no keyword parameter {name!r}{_advice(name, keywords, signature)}"
            review.note((*at, "with", name), words, key=True)
    missing = [p.name for p in signature.keywords if p.required and p.name not in {*stage.with_, "context"}]
    for name in missing:
        review.note(at, f"{stage.call} needs {name!r}: give it in `with:`")
    inputs = [parameter.name for parameter in signature.inputs]
    for name in stage.inputs:
        if name not in inputs:
            review.note(
                (*at, "inputs", name), f"{stage.call} has no input {name!r}{did_you_mean(name, inputs)}", key=True
            )


def _advice(name: str, keywords: list[str], signature: Signature) -> str:
    if name in [parameter.name for parameter in signature.inputs]:
        return " (it is an input; values of `with:` stand after `*` in the function)"
    return did_you_mean(name, keywords)

"""Estimators that are known by name, with those inside them: they exist, fit the task, and take their parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.contracts import estimators
from orchestrator.contracts.estimators import FINAL, FOREIGN, OF, Accepted, Estimator
from orchestrator.contracts.roles import Task
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.review import Review
from orchestrator.spec.signatures import NotFoundError, class_parameters, module_file
from orchestrator.spec.train import Part
from orchestrator.spec.written import Step

At = tuple[Step, ...]
Placed = tuple[tuple[Step, ...], Any]  # a value, with where it stands below its parameter

_OTHER: Mapping[Task, Task] = {
    "classification": "regression",
    "regression": "classification",
    "multilabel": "regression",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an estimator as it was written, and of those inside it."""

    part: Part
    estimator: Estimator
    inside: dict[str, Known] = field(default_factory=dict)  # by name; the one above the others under "final"

    def resolved(self) -> dict[str, Any]:
        """What changes in the part: dotted paths in place of names, there and inside."""
        given = {OF: tuple(self._at(part.name, part) for part in self.part.of)}
        final = self.part.final
        return {"estimator": self.estimator.path, **given, FINAL: None if final is None else self._at(FINAL, final)}

    def _at(self, name: str, part: Part) -> Part:
        return part.model_copy(update=self.inside[name].resolved()) if name in self.inside else part


def find(review: Review, part: Part, at: At) -> Known | None:
    """The estimator of a part with all inside it; what is wrong with them is noted."""
    estimator = _find(review, part.estimator, at)
    if estimator is None:
        return None
    _check_slots(review, part, estimator, at)
    inside: dict[str, Known] = {}
    for step, inner in part.parts():
        place = (*at, *step)
        name = FINAL if step == (FINAL,) else inner.name
        if name == inner.name and (problem := _unfit(name, estimator, inside)):
            review.note(place, problem)
        known = find_own(review, inner, place) if inner.own else find(review, inner, place)
        if known is not None:
            inside[name] = known
            for parameter, value in inner.fixed.items():
                check_parameter(review, known, parameter, [((), value)], (*place, "fixed", parameter))
    return Known(part, estimator, inside)


def find_own(review: Review, part: Part, at: At) -> Known | None:
    """A class of the team's own with the parameters that it names; what is wrong with it is noted."""
    for step, _ in part.parts():
        review.note((*at, step[0]), f"`{step[0]}` is for ensembles of scikit-learn, not for code of your own", key=True)
        break
    try:
        parameters = class_parameters(review.folders, part.estimator)
    except NotFoundError as error:
        review.note(at, str(error), key=True)
        return None
    anything = dict.fromkeys(parameters or (), (Accepted(type="any"),))
    return Known(part, Estimator(part.name, part.estimator, anything, unknown=parameters is None))


def _check_slots(review: Review, part: Part, estimator: Estimator, at: At) -> None:
    inside = estimator.inside
    if inside is None:
        for key in [key for key, value in ((OF, part.of), (FINAL, part.final)) if value]:
            review.note(
                (*at, key), f"{estimator.name} takes no estimators inside it (stacking, voting, … do)", key=True
            )
        return
    split = review.spec.split
    if inside.splits and not split.plain and not split.assume_independent:
        words = (
            f"{estimator.name} makes plain folds inside, which know of no {split.method}: take voting, or bagging, or "
        )
        review.note(at, f"{words}set `split: {{assume_independent: true}}` if rows are")
    if part.final is not None and inside.final is None:
        review.note((*at, FINAL), f"`final` is for stacking; {estimator.name} has nothing above those inside", key=True)
    damaged = review.document.damaged(review.document.find((*at, OF)))
    if inside.needed and not part.of and not damaged:
        review.note(at, f"{estimator.name} needs others inside it: {{{estimator.name}: {{of: [NAME, …]}}}}")
    if len(part.of) > 1 and not inside.several:
        review.note((*at, OF), f"{estimator.name} takes one estimator inside it, not {len(part.of)}", key=True)


def _unfit(name: str, estimator: Estimator, before: dict[str, Known]) -> str | None:
    """Why an estimator inside another cannot have its name."""
    remedy = "give it another: {NAME: {estimator: …}}"
    if name in before:
        return f"there are two estimators {name!r} inside {estimator.name} ({remedy})"
    if name in estimator.parameters or name == FINAL or "__" in name:
        return f"an estimator inside {estimator.name} cannot be called {name!r} ({remedy})"
    return None


def check_parameter(review: Review, known: Known, name: str, values: Sequence[Placed], at: At) -> None:
    """A parameter of the estimator, or of one inside it as NAME__PARAMETER; `at` is where the parameter stands."""
    outer, _, rest = name.partition("__")
    if rest and outer in known.inside:
        check_parameter(review, known.inside[outer], rest, values, at)
        return
    estimator = known.estimator
    if estimator.unknown:
        return
    if name not in estimator.parameters:
        names = [*estimator.parameters, *(f"{one}__{rest}" for one in known.inside if rest)]
        review.note(at, f"{estimator.name} has no parameter {name!r}{did_you_mean(name, names)}", key=True)
        return
    if name == "class_weight" and review.spec.train.weights is not None and any(value for _, value in values):
        review.note(at, "`train.weights` weighs the classes already: take class_weight out, or `weights`", key=True)
    for step, value in values:
        if (problem := estimator.problem(name, value)) is not None:
            shown = as_written(value)
            review.note((*at, *step), f"{name} of {estimator.name} {problem}, not {shown}")


def _find(review: Review, name: str, at: At) -> Estimator | None:
    task = review.spec.objective.task
    found = estimators.find(name, task)
    if found is None and not review.knows("task"):
        return estimators.find(name, _OTHER[task])
    if found is not None:
        return found
    if (reason := estimators.why_not(name, task)) is not None:
        review.note(at, f"{name} cannot be a candidate: {reason}")
    elif estimators.find(name, _OTHER[task]) is not None:
        review.note(at, f"{name} is for {_OTHER[task]}s; objective.task is {task}")
    elif "." in name and not name.startswith("sklearn."):
        review.note(at, _no_library(review, name))
    else:
        review.note(at, f"unknown estimator {name!r}{did_you_mean(name, estimators.names(task))}")
    return None


def _no_library(review: Review, name: str) -> str:
    """Why a dotted path that is not scikit-learn's names no candidate."""
    module, _, cls = name.rpartition(".")
    if module_file(review.folders, module) is not None:
        return f"a class of your own is written module:Class: {module}:{cls}"
    near = did_you_mean(name, (path for path in FOREIGN if path.split(".")[0] == name.split(".", maxsplit=1)[0]))
    if near:
        return f"unknown estimator {name!r}{near}"
    return (
        f"models of {name} cannot be kept in a safe file; of other libraries there are: {', '.join(FOREIGN)}; "
        "any other stands inside a class of your own, module:Class, that keeps its model as text"
    )


def as_written(value: Any) -> str:
    """A value as a spec has it."""
    return json.dumps(value, ensure_ascii=False, default=str)

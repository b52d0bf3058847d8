"""The catalogue of scikit-learn's classifiers and regressors: names, dotted paths, and what parameters accept.

It is data (`estimators.json`, written by tests/unit/estimator_catalogue.py), so that a spec is checked without
scikit-learn. A name is the class's in snake case without `Classifier` or `Regressor`: `random_forest`, `svc`,
`logistic_regression`. The class's own name, its name in snake case, its dotted path, `svm`, `knn` and `calibrated` are
taken as well. Ensembles of other estimators are given these in `OF` (a list) and `FINAL` among their parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from orchestrator.contracts.roles import Task

# Of other libraries, those whose fitted models a model file can hold (workers/model_types.py). Where a pool has the
# library is known there alone, and so is what its parameters accept.
FOREIGN: Mapping[str, Task] = {
    "catboost.CatBoostClassifier": "classification",
    "catboost.CatBoostRegressor": "regression",
    "lightgbm.LGBMClassifier": "classification",
    "lightgbm.LGBMRegressor": "regression",
    "xgboost.XGBClassifier": "classification",
    "xgboost.XGBRegressor": "regression",
    "xgboost.XGBRFClassifier": "classification",
    "xgboost.XGBRFRegressor": "regression",
}

OF, FINAL = "of", "final"  # among the parameters of a trial of an ensemble: the estimators inside it

_KINDS: dict[str, Any] = {
    "text": str,
    "boolean": bool,
    "null": type(None),
    "list": list | tuple,
    "mapping": Mapping,
    "any": object,
}
_WORDS = {
    "number": "a number",
    "integer": "a whole number",
    "text": "text",
    "boolean": "true or false",
    "null": "null",
    "list": "a list",
    "mapping": "a mapping",
    "any": "anything",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """One kind of value that a parameter accepts."""

    type: str | None = None  # number, integer, text, boolean, null, list, mapping, any
    low: float | None = None
    high: float | None = None
    closed: str = "both"  # which bounds belong to it: both, left, right, neither
    choices: tuple[Any, ...] = ()

    def takes(self, value: Any) -> bool:
        """Whether a value of JSON is of this kind."""
        if self.choices:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if self.type in {"number", "integer"}:
            return self._takes_number(value)
        return isinstance(value, _KINDS[self.type or "any"])

    def _takes_number(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.type == "integer" else int | float):
            return False
        above = self.low is None or value > self.low or (value == self.low and self.closed in {"both", "left"})
        below = self.high is None or value < self.high or (value == self.high and self.closed in {"both", "right"})
        return above and below

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(repr(choice) for choice in self.choices)
        bounds = []
        if self.low is not None:
            bounds.append(f"{'>=' if self.closed in {'both', 'left'} else '>'} {self.low:g}")
        if self.high is not None:
            bounds.append(f"{'<=' if self.closed in {'both', 'right'} else '<'} {self.high:g}")
        return " ".join([_WORDS[self.type or "any"], " and ".join(bounds)]).strip()


@dataclass(frozen=True, slots=True)
class Inside:
    """How a class is given the estimators inside it."""

    slot: str  # the parameter that takes them: "estimators" a list of pairs, "estimator" one
    final: str | None  # the parameter that takes the one above them
    needed: bool
    splits: bool  # whether it cross-validates them when it is fitted, by folds that know of no group and no time

    @property
    def several(self) -> bool:
        """Whether it takes many, each under its name."""
        return self.slot == "estimators"


@dataclass(frozen=True, slots=True)
class Estimator:
    """One class of scikit-learn."""

    name: str
    path: str
    parameters: Mapping[str, tuple[Accepted, ...]]
    inside: Inside | None = None
    unknown: bool = False  # of another library: its parameters are looked at where it is installed

    def problem(self, parameter: str, value: Any) -> str | None:
        """What the parameter should be, where the value is not; None where it is."""
        kinds = self.parameters[parameter]
        if any(kind.takes(value) for kind in kinds):
            return None
        if self.inside is not None and parameter in (self.inside.slot, self.inside.final):
            return f"is written beside `fixed`, as `{OF if parameter == self.inside.slot else FINAL}: …`"
        if not kinds:
            return "cannot be given in a spec"
        return f"should be {' or '.join(str(kind) for kind in kinds)}"


def inner(part: Any) -> str:
    """An estimator inside another as people read it: `random_forest(n_estimators=200)`, `voting(of=svc, ridge)`."""
    given = ", ".join(f"{name}={told(name, value)}" for name, value in part["params"].items())
    return f"{part['name']}({given})" if given else str(part["name"])


def told(name: str, value: Any) -> Any:
    """A parameter's value for people: estimators inside by their names, anything else as it is."""
    parts = value if isinstance(value, list | tuple) else [value]
    if name not in {OF, FINAL} or not all(
        isinstance(part, Mapping) and {"name", "params"} <= {*part} for part in parts
    ):
        return value
    return " + ".join(inner(part) for part in parts)


def family(task: Task) -> Task:
    """Whose estimators serve a task: a multilabel target is told by classifiers, of all labels or one for each."""
    return "classification" if task == "multilabel" else task


def find(name: str, task: Task) -> Estimator | None:
    """The estimator of this name for this task."""
    task = family(task)
    if FOREIGN.get(name) == task:
        return Estimator(name, name, {}, unknown=True)
    entries, aliases = _tasks()[task]["estimators"], _spellings(task)
    short = aliases.get(name)
    if short is None or short not in entries:
        return None
    return _estimator(short, task)


def why_not(name: str, task: Task) -> str | None:
    """Why scikit-learn's estimator of this name cannot be a candidate."""
    task = family(task)
    entry = _tasks()[task]["refused"].get(_spellings(task).get(name, name))
    return None if entry is None else str(entry["reason"])


def names(task: Task) -> tuple[str, ...]:
    """All short names for a task."""
    return tuple(_tasks()[family(task)]["estimators"])


@cache
def _tasks() -> dict[str, Any]:
    text = resources.files("orchestrator.contracts").joinpath("estimators.json").read_text(encoding="utf-8")
    tasks: dict[str, Any] = json.loads(text)["tasks"]
    return tasks


@cache
def _spellings(task: Task) -> dict[str, str]:
    parts = _tasks()[task]
    found: dict[str, str] = dict(parts["aliases"])
    for short, entry in [*parts["estimators"].items(), *parts["refused"].items()]:
        cls = entry["path"].rsplit(".", 1)[-1]
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls).lower()
        found.update(dict.fromkeys((short, cls, snake, entry["path"]), short))
    return found


@cache
def _estimator(short: str, task: Task) -> Estimator:
    entry = _tasks()[task]["estimators"][short]
    accepted = {
        name: tuple(Accepted(**{**kind, "choices": tuple(kind.get("choices", ()))}) for kind in kinds)
        for name, kinds in entry["parameters"].items()
    }
    inside = Inside(**entry["inside"]) if "inside" in entry else None
    return Estimator(short, entry["path"], accepted, inside)

"""Writes orchestrator/contracts/estimators.json from the installed scikit-learn.

Run it by hand when test_estimators.py says that the two have drifted apart: python tests/unit/estimator_catalogue.py
"""

from __future__ import annotations

import inspect
import json
import math
import re
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import sklearn
from sklearn.utils import _param_validation as validation
from sklearn.utils import all_estimators

CATALOGUE = Path(__file__).parents[2] / "orchestrator" / "contracts" / "estimators.json"
TASKS = {"classification": "classifier", "regression": "regressor"}
ALIASES = {
    "classification": {"svm": "svc", "knn": "k_neighbors", "calibrated": "calibrated_cv"},
    "regression": {"svm": "svr", "knn": "k_neighbors"},
}
SEVERAL_TARGETS = {
    *("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "CCA", "PLSCanonical"),
    *("ClassifierChain", "RegressorChain", "MultiOutputClassifier", "MultiOutputRegressor"),
}
OTHERWISE = {
    "FixedThresholdClassifier": "the decision threshold is set by `objective.threshold`",
    "TunedThresholdClassifierCV": "the decision threshold is tuned by `objective.threshold`",
    "SelfTrainingClassifier": "it learns from rows without a target, which no workflow trains on",
    "TransformedTargetRegressor": "it needs functions, which a spec cannot write: make it a class of your own",
}
SLOTS = ("estimators", "estimator")  # the parameters that take other estimators
SPLITS = {"StackingClassifier", "StackingRegressor", "CalibratedClassifierCV"}  # they cross-validate inside
TYPES = {bool: "boolean", str: "text", dict: "mapping", list: "list", tuple: "list", int: "integer", float: "number"}


def short_name(name: str) -> str:
    """HistGradientBoostingClassifier → hist_gradient_boosting; SVC → svc; RidgeClassifierCV → ridge_cv."""
    name = re.sub(r"(Classifier|Regressor)(CV)?$", r"\2", name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def public_path(estimator: type) -> str:
    """The dotted path without private modules."""
    parts = estimator.__module__.split(".")
    private = next((index for index, part in enumerate(parts) if part.startswith("_")), len(parts))
    return ".".join([*parts[:private], estimator.__name__])


def accepted(constraint: Any) -> list[dict[str, Any]]:
    """The values of JSON that one of scikit-learn's constraints lets pass; empty where there are none."""
    if isinstance(constraint, str):
        named = {
            "boolean": [{"type": "boolean"}],
            "verbose": [{"type": "boolean"}, {"type": "integer", "low": 0, "closed": "left"}],
            "random_state": [{"type": "integer", "low": 0, "closed": "left"}, {"type": "null"}],
            "cv_object": [{"type": "integer", "low": 2, "closed": "left"}, {"type": "null"}],
            "array-like": [{"type": "list"}],
            "no_validation": [{"type": "any"}],
        }
        return named.get(constraint, [])
    if constraint is None:
        return [{"type": "null"}]
    if isinstance(constraint, validation.Interval):
        kind = "integer" if constraint.type is Integral else "number"
        bounds = {"low": constraint.left, "high": constraint.right}
        given = {key: float(value) for key, value in bounds.items() if value is not None and abs(value) != float("inf")}
        return [{"type": kind, **given, "closed": constraint.closed}]
    if isinstance(constraint, validation.Options):
        values = [value for value in constraint.options if isinstance(value, str | int | float) and value != "prefit"]
        finite = [value for value in values if isinstance(value, str) or not math.isnan(value)]
        return [{"choices": sorted(finite, key=str)}] if finite else []
    if isinstance(constraint, type):
        kinds = {Integral: "integer", Real: "number", **TYPES}
        return [{"type": kinds[constraint]}] if constraint in kinds else []
    return []


def parameters(estimator: type) -> dict[str, list[dict[str, Any]]]:
    """Parameter → what it accepts."""
    constraints = getattr(estimator, "_parameter_constraints", {})
    names = [name for name in inspect.signature(estimator.__init__).parameters if name != "self"]
    found: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(names):
        given = constraints.get(name, ["no_validation"])
        given = [given] if isinstance(given, str) else given
        found[name] = [entry for constraint in given for entry in accepted(constraint)]
    return found


def inside(estimator: type) -> dict[str, Any] | None:
    """Which parameters take other estimators, and whether they are needed; None where none does."""
    taken = inspect.signature(estimator.__init__).parameters
    slot = next((name for name in SLOTS if name in taken), None)
    if slot is None:
        return None
    final = "final_estimator" if "final_estimator" in taken else None
    needed = taken[slot].default is inspect.Parameter.empty
    return {"slot": slot, "final": final, "needed": needed, "splits": estimator.__name__ in SPLITS}


def why_not(estimator: type) -> str | None:
    """Why an estimator cannot be a candidate."""
    if estimator.__name__ in SEVERAL_TARGETS:
        return "it predicts several targets at once"
    return OTHERWISE.get(estimator.__name__)


def generate() -> dict[str, Any]:
    """The whole catalogue."""
    document: dict[str, Any] = {"scikit-learn": ".".join(sklearn.__version__.split(".")[:2]), "tasks": {}}
    for task, kind in TASKS.items():
        entries, refused = {}, {}
        for name, estimator in all_estimators(kind):
            if (reason := why_not(estimator)) is not None:
                refused[short_name(name)] = {"path": public_path(estimator), "reason": reason}
                continue
            assert short_name(name) not in entries, name
            entry = {"path": public_path(estimator), "parameters": parameters(estimator)}
            if (others := inside(estimator)) is not None:
                entry["inside"] = others
                slot = entry["parameters"][others["slot"]]
                entry["parameters"][others["slot"]] = [kind for kind in slot if kind == {"type": "null"}]
            entries[short_name(name)] = entry
        document["tasks"][task] = {"estimators": entries, "aliases": ALIASES[task], "refused": refused}
    return document


def text() -> str:
    """The catalogue as it is kept: one line for each estimator."""
    document = generate()
    lines = ["{", f' "scikit-learn": {json.dumps(document["scikit-learn"])},', ' "tasks": {']
    tasks = []
    for task, parts in document["tasks"].items():
        sections = []
        for section, entries in parts.items():
            rows = ",\n".join(f"   {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(entries.items()))
            sections.append(f"  {json.dumps(section)}: {{\n{rows}\n  }}")
        tasks.append(f" {json.dumps(task)}: {{\n" + ",\n".join(sections) + "\n }")
    return "\n".join([*lines, ",\n".join(tasks), " }", "}", ""])


if __name__ == "__main__":
    CATALOGUE.write_text(text(), encoding="utf-8")

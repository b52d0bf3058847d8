"""Cyclery's own stages: for each the call that the spec asks for."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.contracts.evaluation import MeasuredGate, spends
from orchestrator.plan.draft import Draft
from orchestrator.plan.stages import data, evaluation, release, training
from orchestrator.spec.models import Spec

BUILDERS: dict[str, Callable[[Draft], None]] = {
    "ingest": data.ingest,
    "check": data.check,
    "prepare": data.prepare,
    "split": data.split,
    "features": data.features,
    "feasibility": training.feasibility,
    "require": training.require,
    "train": training.train,
    "segments": training.segments,
    "select": training.select,
    "evaluate": evaluation.evaluate,
    "spend": evaluation.spend,
    "gates": evaluation.gates,
    "package": release.package,
    "measure": release.measure,
    "approve": release.approve,
    "register": release.register,
}


def spine_of(spec: Spec, *, feasibility: bool = False) -> tuple[str, ...]:
    """Cyclery's own stages that this spec has, in their order; with `feasibility` that one in any case."""
    absent = {
        "check": not spec.data.checks and spec.data.rows is None,
        "feasibility": spec.objective.target is None and not feasibility,
        "require": spec.objective.require is None,
        "segments": spec.train.per is None,
        "spend": not any(map(spends, spec.gates)),
        "gates": not spec.gates,
        "measure": not (measured := any(isinstance(gate, MeasuredGate) for gate in spec.gates)),
        "approve": spec.approve is None,
    }
    names = [name for name in BUILDERS if not absent.get(name, False)]
    if measured:  # the bundle is judged as well: the gates wait for it
        names.remove("gates")
        names.insert(names.index("measure") + 1, "gates")
    return tuple(names)

"""The registered version that gates compare with."""

from __future__ import annotations

from orchestrator.contracts.evaluation import PRODUCTION, ComparisonGate, DriftGate, Gate
from orchestrator.plan.problems import CannotPlan, Problem
from orchestrator.spec.models import Spec


def named_rivals(spec: Spec) -> dict[str, int]:
    """What gates compare with, NAME@VERSION or `production`, and which gate asks for it (from 0); never the dummy."""
    named = {_named(gate): place for place, gate in enumerate(spec.gates)}
    return {reference: place for reference, place in named.items() if reference is not None and reference != "dummy"}


def compares(spec: Spec) -> bool:
    """Whether a gate compares the model with a registered one."""
    return any(isinstance(gate, ComparisonGate) and gate.rival != "dummy" for gate in spec.gates)


def drifts(spec: Spec) -> bool:
    """Whether a gate compares the rows with those that a registered model was trained on."""
    return any(isinstance(gate, DriftGate) and gate.against is not None for gate in spec.gates)


def _named(gate: Gate) -> str | None:
    if isinstance(gate, DriftGate):
        return gate.against
    return gate.rival if isinstance(gate, ComparisonGate) else None


def rival_of(spec: Spec, live: str | None) -> str | None:
    """The one registered version, NAME@VERSION, that the gates compare with; `live` is the one in production.

    Raises CannotPlan where they name more than one.
    """
    places: dict[str, int] = {}
    for reference, place in named_rivals(spec).items():
        version = live if reference == PRODUCTION else reference
        if version is not None:
            places[version] = max(place, places.get(version, 0))
    if len(places) > 1:
        message = f"gates compare with {' and '.join(places)}: one registered version can be a workflow's rival"
        raise CannotPlan([Problem(("gates", max(places.values())), message)])
    return next(iter(places), None)

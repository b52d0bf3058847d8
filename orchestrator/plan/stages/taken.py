"""What stages take of the spec and of the stages before them."""

from __future__ import annotations

from orchestrator.contracts import roles
from orchestrator.contracts.calls import Input, Output
from orchestrator.spec.models import Spec

_ASKED = {"goal", "target", "require", "threshold", "costs"}  # of the objective: what only some stages are told


def objective(spec: Spec) -> roles.Objective:
    """The objective without what is only shown, and without what only some stages are told."""
    return roles.Objective(**spec.objective.model_dump(exclude=_ASKED))


def target(spec: Spec) -> roles.Objective:
    """What is predicted, for stages that score nothing: another metric or quantile leaves their keys alone."""
    return roles.Objective(**spec.objective.model_dump(exclude=_ASKED | {"metric", "quantile"}), metric="")


def columns(spec: Spec) -> roles.Columns:
    """The columns with a role."""
    return roles.Columns(**spec.columns.model_dump())


def prepared() -> dict[str, Input]:
    """Feature table, split and preparation: what is fitted, and on which rows."""
    return {
        "frame": Output(stage="features", output="frame"),
        "rows": of_split("rows"),
        "preparation": Output(stage="features", output="preparation"),
    }


def of_split(output: str) -> Output:
    """An output of `split`."""
    return Output(stage="split", output=output)


def of_select(output: str) -> Output:
    """An output of `select`."""
    return Output(stage="select", output=output)

"""Parameters of trials and of the choice among them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from orchestrator.contracts.roles import Columns, Costs, Objective, Threshold
from orchestrator.contracts.values import Value

Weights = Literal["balanced"]  # every class weighs the same in training, as a whole


class TrialParams(Value):
    """One candidate with one set of parameters, scored on every fold."""

    candidate: str  # the name that people see: "logistic_regression"
    estimator: str  # dotted path of a scikit-learn class, or module:Class of the team's own code
    index: int  # among this candidate's trials, from 1
    params: dict[str, Any] = Field(default_factory=dict)  # of the estimator, JSON
    objective: Objective
    roles: Columns = Columns()
    seed: int = 0
    weights: Weights | None = None  # of training rows, beside the weight column


class SelectParams(Value):
    """How the champion is chosen among the trials, and refitted on all training rows."""

    rule: Literal["best", "one_standard_error"] = "best"
    objective: Objective
    roles: Columns = Columns()
    seed: int = 0
    weights: Weights | None = None  # as the trials had them
    threshold: Threshold | None = None  # of the champion's decisions; None: the estimator's own
    costs: Costs | None = None
    trials: int | None = None  # how many were planned, so that the reason can say how many failed

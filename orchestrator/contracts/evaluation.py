"""Parameters of evaluation and gates."""

from __future__ import annotations

from pydantic import Field

from orchestrator.contracts.roles import Columns, Costs, Objective
from orchestrator.contracts.values import Value


class EvaluateParams(Value):
    """The champion on the untouched test rows, with intervals."""

    objective: Objective
    roles: Columns = Columns()
    confidence: float = 0.95
    resamples: int = 2000  # of the bootstrap
    seed: int = 0
    costs: Costs | None = None  # of a row: the mean is then a metric, `cost`


class MetricGate(Value):
    """A bound that the safe end of a metric's interval must keep."""

    text: str  # as the person wrote it
    metric: str
    at_least: float | None = None  # judged on the interval's lower end
    at_most: float | None = None  # judged on the interval's upper end
    confidence: float = 0.95


class BeatsGate(Value):
    """Better than the dummy, or than a registered version on rows that neither trained on."""

    text: str
    beats: str  # "dummy" or NAME@VERSION
    confidence: float = 0.95


class GatesParams(Value):
    """The gates in the order of the spec."""

    gates: tuple[MetricGate | BeatsGate, ...] = Field(default_factory=tuple)
    objective: Objective
    roles: Columns = Columns()
    resamples: int = 2000
    seed: int = 0
    costs: Costs | None = None

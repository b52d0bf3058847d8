"""Parameters of evaluation and gates."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from orchestrator.contracts.roles import Columns, Costs, Objective
from orchestrator.contracts.values import Value, unsaid

PRODUCTION = "production"  # of gates: the version that was live when the run was submitted


class Slicing(Value):
    """A column whose values, or bins, divide the test rows; each value where neither is given."""

    column: str
    values: tuple[str | int | float | bool, ...] | None = None
    bins: tuple[float, ...] | None = None  # rising edges; a bin holds its lower one, the last bin both


class Top(Value):
    """The rows that a binary model ranks highest: so many, or a share of all."""

    rows: int | None = None
    share: float | None = None

    @property
    def text(self) -> str:
        """`100` or `10 %`."""
        return str(self.rows) if self.share is None else f"{100 * self.share:.6g} %"


class EvaluateParams(Value):
    """The champion on the untouched test rows, with intervals."""

    objective: Objective
    roles: Columns = Columns()
    confidence: float = 0.95
    resamples: int = 2000  # of the bootstrap
    seed: int = 0
    costs: Costs | None = None  # of a row: the mean is then a metric, `cost`
    slices: tuple[Slicing, ...] = ()
    weakest: int = 0  # how many slices are looked for by themselves
    top: tuple[Top, ...] = ()  # of binary targets


class FreshParams(EvaluateParams):
    """A registered version on labelled rows from anywhere, without those that it was trained on."""

    model: str  # NAME@VERSION
    data: str  # the file of the rows, for messages


class MetricGate(Value):
    """A bound that the safe end of a metric's interval must keep."""

    text: str  # as the person wrote it
    metric: str
    at_least: float | None = None  # judged on the interval's lower end
    at_most: float | None = None  # judged on the interval's upper end
    confidence: float = 0.95
    slice: str | None = None  # COLUMN=VALUE: on these test rows only
    slices: str | None = None  # a column: on each of its slices


class BeatsGate(Value):
    """Better than the dummy, or than a registered version on rows that neither trained on."""

    text: str  # as the person wrote it
    beats: str  # "dummy", "production" or NAME@VERSION
    margin: float = 0.0  # the gain must be larger, in units of the metric
    confidence: float = 0.95  # of the two-sided interval whose lower end is judged: alpha is half of what is left

    @property
    def rival(self) -> str:
        """What the model is compared with."""
        return self.beats


class NotWorseGate(Value):
    """Worse by less than a margin than a registered version: non-inferior."""

    text: str  # as the person wrote it
    not_worse_than: str  # "production" or NAME@VERSION
    margin: float = 0.0  # the loss must be smaller, in units of the metric
    confidence: float = 0.95
    slice: str | None = None  # COLUMN=VALUE: on these test rows only
    slices: str | None = None  # a column: on each of its slices

    @property
    def rival(self) -> str:
        """What the model is compared with."""
        return self.not_worse_than


class FairnessGate(Value):
    """The ratio of a rate between the group where it is lowest and the one where it is highest."""

    text: str  # as the person wrote it
    fairness: str  # one of RATES
    groups: str  # a column: its slices are the groups
    at_least: float  # judged on the interval's lower end
    confidence: float = 0.95


class SizeGate(Value):
    """A model that is small enough."""

    text: str  # as the person wrote it
    size: int  # bytes that the model's file has at the most


class SpeedGate(Value):
    """A packaged model that answers fast enough, where it was measured."""

    text: str  # as the person wrote it
    speed: str = Field(pattern=r"^(row_p[1-9]\d?_ms|rows_per_s)$")  # a quantile of one raw row by itself; or a batch's
    at_most: float | None = None  # ms of a row: judged on the upper end
    at_least: float | None = None  # rows a second: judged on the lower end
    confidence: float = 0.95

    @property
    def quantile(self) -> float | None:
        """Of single rows; None: it asks for rows a second."""
        return int(self.speed.split("_")[1][1:]) / 100 if self.speed.startswith("row_") else None


class MemoryGate(Value):
    """A packaged model that takes little enough memory, where it was measured."""

    text: str  # as the person wrote it
    memory: int  # bytes at the peak at the most: loaded, and predicting a batch
    confidence: float = 0.95


class ChecksGate(Value):
    """Checks of the data that found nothing, those that only warn included."""

    text: str  # as the person wrote it
    checks: tuple[str, ...] = ()  # columns, under their names in the source; empty: all checks


class DriftGate(Value):
    """Rows whose features are distributed as those of earlier rows are: test rows as training rows, unless it says."""

    text: str  # as the person wrote it
    drift: Literal["psi", "ks"]  # population stability index; or tests: Kolmogorov–Smirnov for numbers, χ² for others
    at_most: float | None = None  # of psi: its bound
    confidence: float = 0.95  # of ks: one of all columns is shown to differ, by chance, in no more than the rest
    columns: tuple[str, ...] = ()  # features; empty: all
    # "production" or NAME@VERSION: training rows, against those that this version was trained on
    against: str | None = Field(None, exclude_if=unsaid)


class OwnGate(Value):
    """A function of the team's own."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    text: str  # as the person wrote it
    call: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")  # module:function
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")  # keyword arguments


RATES = ("selection_rate", "accuracy", "precision", "recall", "specificity")  # of binary targets
ComparisonGate = BeatsGate | NotWorseGate
StatisticalGate = MetricGate | ComparisonGate | FairnessGate  # judged on the labels of the test rows
MeasuredGate = SpeedGate | MemoryGate  # judged on the bundle as it was measured
Gate = StatisticalGate | SizeGate | MeasuredGate | ChecksGate | DriftGate | OwnGate


def spends(gate: Gate) -> bool:
    """Whether a gate is judged on the labels of the test rows, and so spends alpha."""
    return isinstance(gate, StatisticalGate | OwnGate)


def column_of(gate: Gate) -> str | None:
    """The column whose slices a gate is judged on, or compares; None: it is judged on all test rows."""
    if isinstance(gate, FairnessGate):
        return gate.groups
    if not isinstance(gate, MetricGate | NotWorseGate):
        return None
    return gate.slices if gate.slice is None else gate.slice.partition("=")[0].strip()


class GatesParams(Value):
    """The gates in the order of the spec."""

    gates: tuple[Gate, ...] = Field(default_factory=tuple)
    objective: Objective
    roles: Columns = Columns()
    resamples: int = 2000
    seed: int = 0
    costs: Costs | None = None
    live: str | None = None  # NAME@VERSION that `production` stands for; None: nothing was live yet
    slices: tuple[Slicing, ...] = ()  # how columns are divided that gates name; else by value

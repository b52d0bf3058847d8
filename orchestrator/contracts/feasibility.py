"""Feasibility before compute is spent: parameters of the stage, and the document that it leaves."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.training import Segmenting
from orchestrator.contracts.values import Value, unsaid

Judgement = Literal["realistic", "doubtful", "out of reach"]


class TimedCandidate(Value):
    """A candidate whose fitting time is estimated from small fits."""

    name: str
    estimator: str  # dotted path of a scikit-learn class
    params: dict[str, Any] = Field(default_factory=dict)  # of its first trial


class FeasibilityParams(Value):
    """What is asked of the training rows; the test rows stay untouched."""

    objective: Objective
    roles: Columns = Columns()
    target: float | None = None  # value of the metric that is needed; None: only what is reachable is estimated
    timed: tuple[TimedCandidate, ...] = ()
    segmenting: Segmenting | None = Field(None, exclude_if=unsaid)  # each large segment gets a model of its own
    confidence: float = 0.95
    seed: int = 0


class RequireParams(Value):
    """The verdict without which the run ends, before anything is spent on a search."""

    verdict: Judgement = "realistic"


class Enough(Value):
    """Whether there are enough rows of one kind."""

    subject: Literal["rows", "class", "tail", "feature"]
    # training rows; of "class" those of the smallest, of "tail" those beyond the quantile, of "feature" those for each
    have: float
    needed: float
    enough: bool
    sentence: str


class LargeSegments(Value):
    """How many values of a column have rows enough for a model of their own."""

    column: str
    segments: int  # values among the training rows
    large: int  # of these, with as many rows as were asked for
    rows: int  # training rows of the large ones
    sentence: str


class Baseline(Value):
    """A simple model by cross-validation on the training rows."""

    model: str  # "majority class", "linear model", …
    mean: float
    std: float
    scores: tuple[float, ...]  # by fold


class Forecast(Value):
    """The metric's expected value at a number of training rows, with its band."""

    rows: int
    value: float
    low: float
    high: float


class LearningCurve(Value):
    """Mean cross-validated score on growing samples, and where the fitted power law leads."""

    model: str
    rows: tuple[int, ...]  # of the samples
    scores: tuple[float, ...]  # mean over folds and draws
    spread: tuple[float, ...]  # standard deviation of the folds' means
    exponent: float  # b of error(n) = c + a n^-b
    limit: float  # the metric at c
    now: Forecast  # with all training rows
    more: Forecast  # with ten times as many


class ReachableError(Value):
    """The smallest error rate that any classifier could reach (Bayes error): an estimate from nearest neighbours."""

    low: float
    high: float
    nearest_neighbour: float  # cross-validated error of the one-nearest-neighbour rule
    rows: int  # that it was counted on
    confidence: float


class Feasibility(Value):
    """Is the data enough, and the target realistic; judged on training rows by simple models."""

    metric: str
    greater_is_better: bool
    target: float | None
    verdict: Judgement | None  # None: no target was given
    reasons: tuple[str, ...]  # sentences, the weightiest first
    rows: int  # training rows with a target
    features: int  # prepared columns
    enough: tuple[Enough, ...]
    baselines: tuple[Baseline, ...]
    curves: tuple[LearningCurve, ...] = ()  # the best forecast first
    reachable: ReachableError | None = None  # of accuracy only
    confidence: float = 0.95  # of bands
    notes: tuple[str, ...] = ()
    segments: LargeSegments | None = Field(None, exclude_if=unsaid)  # where they get models of their own

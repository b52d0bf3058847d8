"""Parameters of trials, of the search that asks for them, and of the choice among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from orchestrator.contracts.calls import Code, Input, Policy
from orchestrator.contracts.roles import Columns, Costs, Objective, Threshold
from orchestrator.contracts.spaces import Space
from orchestrator.contracts.values import Value, unsaid

Weights = Literal["balanced"]  # every class weighs the same in training, as a whole
ROWS = "rows"  # the resource that is a share of each fold's training rows
SearchMethod = Literal["grid", "random", "bayesian", "halving", "asha", "hyperband"]
HALVING = ("halving", "asha", "hyperband")  # methods that give most settings a share of the resource only


class Rung(Value):
    """How much of its resource a trial of a halving search was given."""

    number: int  # from 0
    of: int  # rungs that there are
    resource: str = ROWS  # or the estimator's parameter
    share: float  # of the whole resource
    amount: float  # the same share of the rows, or the parameter's value

    @property
    def full(self) -> bool:
        """Whether it is the last rung, with all of the resource: only its trials may become champion."""
        return self.number == self.of - 1


class TrialParams(Value):
    """One candidate with one set of parameters, scored on every fold."""

    candidate: str  # the name that people see: "logistic_regression"
    estimator: str  # dotted path of a scikit-learn class, or module:Class of the team's own code
    index: int  # among this candidate's trials, from 1
    params: dict[str, Any] = Field(default_factory=dict)  # of the estimator, JSON
    objective: Objective
    roles: Columns = Columns()
    seed: int = 0
    rung: Rung | None = None  # None: all that there is
    weights: Weights | None = None  # of training rows, beside the weight column


class FoldParams(TrialParams):
    """One fold of a trial whose folds have a stage each."""

    fold: int  # from 1, in the order of the split's folds


class Setting(Value):
    """One of several trials of a candidate: its number and its parameters."""

    index: int  # among this candidate's trials, from 1
    params: dict[str, Any] = Field(default_factory=dict)  # of the estimator, JSON


class TrialsParams(Value):
    """Several small trials of one candidate in one stage; each is what it would be in a stage of its own."""

    candidate: str
    estimator: str
    settings: tuple[Setting, ...]
    objective: Objective
    roles: Columns = Columns()
    seed: int = 0
    weights: Weights | None = None

    def each(self) -> Iterator[TrialParams]:
        """The trials, in order."""
        common = {name: value for name, value in self if name != "settings"}
        for one in self.settings:
            yield TrialParams(**common, index=one.index, params=one.params)


FOLD, JOINED = "train.fold", "train.joined"  # tasks of a fold that has a stage of its own, and of what joins them
TRIALS = ("train.trial", "train.trials", JOINED)  # tasks of the stages that hold trials
FITS = ("train.trial", "train.trials", FOLD)  # of those that fit them: a trial's folds may have a stage each
OF_TRIALS = (*TRIALS, FOLD)  # of both


def trials_of(task: str, params: Mapping[str, Any]) -> int:
    """How many trials a stage holds."""
    return len(params.get("settings", ())) if task == "train.trials" else int(task in TRIALS)


class Segmenting(Value):
    """A column each of whose values gets a model of its own."""

    column: str  # after `prepare`, or derived
    min_rows: int = 100  # training rows: a value with fewer is answered by the model of all rows
    max_failed: float = 0.1  # share of the segments that were tried whose fits may fail


class SelectParams(Value):
    """How the champion is chosen among the trials, and refitted on all training rows."""

    rule: Literal["best", "one_standard_error"] = "best"
    objective: Objective
    roles: Columns = Columns()
    seed: int = 0
    weights: Weights | None = None  # as the trials had them
    threshold: Threshold | None = None  # of the champion's decisions; None: the estimator's own
    costs: Costs | None = None
    trials: int | None = None  # how many were planned, so that the reason can say how many failed; None: a search tells
    candidates: tuple[str, ...] = ()  # in the order of the spec, where trials come in the order of a search
    segmenting: Segmenting | None = Field(None, exclude_if=unsaid)


class SearchCandidate(Value):
    """What a search knows of one candidate."""

    estimator: str
    space: Space
    code: Code | None = None
    full: float | None = None  # the value of the parameter that is the resource, at the last rung


class SearchParams(Value):
    """One step of a search: what is known decides what is tried next.

    Step k sees the results of all trials that steps 1 … k − `lag` asked for, and those alone, however fast they came:
    what it asks for depends on nothing that differs from machine to machine, unless there is a budget of time.
    """

    method: SearchMethod
    candidates: tuple[SearchCandidate, ...]
    step: int  # from 1
    steps: int  # that the plan has
    lag: int  # steps after which a trial's result is known
    trials: int  # different settings at most
    batch: int  # trials of one step
    seed: int  # of the draws
    time_s: float | None = None  # budget: since the first trial began
    worker_time_s: float | None = None  # budget: summed over all trials
    patience: int | None = None  # trials in full without an improvement
    tolerance: float = 0.0  # what counts as none, in units of the metric
    factor: int = 3  # one of so many goes up a rung
    resource: str = ROWS
    shares: tuple[float, ...] = (1.0,)  # of the whole resource, rung by rung
    brackets: tuple[int, ...] = ()  # Hyperband: how many settings begin at each rung; others begin at the first
    objective: Objective
    roles: Columns = Columns()
    model_seed: int = 0
    weights: Weights | None = None  # of each trial
    inputs: dict[str, Input] = Field(default_factory=dict)  # of each trial
    policy: Policy = Policy()  # of each trial
    joins: tuple[str, ...] = ()  # stages that take the trials' results

    @property
    def timed(self) -> bool:
        """Whether decisions depend on what trials took: they are then recorded, not made again."""
        return self.time_s is not None or self.worker_time_s is not None

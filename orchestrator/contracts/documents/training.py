"""What a search leaves: trials, its course, and the ranking of candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import Field

from orchestrator.contracts.segments import SegmentsSummary
from orchestrator.contracts.training import Rung
from orchestrator.contracts.values import Value, unsaid


class TrialResult(Value):
    """Fold scores of one trial. Times and memory are measured values, kept beside, not here."""

    candidate: str
    estimator: str
    index: int
    params: dict[str, Any]
    metric: str
    scores: tuple[float, ...]  # one per fold, in fold order, sign as the metric is named
    mean: float
    std: float  # of the fold scores, ddof=0, as scikit-learn's std_test_score
    warnings: tuple[str, ...] = ()
    rung: Rung | None = Field(None, exclude_if=unsaid)  # of a halving search


class FoldScore(Value):
    """One fold of a trial whose folds have a stage each."""

    score: float
    warnings: tuple[str, ...] = ()


class TrialFailure(Value):
    """Why one of several trials in a stage came to nothing."""

    index: int  # among its candidate's trials
    family: str  # of the error: data, user, memory
    message: str  # one line
    frames: tuple[str, ...] = ()


class TrialsResult(Value):
    """What came of several trials in one stage, each list in their order."""

    results: tuple[TrialResult, ...] = ()
    failures: tuple[TrialFailure, ...] = ()


class SearchTrial(Value):
    """One trial that a search asked for, and what is known of it."""

    stage: str
    candidate: str
    index: int
    params: dict[str, Any]  # with the resource, where it is a parameter
    rung: Rung | None = None
    step: int  # that asked for it
    score: float | None = None  # its mean; None while it is not known, or when it failed
    failed: bool = False


class SearchStep(Value):
    """One decision of a search."""

    step: int
    known: int  # trials whose end it knew
    asked: int  # trials that it asked for
    best: float | None = None  # mean of the best trial in full so far
    elapsed_s: float | None = None  # where the budget is of time: what was spent by then
    worker_s: float | None = None


class SearchState(Value):
    """A search as it stands after a step: all that the next one goes by."""

    method: str
    trials: tuple[SearchTrial, ...] = ()
    steps: tuple[SearchStep, ...] = ()
    ended: str | None = None  # why nothing new is asked for; None: it goes on


class RungSummary(Value):
    """One rung of a search that halves."""

    number: int
    resource: str
    amount: float  # the least of its trials, where the resource is a parameter
    trials: int
    failed: int = 0


class SearchSummary(Value):
    """How a search went."""

    method: str
    settings: int  # different ones that were tried
    trials: int  # fits with validation, all rungs together
    failed: int = 0
    resource_used: float  # in units of one trial in full
    steps: int
    ended: str  # why it stopped, in words
    rungs: tuple[RungSummary, ...] = ()
    elapsed_s: float | None = None  # at the last decision, where the budget is of time
    worker_s: float | None = None


class Curve(Value):
    """Points of a plot, at most a few hundred."""

    x: tuple[float, ...]
    y: tuple[float, ...]


class DecisionThreshold(Value):
    """From where on the champion calls a row positive, and how it came to that."""

    value: float
    by: str  # "fixed", or the metric (or "cost") that is best there
    response: Literal["probability", "decision"]  # of the positive class: what is compared with it
    rows: int = 0  # whose out-of-fold predictions it was chosen on
    score: float | None = None  # of these rows there
    usual: float | None = None  # the threshold without tuning
    usual_score: float | None = None
    curve: Curve | None = None  # threshold against what it was chosen by

    @property
    def sentence(self) -> str:
        """In words."""
        kind = "probability" if self.response == "probability" else "decision function"
        told = f"positive from a {kind} of {self.value:.4g} on, "
        if self.score is None or self.usual is None or self.usual_score is None:
            return told + "as the workflow says"
        there = f"{self.score:.4g} there, {self.usual_score:.4g} at {self.usual:g}"
        return told + f"tuned for {self.by} on {self.rows} out-of-fold predictions ({there})"


class RankedTrial(Value):
    """One line of the ranking."""

    rank: int  # 1 is the champion's
    candidate: str
    index: int
    params: dict[str, Any]
    mean: float
    std: float
    scores: tuple[float, ...]
    rung: Rung | None = Field(None, exclude_if=unsaid)


class ParameterEffect(Value):
    """One parameter's share of what makes a candidate's scores differ."""

    parameter: str
    share: float  # 0 to 1; what all of them leave over is due to their interplay


class ParameterEffects(Value):
    """How the scores of one candidate's trials depend on its parameters, by a model of them."""

    candidate: str
    trials: int  # that could be compared: of one rung
    explained: float | None  # R² of the model on trials that it did not see; None: too few trials for one
    parameters: tuple[ParameterEffect, ...] = ()  # largest share first; none where nothing is explained


class SearchEffects(Value):
    """What the scores of a search depend on."""

    candidates: tuple[ParameterEffects, ...]  # those whose trials differ in a parameter, in the order of the spec


class Ranking(Value):
    """All trials, best first, and the one that was chosen."""

    metric: str
    greater_is_better: bool
    rule: str
    trials: tuple[RankedTrial, ...]
    champion: RankedTrial
    estimator: str
    reason: str  # in words
    # by a search that halves: each setting at its last rung, ranked after `trials`
    stopped: tuple[RankedTrial, ...] = Field((), exclude_if=unsaid)
    search: SearchSummary | None = Field(None, exclude_if=unsaid)  # None: all trials were planned
    # None: the estimator decides as it always does
    threshold: DecisionThreshold | None = Field(None, exclude_if=unsaid)
    weights: Literal["balanced"] | None = Field(None, exclude_if=unsaid)
    # the ranking is then that of the model of all rows, which answers where a segment has none of its own
    segments: SegmentsSummary | None = Field(None, exclude_if=unsaid)

    @property
    def per(self) -> str | None:
        """The column whose values have models of their own; None where one model answers for all."""
        return self.segments.column if self.segments is not None and self.segments.own else None

    @property
    def who(self) -> str:
        """The champion in a few words."""
        return self.champion.candidate if self.per is None else f"One model per {self.per}"


Tried = TypeVar("Tried", TrialResult, SearchTrial, RankedTrial)


def comparable(trials: Sequence[Tried]) -> list[Tried]:
    """Those of the rung that most of them were tried at, of several such the highest: other rungs score otherwise."""
    counts = Counter(one.rung.number if one.rung else 0 for one in trials)
    most = max(counts, key=lambda number: (counts[number], number), default=0)
    return [one for one in trials if (one.rung.number if one.rung else 0) == most]

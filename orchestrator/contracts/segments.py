"""One model for each value of a column: what is asked, what its stages leave, and how segments share stages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from orchestrator.contracts.calls import Code, Input, Policy
from orchestrator.contracts.roles import Objective
from orchestrator.contracts.training import Segmenting, TrialParams
from orchestrator.contracts.values import Value

WORK = 2_000_000  # of one stage, in rows that are fitted
OVERHEAD = 500  # of one fit, in rows: what a fit takes that has hardly any
LEAST, MOST = 16, 512  # stages: so few leave no pool idle, so many burden no ledger
NAMED = 20  # segments that a summary names one by one


class SegmentsParams(Value):
    """Which values have rows enough, and how the stages that fit their models are made."""

    segmenting: Segmenting
    objective: Objective
    trials: tuple[TrialParams, ...]  # of each segment, the same for all
    folds: int
    rule: Literal["best", "one_standard_error"] = "best"
    inputs: dict[str, Input] = Field(default_factory=dict)  # of each of these stages
    policy: Policy = Policy()  # of each of these stages
    code: Code | None = None  # of the team's own estimators
    joins: tuple[str, ...] = ()  # stages that take what they leave


class SegmentParams(Value):
    """One stage of segments."""

    number: int  # from 1, among the batches of the plan of segments


class SegmentPlan(Value):
    """The segments that are large enough, as stages share them."""

    column: str
    min_rows: int
    segments: int  # values among the training rows
    small: int  # of these, with fewer rows than `min_rows`
    small_rows: int
    missing_rows: int  # training rows without a value
    trials: tuple[TrialParams, ...]
    rule: Literal["best", "one_standard_error"]
    batches: tuple[tuple[str, ...], ...]  # values as text, in order


class SegmentTrial(Value):
    """One setting on one segment: its scores on the folds that could be scored, or why it failed."""

    candidate: str
    index: int
    params: dict[str, Any]
    scores: tuple[float, ...] = ()
    mean: float | None = None
    std: float | None = None
    error: str | None = None


class SegmentResult(Value):
    """What came of one segment."""

    segment: str
    rows: int  # that it was trained on
    trials: tuple[SegmentTrial, ...] = ()  # the champion first, then by score, then those that failed
    why: Literal["thin", "failed"] | None = None  # it has no model: too little to be judged by, or its fits failed
    reason: str | None = None


class SegmentResults(Value):
    """The segments of one stage, in order; those without `why` have a model, in the same order."""

    results: tuple[SegmentResult, ...]


class Unserved(Value):
    """A segment that the model of all rows answers for, although it has rows enough."""

    segment: str
    why: Literal["thin", "failed"]
    reason: str


class SegmentsSummary(Value):
    """How the segments of a routed model came to their models."""

    column: str
    min_rows: int
    segments: int  # values among the training rows
    own: int  # with a model of their own
    small: int  # with fewer rows than `min_rows`
    thin: int  # with rows enough, but too little in them to be judged by
    failed: int  # whose fits failed
    rows: int  # training rows of segments with a model of their own
    other_rows: int  # training rows of all others, and those without a value
    champions: dict[str, int] = Field(default_factory=dict)  # candidate → segments that it was best in
    means: tuple[float, ...] = ()  # QUANTILES of the champions' fold means
    unserved: tuple[Unserved, ...] = ()  # the first `NAMED` that failed or were too thin

    @property
    def others(self) -> int:
        """Segments that the model of all rows answers for."""
        return self.segments - self.own


QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def batched(rows: Mapping[str, int], fits: int) -> tuple[tuple[str, ...], ...]:
    """Segments (name → training rows) as stages share them: neighbours in the order given, of about equal work.

    Work is counted in rows: fits of each segment × (its rows + 500). There are as many stages as 2 million rows each
    ask for, at least 16 and at most 512, and never more than segments. Neither the number of workers nor their speed
    has a part in it, so equal data makes equal stages.
    """
    work = {name: fits * (count + OVERHEAD) for name, count in rows.items()}
    total = sum(work.values())
    stages = min(max(math.ceil(total / WORK), LEAST), MOST, len(work))
    batches: dict[int, list[str]] = {}
    before = 0
    for name, own in work.items():
        batches.setdefault((2 * before + own) * stages // (2 * total), []).append(name)  # where its middle lies
        before += own
    return tuple(tuple(names) for names in batches.values())

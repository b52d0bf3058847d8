"""The JSON documents that stages leave behind, read by later stages, reports and the command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import Field

from orchestrator.contracts.data import Cast, ColumnPreparation
from orchestrator.contracts.segments import SegmentsSummary
from orchestrator.contracts.training import Rung
from orchestrator.contracts.values import Value, unsaid

Scalar = str | int | float | bool | None


LOOKS = 5.0  # judgements of the same test rows, after which less than a thousandth of alpha is left


class ColumnProfile(Value):
    """One column of an ingested table."""

    name: str
    type: Literal["number", "integer", "text", "boolean", "date", "empty"]
    missing: int  # rows
    distinct: int
    min: Scalar = None
    max: Scalar = None
    mean: float | None = None
    top: tuple[tuple[Scalar, int], ...] = ()  # most frequent values with counts, at most ten


class Profile(Value):
    """An ingested table: what the spec's columns are resolved against."""

    rows: int
    columns: tuple[ColumnProfile, ...]


class Finding(Value):
    """One check on one column and what came of it."""

    column: str | None  # None: the whole table
    check: str  # "min", "allowed", …
    expected: str  # in words: ">= 0"
    passed: bool
    on_failure: Literal["stop", "warn"]
    failing: int = 0  # rows
    rows: tuple[int, ...] = ()  # first failing rows: 1-based data rows of the source, at most ten
    examples: tuple[Scalar, ...] = ()


class Findings(Value):
    """All checks of a table."""

    findings: tuple[Finding, ...] = ()


class Changes(Value):
    """The row-wise part of preparation, replayed inside the bundle in this order: rename, drop, cast, custom."""

    rename: dict[str, str] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    cast: dict[str, Cast] = Field(default_factory=dict)
    rows_before: int
    rows_filtered: int = 0
    rows_deduplicated: int = 0


class SplitSummary(Value):
    """How the rows were divided."""

    method: str
    scheme: Literal["partition", "expanding"]  # partition: fold k against all others; expanding: against folds < k
    folds: int  # folds that are scored
    gap: int = 0
    train_rows: int
    test_rows: int
    fold_rows: tuple[int, ...]
    left_out: int = 0  # rows in neither part: without a target, or in the gap before the test rows
    notes: tuple[str, ...] = ()  # what a person should know about the split


class PreparedColumn(Value):
    """One feature column and the rule that was resolved for it."""

    name: str
    source: Literal["data", "derived", "date"]
    rule: ColumnPreparation  # complete: no None that matters
    reason: str  # "numeric, 0.2 % missing"


class Preparation(Value):
    """Resolved from training rows only: what is learned inside each fold, and on all training rows at the end."""

    features: tuple[PreparedColumn, ...]
    dropped: dict[str, str] = Field(default_factory=dict)  # column → why
    derive: dict[str, str] = Field(default_factory=dict)
    dates: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # date column → parts made of it
    booleans: tuple[str, ...] = ()
    target_kind: Literal["binary", "multiclass", "regression", "multilabel"]
    # in the order of the model's probabilities; of a multilabel target the labels, as the objective lists them
    classes: tuple[Scalar, ...] = ()
    positive: Scalar = None
    # among `features` as text, but none: its values divide the rows among models
    segment: str | None = Field(None, exclude_if=unsaid)
    dtype: Literal["float32"] | None = Field(None, exclude_if=unsaid)  # of all numbers; float64 where nothing is said
    sparse: bool = Field(False, exclude_if=unsaid)  # rows become a sparse matrix, for estimators that take one


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


class Interval(Value):
    """A value on the test rows with its uncertainty; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    method: str  # "bootstrap", "clopper-pearson", …
    note: str | None = None  # why undefined, or what to beware of


class Importance(Value):
    """Permutation importance of one raw feature: loss of the objective's metric."""

    feature: str
    mean: float
    std: float


class ImportanceEnds(Value):
    """The 95 % interval of a permutation importance over its repeats: of the shuffling, not of the rows."""

    feature: str
    low: float
    high: float


class Dependence(Value):
    """Partial dependence: the answer with all rows at one value of a column, and a band of single rows."""

    feature: str
    x: tuple[float, ...] = ()  # of a number
    categories: tuple[str, ...] = ()  # of anything else
    mean: tuple[float, ...]  # value, or probability of the positive class
    low: tuple[float, ...]  # a tenth of the rows lies below, each centred
    high: tuple[float, ...]
    rows: int


class Robustness(Value):
    """The objective's metric on rows that were made worse."""

    change: Literal["noise", "missing"]
    column: str | None = None  # that is missing; noise is on all numbers
    size: float | None = None  # of the noise, in standard deviations of each column
    value: float | None  # None: the model cannot answer such rows
    loss: float | None  # against the same rows as they are: positive where it is worse


class SliceEvidence(Value):
    """The champion on some of the test rows."""

    column: str
    slice: str  # COLUMN=VALUE
    rows: int
    metrics: dict[str, Interval]  # at a confidence that allows for how many slices were looked at


class Gain(Value):
    """What one model scores more than another on the same rows; above 0 it is the better one."""

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    method: str


class SegmentsEvidence(Value):
    """A routed model on the test rows, segment by segment."""

    column: str
    metric: str
    own_rows: int  # test rows that a segment's own model answered
    other_rows: int  # those of small, failed and unknown segments and without a value: the model of all rows
    unknown: int  # segments that no training row has
    judged: int  # segments with a model of their own and test rows enough
    unjudged: int  # others with a model of their own that test rows have
    least_rows: int  # of a segment that is judged
    means: tuple[float, ...] = ()  # QUANTILES of the judged segments' values
    histogram: Curve | None = None  # lower edges of equal bins, and the last upper one; how many segments, 0 at the end
    best: tuple[SliceEvidence, ...] = ()  # the best first, at a confidence that allows for all that were judged
    weakest: tuple[SliceEvidence, ...] = ()  # the weakest first
    # on `own_rows`
    routed: float | None = None
    single: float | None = None  # the model of all rows by itself
    gain: Gain | None = None


class LabelEvidence(Value):
    """One label of a multilabel target on the test rows."""

    label: str
    rows: int  # that have it
    prevalence: float  # share of rows that have it, by weight
    metrics: dict[str, Interval]  # precision, recall, f1, and roc_auc where the model gives probabilities


class TopEvidence(Value):
    """The rows that a binary model ranks highest."""

    top: str  # as it was asked: `100` or `10 %`
    rows: int
    share: float  # of all rows, by weight
    precision: Interval  # share of them that are positive
    recall: Interval  # share of the positives that are among them
    lift: Interval  # precision, in units of the share of positives among all rows


class Evaluation(Value):
    """The champion on the test rows."""

    kind: Literal["binary", "multiclass", "regression", "multilabel"]
    rows: int
    metrics: dict[str, Interval]
    dummy: dict[str, float | None]  # the same metrics of the dummy (majority class, mean, quantile)
    classes: tuple[Scalar, ...] = ()
    positive: Scalar = None
    quantile: float | None = Field(None, exclude_if=unsaid)  # what is predicted, where it is not the mean
    confusion: tuple[tuple[int, ...], ...] = ()  # rows: truth, columns: prediction, in the order of classes
    curves: dict[str, Curve] = Field(
        default_factory=dict
    )  # roc, precision_recall, gains, calibration, residuals, predicted
    importance: tuple[Importance, ...] = ()
    notes: tuple[str, ...] = ()
    slices: tuple[SliceEvidence, ...] = Field((), exclude_if=unsaid)  # those that the spec names
    # found among all values of all columns with few, worst first
    weakest: tuple[SliceEvidence, ...] = Field((), exclude_if=unsaid)
    searched: int = Field(0, exclude_if=unsaid)  # how many slices they were found among
    segments: SegmentsEvidence | None = Field(None, exclude_if=unsaid)  # of a routed model
    labels: tuple[LabelEvidence, ...] = Field((), exclude_if=unsaid)  # of a multilabel target, in the order of classes
    # of a registered version on rows from elsewhere: NAME@VERSION, and the metrics on the test rows of its training
    model: str | None = Field(None, exclude_if=unsaid)
    before: dict[str, Interval] = Field(default_factory=dict, exclude_if=unsaid)


class Spending(Value):
    """What a judgement on test rows may spend of alpha, by how often they were judged before.

    With k looks before, a quarter of what was left each time is left of alpha, and half of that may be spent now:
    alpha / 2 · 4⁻ᵏ. The k answers before, each of them passed or refused, can have led to 2ᵏ different models; summed
    over all of those and all k that is alpha, however the models were chosen (the description length bound of Dwork
    and others 2015, "Generalization in adaptive data analysis and holdout reuse", NeurIPS).
    """

    objective: str  # the column that is predicted
    rows: int
    judgements: int  # earlier ones that share rows with this one
    looks: float  # how often one of these rows was judged before, on average
    runs: tuple[str, ...] = ()  # some of the earlier ones

    @property
    def left(self) -> float:
        """The share of alpha that is left."""
        return float(4.0**-self.looks)

    @property
    def share(self) -> float:
        """The share of alpha that is spent now."""
        return self.left / 2

    @property
    def spent(self) -> bool:
        """Whether so little is left that nothing more is judged on these rows."""
        return self.looks >= LOOKS

    @property
    def sentence(self) -> str:
        """In words."""
        if not self.judgements:
            return f"nothing was judged before on these {self.rows} test rows for {self.objective}"
        times = f"{self.judgements} time{'s' if self.judgements > 1 else ''}"
        mean = "" if self.looks == self.judgements else f", {self.looks:.2g} times an average row"
        told = f"rows of this test set were judged {times} before for {self.objective}{mean}"
        return f"{told}: {100 * self.left:.3g} % of alpha is left"


class Details(Value):
    """What an evaluation shows beside its metrics; a document of its own, so that 0.1.0 reads the evaluation."""

    tops: tuple[TopEvidence, ...] = ()  # of binary targets
    importance: tuple[ImportanceEnds, ...] = ()  # in the order of the evaluation's
    dependence: tuple[Dependence, ...] = ()  # of the most important columns
    robustness: tuple[Robustness, ...] = ()


class Verdict(Value):
    """One gate's answer; `evidence` holds the numbers that it was judged on."""

    gate: str
    passed: bool
    evidence: dict[str, Any] = Field(default_factory=dict)
    sentence: str  # in plain words


class Verdicts(Value):
    """All gates; the model is refused unless every one passed."""

    verdicts: tuple[Verdict, ...]
    passed: bool


class SignatureColumn(Value):
    """One raw source column that the model needs."""

    name: str
    type: Literal["number", "integer", "text", "boolean", "date"]
    required: bool  # whether a missing value was never seen in training


class Signature(Value):
    """What the bundle takes and gives."""

    inputs: tuple[SignatureColumn, ...]
    output: Literal["class", "value", "labels"]
    classes: tuple[Scalar, ...] = ()  # or the labels
    servable: bool = True
    not_servable_because: str | None = None


class Performance(Value):
    """How large, heavy and fast a bundle was when it was packaged or evaluated; measured, so never in a digest."""

    size_bytes: int  # of the bundle's file
    load_bytes: int  # that became resident by loading it
    predict_bytes: int | None = None  # more at the peak, while the batch was predicted; None: the host does not tell
    row_ms: float  # one raw row by itself: the median
    row_p95_ms: float  # 95 % of them were as fast
    rows_per_s: float  # of the batch
    batch_rows: int
    singles: int  # rows that were asked about by themselves


class Round(Value):
    """A bundle measured in one process that loaded it anew."""

    load_bytes: int  # that became resident by loading it
    predict_bytes: int | None = None  # more at the peak, while the batch was predicted; None: the host does not tell
    row_ms: tuple[float, ...]  # of raw rows by themselves, one after the other
    batch_ms: tuple[float, ...]  # of the batch, each time


class Measurements(Value):
    """Timings and memory of a bundle, for gates: round by round, with where and when they were taken."""

    rounds: tuple[Round, ...] = ()
    batch_rows: int = 0
    host: str = ""
    cores: int = 0  # that the process could use
    threads: int = 0  # that numerical libraries could use
    measured: str = ""  # when, in UTC
    why: str | None = None  # why nothing was measured


class Registration(Value):
    """What the effect of registering left."""

    model: str  # NAME@VERSION
    stage: Literal["candidate", "refused"]

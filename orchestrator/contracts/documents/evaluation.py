"""What is known of a model on rows that it has not seen, and what gates make of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from orchestrator.contracts.documents.data import Scalar
from orchestrator.contracts.documents.training import Curve
from orchestrator.contracts.values import Value, unsaid

LOOKS = 5.0  # judgements of the same test rows, after which less than a thousandth of alpha is left


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

"""What the stages on data leave: profiles, findings, changes, the split and how columns are prepared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.contracts.data import Cast, ColumnPreparation
from orchestrator.contracts.values import Value, unsaid

Scalar = str | int | float | bool | None


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

"""The objective and the roles of columns, as every stage that needs them is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.contracts.values import Value, unsaid

Task = Literal["classification", "regression", "multilabel"]


class Objective(Value):
    """What is predicted, and what counts as good."""

    # the target column, under its name after `prepare`; of a multilabel target the columns of its labels
    predict: str | tuple[str, ...]
    task: Task
    metric: str  # a name in contracts.metrics
    positive: str | int | float | bool | None = None  # the class of interest of a binary target
    # of a regression, between 0 and 1: predicted is the value that this share of rows lies at or below; None: the mean
    quantile: float | None = Field(None, exclude_if=unsaid)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that hold what is predicted: one, or one for each label."""
        return (self.predict,) if isinstance(self.predict, str) else self.predict

    @property
    def target_name(self) -> str:
        """What is predicted, as messages call it."""
        return ", ".join(self.targets)


class Costs(Value):
    """What one row costs, by what it is and what it was taken for; a gain is below 0."""

    false_positive: float = 0.0
    false_negative: float = 0.0
    true_positive: float = 0.0
    true_negative: float = 0.0


class Threshold(Value):
    """From where on a row is called positive: at a probability, or where a metric (or the mean cost) is best."""

    metric: Literal["accuracy", "balanced_accuracy", "f1", "mcc", "cost"] | None = None
    value: float | None = None


class Columns(Value):
    """Columns that mean something to split, folds, intervals and checks; none is a feature."""

    id: str | None = None
    time: str | None = None
    group: str | None = None
    weight: str | None = None
    ignore: tuple[str, ...] = ()

    def reserved(self) -> frozenset[str]:
        """All names that never become features (`group` and `time` included)."""
        named = (self.id, self.time, self.group, self.weight, *self.ignore)
        return frozenset(name for name in named if name is not None)

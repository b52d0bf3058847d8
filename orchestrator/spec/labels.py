"""What must hold of a multilabel objective: several columns, and nothing that is of one target alone."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.contracts.estimators import find
from orchestrator.contracts.evaluation import FairnessGate
from orchestrator.spec.models import Spec
from orchestrator.spec.review import Review
from orchestrator.spec.written import Step

MOST_LABELS = 50  # a row's label set is one number in the tables between stages

_PREDICT: tuple[Step, ...] = ("objective", "predict")


def check_labels(review: Review) -> None:
    """Note columns that are no set of labels, and what is not done for several labels at once."""
    if not review.knows("predict", "task"):
        return
    objective = review.spec.objective
    if objective.task != "multilabel":
        if not isinstance(objective.predict, str):
            review.note(_PREDICT, f"several columns are predicted by `task: multilabel`, not by {objective.task}")
        return
    if isinstance(objective.predict, str):
        review.note(_PREDICT, "task multilabel predicts several columns, each 0 or 1: `predict: [COLUMN, COLUMN]`")
        return
    labels = objective.predict
    if not 2 <= len(labels) <= MOST_LABELS:
        review.note(_PREDICT, f"a multilabel objective has 2 to {MOST_LABELS} labels, not {len(labels)}")
    for index, name in enumerate(labels):
        if labels.index(name) != index:
            review.note((*_PREDICT, index), f"the label {name!r} is given twice")
    for location, words in _single(review.spec):
        review.note(location, words, key=True)


def _single(spec: Spec) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Keys that are for one target, with why; those of the decision are refused where they are looked at."""
    for key in ("target", "require"):
        if getattr(spec.objective, key) is not None:
            yield ("objective", key), f"`{key}` is not judged for several labels: write a `goal` instead"
    if spec.train.per is not None:
        yield ("train", "per"), "one model for each value of a column is not made for several labels: take `per` out"
    for index, candidate in enumerate(spec.train.candidates):
        known = find(candidate.estimator, "multilabel")
        if known is not None and known.name == "stacking":  # scikit-learn: it says what it can only once it is fitted
            yield ("train", "candidates", index), "stacking is not made for several labels: take voting, or bagging"
    if spec.train.weights is not None:
        yield ("train", "weights"), "there is no one class to balance: give a candidate `class_weight: balanced`"
    if "top" in spec.evaluation.model_fields_set and spec.evaluation.top:
        yield ("evaluation", "top"), "a top is of rows that a model of two classes ranks; these are several labels"
    for index, gate in enumerate(spec.gates):
        if isinstance(gate, FairnessGate):
            yield ("gates", index), "fairness compares rates of a target with two classes, not of several labels"

"""What must hold of slices: of those that are evaluated, and of those that gates name."""

from __future__ import annotations

from itertools import pairwise

from orchestrator.contracts.evaluation import DriftGate, Gate, MetricGate, NotWorseGate, column_of
from orchestrator.spec.review import Review
from orchestrator.spec.written import Step


def check_slices(review: Review) -> None:
    """Note bins that are none, and slices that a gate cannot be judged on."""
    seen: set[str] = set()
    for index, slicing in enumerate(review.spec.evaluation.slices):
        at: tuple[Step, ...] = ("evaluation", "slices", index)
        if slicing.column in seen:
            review.note(at, f"slices of {slicing.column} are given twice")
        seen.add(slicing.column)
        if slicing.bins is not None and slicing.values is not None:
            review.note(at, "slices are `values` or `bins`, not both")
        elif slicing.bins is not None and not _rising(slicing.bins):
            review.note(at, f"bins of {slicing.column} are two or more rising numbers, the edges: [0, 30, 60, 120]")
    for index, gate in enumerate(review.spec.gates):
        _check_gate(review, gate, ("gates", index))
    _check_tops(review)


def _check_tops(review: Review) -> None:
    asked = review.spec.evaluation
    if "top" in asked.model_fields_set and asked.top and review.spec.objective.task == "regression":
        review.note(("evaluation", "top"), "a top is of rows that a model of two classes ranks; this is a regression")
    for index, top in enumerate(asked.top):
        at: tuple[Step, ...] = ("evaluation", "top", index)
        if (top.rows is None) == (top.share is None):
            review.note(at, "a top is `rows` or `share`: 100 rows, or 10% of them")
        elif top.rows is not None and top.rows < 1:
            review.note(at, f"a top has at least one row, not {top.rows}")
        elif top.share is not None and not 0 < top.share < 1:
            review.note(at, f"a share of the rows lies between 0 and 1, not {top.share:g}")


def _rising(edges: tuple[float, ...]) -> bool:
    return len(edges) > 1 and all(low < high for low, high in pairwise(edges))


def _check_gate(review: Review, gate: Gate, at: tuple[Step, ...]) -> None:
    if not isinstance(gate, MetricGate | NotWorseGate):
        return
    if gate.slice is not None and gate.slices is not None:
        review.note(at, "a gate has `slice: COLUMN=VALUE` or `slices: COLUMN`, not both")
    elif gate.slice is not None and not gate.slice.partition("=")[1]:
        review.note((*at, "slice"), f"a slice is COLUMN=VALUE, not {gate.slice!r} (each value: `slices: {gate.slice}`)")


def sliced_columns(review: Review) -> list[tuple[str, tuple[Step, ...]]]:
    """The columns that slices are made of, or drift is looked for in, and where they are named."""
    named: list[tuple[str, tuple[Step, ...]]] = [
        (one.column, ("evaluation", "slices", index)) for index, one in enumerate(review.spec.evaluation.slices)
    ]
    for index, gate in enumerate(review.spec.gates):
        column = column_of(gate)
        if column is not None:
            named.append((column, ("gates", index)))
        if isinstance(gate, DriftGate):
            named += [(one, ("gates", index, "columns")) for one in gate.columns]
    return named

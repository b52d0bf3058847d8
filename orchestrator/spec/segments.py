"""What must hold where each value of a column gets a model of its own."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.spec.models import Spec
from orchestrator.spec.review import Review
from orchestrator.spec.train import Per
from orchestrator.spec.written import Step

_AT: tuple[Step, ...] = ("train", "per", "column")
_BUDGETS = ("time", "worker_time", "patience")


def segment_column(review: Review) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The column that `train.per` names, with its place."""
    per = review.spec.train.per
    if per is not None:
        yield per.column, _AT


def check_segments(review: Review) -> None:
    """Note a column that cannot divide the rows, and what is not done segment by segment."""
    per = review.spec.train.per
    if per is None:
        return
    for problem in _column_problems(review.spec, per):
        review.note(_AT, problem)
    _check_search(review)
    for key in ("target", "require"):
        if getattr(review.spec.objective, key) is not None:
            words = "what is in reach is judged for one model of all rows, not for `train.per`: write a `goal` instead"
            review.note(("objective", key), words, key=True)
    for key in ("threshold", "costs"):
        if getattr(review.spec.objective, key) is not None:
            words = f"a decision threshold is not tuned segment by segment: take `{key}` out, or `train.per`"
            review.note(("objective", key), words, key=True)
    if review.spec.train.sparse != "never":
        words = "segments' models are fitted on dense rows: take `sparse` out, or `train.per`"
        review.note(("train", "sparse"), words, key=True)
    for key in ("min_success", "max_failures"):
        if getattr(review.spec.train, key) is not None:
            words = f"`{key}` is not for `train.per`, which has a share of its own: `per: {{max_failed: 10%}}`"
            review.note(("train", key), words, key=True)


def _column_problems(spec: Spec, per: Per) -> Iterator[str]:
    columns, name = spec.columns, per.column
    roles = {columns.id: "id", columns.time: "time", columns.weight: "weight"} | dict.fromkeys(columns.ignore, "ignore")
    if name in spec.objective.targets:
        yield f"{name!r} is what is predicted: it cannot divide the rows among models"
    elif name in roles:
        yield f"{name!r} is in `columns.{roles[name]}`, and what divides the rows among models has no such role"
    elif name == columns.group and spec.split.method == "group":
        yield (
            f"a split by method group keeps whole values of {name!r} for the test, whose models could not be judged: "
            "choose another split"
        )
    if name in spec.features.columns:
        yield (
            f"{name!r} divides the rows among models and is no feature: take it out of `features.columns` "
            "(a copy may be one: `features: {derive: {NAME: " + name + "}}`)"
        )


def _check_search(review: Review) -> None:
    search = review.spec.train.search
    at: tuple[Step, ...] = ("train", "search")
    if search.method not in ("grid", "random"):
        words = f"a search by {search.method} is not done segment by segment: set `method: grid` or `random`"
        review.note((*at, "method"), words)
        return
    for key in _BUDGETS:
        if getattr(search, key) is not None:
            words = f"`{key}` ends no search of a segment: take it out, and set `trials` instead"
            review.note((*at, key), words, key=True)

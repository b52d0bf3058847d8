"""What must hold between the parts of a spec."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.contracts.evaluation import BeatsGate, MetricGate
from orchestrator.contracts.metrics import METRICS, Metric
from orchestrator.spec.candidates import check_candidates
from orchestrator.spec.columns import check_columns
from orchestrator.spec.models import Spec
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.review import Review
from orchestrator.spec.search import check_search
from orchestrator.spec.sources import check_data
from orchestrator.spec.stages import check_stages
from orchestrator.spec.written import Step, Written

_SHARES = {"rmse", "mae", "median_absolute_error", "mape", "log_loss", "r2", "mcc"}  # the others lie between 0 and 1


def check(review: Review) -> Spec:
    """Note all that is impossible; the spec with its estimators under their dotted paths."""
    _check_objective(review)
    _check_split(review)
    _check_gates(review)
    _check_secrets(review, review.document, ())
    columns = check_data(review)
    check_columns(review, columns)
    check_stages(review)
    check_search(review)
    return check_candidates(review)


def _check_objective(review: Review) -> None:
    objective = review.spec.objective
    if objective.task == "regression" and objective.positive is not None and review.knows("task"):
        review.note(("objective", "positive"), "`positive` is for classifications; objective.task is regression")
    _metric(review, objective.metric, ("objective", "metric"))


def _metric(review: Review, name: str, location: tuple[Step, ...]) -> Metric | None:
    """The metric, where it exists and fits the task."""
    objective, metric = review.spec.objective, METRICS.get(name)
    fitting = [known.name for known in METRICS.values() if _fits(known, review)]
    if metric is None:
        review.note(location, f"unknown metric {name!r}{did_you_mean(name, fitting) or _choose(fitting)}")
    elif not _fits(metric, review) and review.knows("task"):
        kind = "regression" if objective.task == "regression" else "classification"
        kind = f"{kind} with a positive class" if objective.positive is not None and kind != "regression" else kind
        review.note(location, f"the metric {name} does not fit a {kind}{_choose(fitting)}")
        return None
    return metric


def _fits(metric: Metric, review: Review) -> bool:
    objective = review.spec.objective
    if objective.task == "regression":
        return "regression" in metric.tasks
    return "binary" in metric.tasks or ("multiclass" in metric.tasks and objective.positive is None)


def _choose(names: list[str]) -> str:
    return f" (choose from: {', '.join(names)})"


def _check_split(review: Review) -> None:
    split, columns = review.spec.split, review.spec.columns
    at = ("split", "method")
    if split.method == "stratified" and review.spec.objective.task == "regression" and review.knows("task"):
        review.note(at, "a regression cannot be split by method stratified, which keeps the shares of classes")
    if split.method == "group" and columns.group is None:
        review.note(at, "method group needs a group column: set `columns: {group: COLUMN}`")
    if split.method == "time" and columns.time is None:
        review.note(at, "method time needs a time column: set `columns: {time: COLUMN}`")
    if split.gap and split.method != "time":
        review.note(("split", "gap"), f"`gap` is for method time; this split is by method {split.method}", key=True)


def _check_gates(review: Review) -> None:
    for index, gate in enumerate(review.spec.gates):
        at: tuple[Step, ...] = ("gates", index)
        if not 0.5 <= gate.confidence < 1:
            review.note((*at, "confidence"), f"a confidence lies between 0.5 and 1, not {gate.confidence:g}")
        if isinstance(gate, BeatsGate):
            if gate.beats != "dummy" and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*@[1-9]\d*", gate.beats):
                review.note(at, f"a model beats `dummy` or NAME@VERSION, not {gate.beats!r}")
        elif (metric := _metric(review, gate.metric, at)) is not None:
            _check_bound(review, gate, metric, at)


def _check_bound(review: Review, gate: MetricGate, metric: Metric, at: tuple[Step, ...]) -> None:
    if (gate.at_least is None) == (gate.at_most is None):
        review.note(at, "a gate needs one bound: `at_least` or `at_most`")
        return
    bound = gate.at_least if gate.at_least is not None else gate.at_most
    if metric.greater_is_better and gate.at_most is not None:
        review.note(at, f"{metric.name} is better when it is greater: write '{metric.name} >= {bound:g}'")
    elif not metric.greater_is_better and gate.at_least is not None:
        review.note(at, f"{metric.name} is better when it is smaller: write '{metric.name} <= {bound:g}'")
    elif metric.name not in _SHARES and not 0 <= (bound or 0) <= 1:
        review.note(at, f"{metric.name} lies between 0 and 1; {bound:g} can never be judged")


def _check_secrets(review: Review, written: Written, path: tuple[Step, ...]) -> None:
    """`{secret: NAME}` stands only where a team's own code is given its values."""
    only = written.only()
    if only is not None and only[0] == "secret" and path:
        if not (len(path) > 3 and path[0] == "stages" and path[2] == "with"):
            review.problems.add(written.keys["secret"], "a secret has no place here (only in `with:` of a stage)")
        elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(only[1].value)):
            review.problems.add(only[1].place, "a secret is named like an environment variable: {secret: API_TOKEN}")
        return
    for step, child in _children(written):
        _check_secrets(review, child, (*path, step))


def _children(written: Written) -> list[tuple[Step, Written]]:
    value: Any = written.value
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []

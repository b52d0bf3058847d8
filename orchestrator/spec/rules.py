"""What must hold between the parts of a spec."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.contracts.metrics import COST, METRICS, TWO_SIDED, Metric
from orchestrator.spec.candidates import check_candidates
from orchestrator.spec.columns import check_columns
from orchestrator.spec.gates import UNBOUNDED, check_gates
from orchestrator.spec.labels import check_labels
from orchestrator.spec.models import Objective, Spec
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.quantiles import check_quantile
from orchestrator.spec.review import Review
from orchestrator.spec.search import check_search
from orchestrator.spec.segments import check_segments
from orchestrator.spec.slices import check_slices
from orchestrator.spec.sources import check_data
from orchestrator.spec.stages import check_stages
from orchestrator.spec.written import Step, Written


def check(review: Review) -> Spec:
    """Note all that is impossible; the spec with its estimators under their dotted paths."""
    _check_objective(review)
    _check_split(review)
    check_gates(review, _metric)
    check_slices(review)
    _check_secrets(review, review.document, ())
    columns = check_data(review)
    check_columns(review, columns)
    check_stages(review)
    check_search(review)
    check_segments(review)
    check_labels(review)
    return check_candidates(review)


def _check_objective(review: Review) -> None:
    objective = review.spec.objective
    if objective.task != "classification" and objective.positive is not None and review.knows("task"):
        words = f"`positive` is for classifications; objective.task is {objective.task}"
        review.note(("objective", "positive"), words)
    check_quantile(review)
    metric = _metric(review, objective.metric, ("objective", "metric"))
    if objective.require is not None and objective.target is None:
        review.note(("objective", "require"), "`require` needs a target: set `objective: {target: VALUE}`", key=True)
    if metric is not None and objective.target is not None:
        _check_target(review, objective.target, metric)
    _check_decision(review)


def _check_target(review: Review, target: float, metric: Metric) -> None:
    """A target that no model could have, or that every model has."""
    at = ("objective", "target")
    if metric.name not in UNBOUNDED and not 0 <= target <= 1:
        review.note(at, f"{metric.name} lies between 0 and 1; {target:g} is no target")
    elif metric.greater_is_better and target > 1:
        review.note(at, f"{metric.name} is 1 at best; {target:g} is out of reach of any model")
    elif not metric.greater_is_better and target < 0:
        review.note(at, f"{metric.name} is 0 at best; {target:g} is out of reach of any model")


def _check_decision(review: Review) -> None:
    """A threshold and costs are of two classes, one of them of interest, and an error is never the cheaper answer."""
    objective, at = review.spec.objective, ("objective", "threshold")
    for key in ("threshold", "costs"):
        if getattr(objective, key) is not None and objective.positive is None and review.knows("task"):
            remedy = "name the class of interest as `positive`" if objective.task == "classification" else "take it out"
            review.note(("objective", key), f"`{key}` is for a target with two classes: {remedy}", key=True)
    threshold, costs = objective.threshold, objective.costs
    if threshold is not None and (threshold.metric is None) == (threshold.value is None):
        review.note(at, "a threshold is a `value`, or tuned for a `metric`: 0.3, or {metric: f1}")
    elif threshold is not None and threshold.value is not None and not 0 < threshold.value < 1:
        review.note(at, f"a threshold is a probability between 0 and 1, not {threshold.value:g}")
    elif threshold is not None and threshold.metric == COST.name and costs is None:
        review.note(at, "a threshold for `cost` needs `costs: {false_positive: 1, false_negative: 5}`")
    if costs is not None and costs.false_positive <= costs.true_negative:
        review.note(("objective", "costs"), "a false positive must cost more than a true negative", key=True)
    if costs is not None and costs.false_negative <= costs.true_positive:
        review.note(("objective", "costs"), "a false negative must cost more than a true positive", key=True)


def _metric(review: Review, name: str, location: tuple[Step, ...]) -> Metric | None:
    """The metric, where it exists and fits the task."""
    objective, metric = review.spec.objective, METRICS.get(name)
    if name == COST.name and location[0] == "gates":
        if objective.costs is None:
            review.note(location, "the metric cost needs `objective: {costs: {false_positive: 1, false_negative: 5}}`")
        return COST
    if name == COST.name:
        review.note(location, "candidates are not ranked by cost: rank by another metric; `costs` sets the threshold")
        return None
    fitting = [known.name for known in METRICS.values() if _fits(known, review)]
    if name in TWO_SIDED and location[0] != "gates":
        review.note(location, f"candidates are not ranked by {name}, which is right at one value: rank by pinball")
        return None
    if metric is None:
        review.note(location, f"unknown metric {name!r}{did_you_mean(name, fitting) or _choose(fitting)}")
    elif "quantile" in metric.tasks and objective.task == "regression" and objective.quantile is None:
        review.note(location, f"the metric {name} needs to know which quantile: `objective: {{quantile: 0.9}}`")
        return None
    elif not _fits(metric, review) and review.knows("task"):
        review.note(location, f"the metric {name} does not fit a {_kind(objective)}{_choose(fitting)}")
        return None
    return metric


def _kind(objective: Objective) -> str:
    if objective.task == "multilabel":
        return "multilabel classification"
    if objective.task == "regression":
        return "regression" if objective.quantile is None else "regression of a quantile"
    return "classification" if objective.positive is None else "classification with a positive class"


def _fits(metric: Metric, review: Review) -> bool:
    objective = review.spec.objective
    if objective.task == "regression" and objective.quantile is not None:
        return "quantile" in metric.tasks
    if objective.task != "classification":
        return objective.task in metric.tasks
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
    for role, name in (("group", columns.group), ("time", columns.time)):
        if name is not None and split.plain and not split.assume_independent:
            review.note(("columns", role), _plain(role, name, split.method), key=True)
    if split.gap and split.method != "time":
        review.note(("split", "gap"), f"`gap` is for method time; this split is by method {split.method}", key=True)


def _plain(role: str, name: str, method: str) -> str:
    apart = "takes rows of one group apart" if role == "group" else "trains on rows that come after those it judges"
    return (
        f"a split by method {method} {apart} ({role}: {name}), so that scores are too good: "
        f"set `split: {{method: {role}}}`, or `split: {{assume_independent: true}}` if rows are"
    )


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

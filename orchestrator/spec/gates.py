"""What must hold of gates: bounds that can be judged, rivals that there can be, data and functions that are there."""

from __future__ import annotations

import re
from collections.abc import Callable

from orchestrator.contracts.evaluation import (
    PRODUCTION,
    RATES,
    BeatsGate,
    ChecksGate,
    ComparisonGate,
    DriftGate,
    FairnessGate,
    Gate,
    MemoryGate,
    MetricGate,
    NotWorseGate,
    OwnGate,
    SizeGate,
    SpeedGate,
)
from orchestrator.contracts.metrics import TWO_SIDED, Metric
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.review import Review
from orchestrator.spec.signatures import NotFoundError, function_signature
from orchestrator.spec.written import Step

Place = tuple[Step, ...]

GIVEN = ("evaluation", "predictions")  # what a team's own gate is given, in this order
UNBOUNDED = frozenset(  # not 0 to 1
    {"rmse", "mae", "median_absolute_error", "mape", "log_loss", "r2", "mcc", "cost", "pinball", "d2_pinball"}
)

_ROW = "what 95 % of single rows may take, row_p95_ms <= 20 (or row_ms, the median, or row_p99_ms)"
_MEANT = {  # words for what is no metric, and the gates that ask for it
    **dict.fromkeys(("latency", "latency_ms", "p50_ms", "p95_ms", "p99_ms"), _ROW),
    "throughput": "rows_per_s >= 1000",
    **dict.fromkeys(("size_mb", "model_size_mb"), "size <= 50MB"),
    "memory_mb": "memory <= 500MB",
}


def check_gates(review: Review, metric_of: Callable[[Review, str, Place], Metric | None]) -> None:
    """Note gates that can never be judged; `metric_of` notes metrics that do not fit."""
    for index, gate in enumerate(review.spec.gates):
        at: Place = ("gates", index)
        confidence = getattr(gate, "confidence", 0.95)
        if not 0.5 <= confidence < 1:
            review.note((*at, "confidence"), f"a confidence lies between 0.5 and 1, not {confidence:g}")
        if isinstance(gate, MetricGate) and gate.metric in _MEANT:
            review.note(at, f"{gate.metric} is no metric: write {_MEANT[gate.metric]}")
        elif isinstance(gate, MetricGate):
            metric = metric_of(review, gate.metric, at)
            if metric is not None:
                _check_bound(review, gate, metric, at)
        else:
            _check_other(review, gate, at)


def _check_other(review: Review, gate: Gate, at: Place) -> None:
    match gate:
        case FairnessGate():
            _check_fairness(review, gate, at)
        case BeatsGate() | NotWorseGate():
            _check_comparison(review, gate, at)
        case SizeGate(size=0):
            review.note(at, "no model has a size of 0: write what it may have, size <= 50MB")
        case MemoryGate(memory=0):
            review.note(at, "no model runs in a memory of 0: write what it may take, memory <= 500MB")
        case SpeedGate():
            _check_speed(review, gate, at)
        case ChecksGate():
            _check_checks(review, gate, at)
        case DriftGate():
            _check_drift(review, gate, at)
        case OwnGate():
            _check_own(review, gate, at)


def _check_comparison(review: Review, gate: ComparisonGate, at: Place) -> None:
    registered = _registered(gate.rival)
    if isinstance(gate, BeatsGate):
        if gate.rival != "dummy" and not registered:
            review.note(at, f"a model beats `dummy`, `production` or NAME@VERSION, not {gate.rival!r}")
    elif not registered:
        review.note(at, f"a model is not worse than `production` or NAME@VERSION; {gate.rival!r} is neither")
    elif gate.margin == 0:
        review.note(at, f"a loss of 0 cannot be shown: write how much is borne, `not_worse_than: {gate.rival} by 0.01`")
    if gate.margin < 0:
        review.note(at, f"a margin is 0 or more, not {gate.margin:g}")
    elif gate.margin >= 1 and review.spec.objective.metric not in UNBOUNDED:
        review.note(
            at, f"{review.spec.objective.metric} lies between 0 and 1; a margin of {gate.margin:g} can never be judged"
        )


def _registered(rival: str) -> bool:
    """Whether it can stand for a version in the registry."""
    return rival == PRODUCTION or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*@[1-9]\d*", rival) is not None


def _check_fairness(review: Review, gate: FairnessGate, at: Place) -> None:
    if gate.fairness not in RATES:
        words = did_you_mean(gate.fairness, RATES) or f" (choose from: {', '.join(RATES)})"
        review.note((*at, "fairness"), f"unknown rate {gate.fairness!r}{words}")
    if not 0 < gate.at_least <= 1:
        review.note((*at, "at_least"), f"a ratio of the lowest to the highest is at most 1, not {gate.at_least:g}")
    if review.spec.objective.task == "regression" and review.knows("task"):
        review.note(at, "fairness compares rates of a target with two classes; objective.task is regression")


def _check_bound(review: Review, gate: MetricGate, metric: Metric, at: Place) -> None:
    if (gate.at_least is None) == (gate.at_most is None):
        review.note(at, "a gate needs one bound: `at_least` or `at_most`")
        return
    bound = gate.at_least if gate.at_least is not None else gate.at_most
    both = metric.name in TWO_SIDED
    if metric.greater_is_better and gate.at_most is not None and not both:
        review.note(at, f"{metric.name} is better when it is greater: write '{metric.name} >= {bound:g}'")
    elif not metric.greater_is_better and gate.at_least is not None:
        review.note(at, f"{metric.name} is better when it is smaller: write '{metric.name} <= {bound:g}'")
    elif metric.name not in UNBOUNDED and not 0 <= (bound or 0) <= 1:
        review.note(at, f"{metric.name} lies between 0 and 1; {bound:g} can never be judged")


def _check_speed(review: Review, gate: SpeedGate, at: Place) -> None:
    bound, other = (gate.at_most, gate.at_least) if gate.quantile is not None else (gate.at_least, gate.at_most)
    if bound is None or other is not None:
        remedy = "is better when it is smaller" if gate.quantile is not None else "is better when it is greater"
        sign = "<=" if gate.quantile is not None else ">="
        review.note(at, f"{gate.speed} {remedy}: write '{gate.speed} {sign} NUMBER'")
    elif bound <= 0:
        review.note(at, f"a bound of {gate.speed} is greater than 0, not {bound:g}")


def _check_checks(review: Review, gate: ChecksGate, at: Place) -> None:
    data = review.spec.data
    if not data.checks and data.rows is None:
        review.note(at, "data has no checks that could find anything: write them under `data: {checks: …}`")
    for column in gate.checks:
        if column not in data.checks:
            words = did_you_mean(column, list(data.checks))
            review.note((*at, "checks"), f"the data has no checks of a column {column!r}{words}")


def _check_drift(review: Review, gate: DriftGate, at: Place) -> None:
    if (gate.drift == "psi") != (gate.at_most is not None):
        remedy = "psi needs a bound: psi <= 0.2" if gate.drift == "psi" else "ks has a `confidence`, and no bound"
        review.note(at, remedy)
    elif gate.at_most is not None and gate.at_most <= 0:
        review.note((*at, "at_most"), f"a bound of psi is greater than 0, not {gate.at_most:g}")
    if gate.against is None:
        return
    if not _registered(gate.against):
        review.note((*at, "against"), f"rows drift from those of `production` or NAME@VERSION, not {gate.against!r}")
    elif gate.drift == "ks":
        words = "training rows of two versions are often the same, which no test bears: write psi <= 0.2 against"
        review.note((*at, "against"), f"{words} {gate.against}")


def _check_own(review: Review, gate: OwnGate, at: Place) -> None:
    try:
        signature = function_signature(review.folders, gate.call)
    except NotFoundError as error:
        review.note((*at, "call"), str(error))
        return
    if len(signature.inputs) != len(GIVEN):
        review.note((*at, "call"), f"{gate.call} must take two values by position: {' and '.join(GIVEN)}")
    keywords = [parameter.name for parameter in signature.keywords]
    for name in gate.with_:
        if name not in keywords and not signature.any_keyword:
            words = f"{gate.call} has no keyword parameter {name!r}{did_you_mean(name, keywords)}"
            review.note((*at, "with", name), words, key=True)
    for parameter in signature.keywords:
        if parameter.required and parameter.name not in gate.with_:
            review.note(at, f"{gate.call} needs {parameter.name!r}: give it in `with:`")

"""The report's sections as values that the templates draw; None or empty where a run has not come so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.documents.data import SplitSummary
from orchestrator.contracts.documents.evaluation import (
    Evaluation,
    Importance,
    ImportanceEnds,
    Interval,
    LabelEvidence,
    TopEvidence,
    Verdict,
)
from orchestrator.contracts.metrics import METRICS
from orchestrator.report.document import in_order
from orchestrator.report.evidence import Evidence
from orchestrator.report.geometry import Strip, domain, strip
from orchestrator.report.wording import decimals, fixed, number, percent, sentence, short, span

FEATURES = 20  # bars of the importance


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of the champion."""

    name: str
    title: str
    value: str
    ends: str
    dummy: str
    strip: Strip | None
    method: str
    note: str | None
    main: bool
    before: str = "–"  # of a registered version: on the test rows of its training


def metric_rows(evaluation: Evaluation, main: str | None) -> list[MetricRow]:
    """The objective's metric first, then the others in the order of the contracts."""
    names = sorted(in_order(evaluation.metrics), key=lambda name: name != main)
    return [_metric_row(name, evaluation, name == main) for name in names]


def _metric_row(name: str, evaluation: Evaluation, main: bool) -> MetricRow:
    interval, dummy = evaluation.metrics[name], evaluation.dummy.get(name)
    known = [one for one in (interval.value, interval.low, interval.high, dummy) if one is not None]
    drawn = None
    if interval.value is not None:
        drawn = strip(interval.value, interval.low, interval.high, _scale(name, known), dummy)
    return MetricRow(
        name=name,
        title=METRICS[name].title if name in METRICS else name,
        value=number(interval.value),
        ends="–" if interval.value is None else f"{number(interval.low)} – {number(interval.high)}",
        dummy=number(dummy),
        strip=drawn,
        method=interval.method,
        note=_asked(name, evaluation) or interval.note,
        main=main,
        before=_with_ends(evaluation.before.get(name)),
    )


def _asked(name: str, evaluation: Evaluation) -> str | None:
    """What stands beside the coverage of a quantile: how much of it is asked for."""
    if name != "coverage" or evaluation.quantile is None:
        return None
    return f"rows at or below the prediction: {percent(evaluation.quantile)} are asked for"


def _with_ends(found: Interval | None) -> str:
    return "–" if found is None or found.value is None else f"{number(found.value)} ({span(found)})"


def _scale(metric: str, known: list[float]) -> tuple[float, float]:
    """From 0 to 1 for what lies there, so that lines can be compared; from 0 to the largest for errors."""
    greater = metric in METRICS and METRICS[metric].greater_is_better
    return min(0.0, *known), 1.0 if greater else max(1e-12, *known) * 1.05


@dataclass(frozen=True, slots=True)
class TopRow:
    """The rows that the model ranks highest."""

    top: str
    rows: int
    precision: str
    recall: str
    lift: str


def top_rows(tops: tuple[TopEvidence, ...]) -> list[TopRow]:
    """Each top that was asked for, with intervals."""
    return [
        TopRow(one.top, one.rows, *(_with_ends(found) for found in (one.precision, one.recall, one.lift)))
        for one in tops
    ]


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One label of several by itself."""

    label: str
    rows: int
    prevalence: float
    metrics: list[str]


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The labels, as the objective lists them."""

    metrics: list[str]
    rows: list[LabelRow]


def label_table(labels: tuple[LabelEvidence, ...]) -> LabelTable | None:
    """Each label with what is known of it; None where there is but one target."""
    if not labels:
        return None
    names = list(dict.fromkeys(name for name in METRICS for one in labels if name in one.metrics))
    rows = [
        LabelRow(one.label, one.rows, one.prevalence, [_with_ends(one.metrics.get(name)) for name in names])
        for one in labels
    ]
    return LabelTable([short(name) for name in names], rows)


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate's answer, drawn where its evidence has an interval."""

    gate: str
    passed: bool
    inconclusive: bool
    sentence: str
    strip: Strip | None
    bound: str
    evidence: list[tuple[str, str]]


def gate_rows(verdicts: Iterable[Verdict]) -> list[GateRow]:
    """The gates in the order of the spec."""
    return [_gate_row(verdict) for verdict in verdicts]


def _gate_row(verdict: Verdict) -> GateRow:
    evidence = verdict.evidence
    value, low, high = (_float(evidence.get(name)) for name in ("value", "low", "high"))
    bound = _float(evidence.get("at_least"))
    bound = _float(evidence.get("at_most")) if bound is None else bound
    if "difference" in evidence:
        value, bound = _float(evidence["difference"]), _float(evidence.get("bound")) or 0.0
    drawn = None
    if value is not None and bound is not None:
        known = [one for one in (value, low, high, bound) if one is not None]
        within = domain(known, 0.08) if len(known) > 2 else (min(0.0, *known), 1.08 * max(0.0, *known) or 1.0)
        if low is not None or high is not None:  # of a speed or a memory one end alone is known
            low, high = value if low is None else low, value if high is None else high
        drawn = strip(value, low, high, within, bound)
    told = [(name.replace("_", " "), _told(one)) for name, one in evidence.items() if one is not None]
    return GateRow(
        gate=verdict.gate,
        passed=verdict.passed,
        inconclusive=bool(evidence.get("inconclusive")),
        sentence=sentence(_readable(verdict.sentence)),
        strip=drawn,
        bound=number(bound) if bound is not None else "",
        evidence=told,
    )


def _readable(told: str) -> str:
    """With the metric's readable name at its beginning."""
    first, _, rest = told.partition(" ")
    return f"{short(first) if first in METRICS else first} {rest}".strip()


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _told(value: Any) -> str:
    if isinstance(value, dict):  # by slice, or by group
        return ", ".join(f"{name} {_part(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value)) or "none"
    plain = _float(value)
    return str(value) if plain is None or isinstance(value, int) else number(plain)


def _part(found: Any) -> str:
    """What became of one slice."""
    if not isinstance(found, dict):
        return _told(found)
    return "✓" if found.get("passed") else "not told" if found.get("inconclusive") else "✕"


@dataclass(frozen=True, slots=True)
class ImportanceRow:
    """One column's pull on the metric."""

    feature: str
    mean: str
    ends: str
    strip: Strip


@dataclass(frozen=True, slots=True)
class ImportanceTable:
    """The columns that the model leans on most; `zero` is where no pull is, in percent."""

    rows: list[ImportanceRow]
    zero: float
    others: int
    told: str  # what the ends are


def importance_table(found: tuple[Importance, ...], known: tuple[ImportanceEnds, ...]) -> ImportanceTable | None:
    """Bars from zero, with the interval over the repeats, or where it is not known their spread."""
    shown = found[:FEATURES]
    if not shown:
        return None
    told = {one.feature: (one.low, one.high) for one in known}
    spans = {one.feature: told.get(one.feature, (one.mean - one.std, one.mean + one.std)) for one in shown}
    ends = [end for span in spans.values() for end in span]
    within = (min(0.0, *ends) * 1.04, max(0.0, *ends) * 1.04 or 1.0)
    digits = decimals(one.mean for one in shown)
    rows = [
        ImportanceRow(
            feature=one.feature,
            mean=fixed(one.mean, digits),
            ends=" to ".join(fixed(end, digits) for end in spans[one.feature]),
            strip=strip(one.mean, *spans[one.feature], within),
        )
        for one in shown
    ]
    ends_are = "The interval is of the shuffling (95 %, over its repeats), not of the rows."
    if not known:  # of runs of 0.1.0
        ends_are = "The interval is one standard deviation of the shuffling's repeats to each side."
    return ImportanceTable(rows, strip(0.0, None, None, within).at, len(found) - len(shown), ends_are)


def fold_words(split: SplitSummary) -> str:
    """What keeps the rows of a fold apart from those that its model is trained on."""
    words = {
        "random": "of rows at random",
        "stratified": "with the shares of classes kept",
        "hash": "by the hash of each row",
        "group": "of whole groups",
        "time": "in time, each judged by a model of the rows before it",
    }
    return words.get(split.method, f"by {split.method}") + (f", {split.gap} rows left out between" if split.gap else "")


def rule_words(rule: ColumnPreparation) -> str:
    """How one column becomes features, in words."""
    missing = {"indicator": "marked and filled where missing", "none": "missing values kept"}
    parts = [
        str(rule.type or ""),
        missing.get(rule.missing or "none", f"missing → {rule.fill if rule.missing == 'constant' else rule.missing}"),
        {"onehot": "one column per category", "ordinal": "numbered categories"}.get(rule.encode or "", ""),
        "" if rule.scale in (None, "none") else f"{rule.scale} scale",
        f"rare below {rule.rare}" if rule.rare else "",
    ]
    return ", ".join(part for part in parts if part)


def trial_warnings(evidence: Evidence, limit: int = 20) -> list[tuple[str, int]]:
    """What trials warned of, each once with how many trials said it, most frequent first."""
    counts: dict[str, int] = {}
    for result in evidence.results:
        for text in result.warnings:
            told = f"{result.candidate}: {text}"
            counts[told] = counts.get(told, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]

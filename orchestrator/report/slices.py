"""The report's table of slices: the objective's metric on some of the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.contracts.documents.evaluation import Evaluation, SliceEvidence
from orchestrator.report.geometry import Strip, domain, strip
from orchestrator.report.wording import number, plural, short


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice; the strip marks the value on all test rows."""

    name: str
    rows: int
    value: str
    ends: str
    strip: Strip | None
    note: str | None


@dataclass(frozen=True, slots=True)
class SliceTable:
    """Slices that were named, or found, with what the intervals allow for."""

    title: str
    legend: str
    rows: list[SliceRow]


@dataclass(frozen=True, slots=True)
class Reference:
    """What slices are compared with: a metric's value on many rows."""

    metric: str
    value: float | None
    rows: str  # in words: "all test rows"


def slice_tables(evaluation: Evaluation, metric: str | None) -> list[SliceTable]:
    """Those that the spec names, then the weakest that were found."""
    if metric is None:
        return []
    tables = []
    whole = evaluation.metrics.get(metric)
    reference = Reference(metric, whole.value if whole is not None else None, "all test rows")
    if evaluation.slices:
        legend = f"The intervals hold for all {plural(len(evaluation.slices), 'slice')} at once"
        tables.append(slice_table("Slices", legend, evaluation.slices, reference))
    if evaluation.weakest:
        legend = (
            f"The weakest of {plural(evaluation.searched, 'slice')} that were looked at; the intervals allow for all"
        )
        tables.append(slice_table("The weakest slices", legend, evaluation.weakest, reference))
    return tables


def slice_table(
    title: str,
    legend: str,
    slices: Sequence[SliceEvidence],
    reference: Reference,
    scale: Sequence[SliceEvidence] | None = None,
) -> SliceTable:
    """Slices with the metric on them; the legend goes on with the level of the intervals and what the mark is.

    Strips are drawn on the scale of these slices, or of more.
    """
    metric, mark = reference.metric, reference.value
    found = [one.metrics[metric] for one in scale or slices if metric in one.metrics]
    ends = [end for one in found for end in (one.value, one.low, one.high) if end is not None]
    within = domain([*ends, *([mark] if mark is not None else [])]) if ends else (0.0, 1.0)
    level = {f"{100 * one.confidence:.6g} %" for one in found}
    told = f" (each is one of {' and '.join(sorted(level))})" if level else ""
    where = f"; the vertical mark is the {short(metric)} on {reference.rows}" if mark is not None else ""
    return SliceTable(title, f"{legend}{told}{where}.", [_row(one, metric, within, mark) for one in slices])


def _row(found: SliceEvidence, metric: str, within: tuple[float, float], mark: float | None) -> SliceRow:
    interval = found.metrics.get(metric)
    if interval is None or interval.value is None:
        note = interval.note if interval is not None else "no test row has it"
        return SliceRow(found.slice, found.rows, "–", "–", None, note)
    return SliceRow(
        name=found.slice,
        rows=found.rows,
        value=number(interval.value),
        ends=f"{number(interval.low)} – {number(interval.high)}",
        strip=strip(interval.value, interval.low, interval.high, within, mark),
        note=interval.note,
    )

"""The report's page of segments: one summary of all models that a routed model is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.contracts.documents.evaluation import SegmentsEvidence, SliceEvidence
from orchestrator.contracts.segments import SegmentPlan, SegmentsSummary
from orchestrator.report.charts import Chart, Line, Note
from orchestrator.report.evidence import Evidence
from orchestrator.report.geometry import Plot, domain
from orchestrator.report.slices import Reference, SliceTable, slice_table
from orchestrator.report.wording import number, percent, plural, short, spoken, whole

FEW = 5  # judged segments, below which nothing is drawn of their spread


@dataclass(frozen=True, slots=True)
class Section:
    """All that one page tells of thousands of models."""

    lead: str
    gain: str | None
    facts: list[tuple[str, str]]
    chart: Chart | None
    tables: list[SliceTable]
    champions: list[tuple[str, str, str]]  # candidate, segments, share
    unserved: list[tuple[str, str, str]]  # segment, what became of it, reason
    more: int  # unserved segments that are not named


def segments_section(evidence: Evidence) -> Section | None:
    """None where the model is not routed."""
    summary = evidence.ranking.segments if evidence.ranking else None
    if summary is None:
        return None
    judged = evidence.evaluation.segments if evidence.evaluation else None
    return Section(
        lead=_lead(summary),
        gain=gain_words(judged) if judged else None,
        facts=_facts(summary, evidence.segments, judged),
        chart=_spread(judged) if judged else None,
        tables=_tables(judged) if judged else [],
        champions=[
            (name, whole(count), percent(count / summary.own))
            for name, count in sorted(summary.champions.items(), key=lambda item: -item[1])
        ],
        unserved=[
            (one.segment, {"failed": "failed", "thin": "too little to judge"}[one.why], one.reason)
            for one in summary.unserved
        ],
        more=summary.failed + summary.thin - len(summary.unserved),
    )


def _lead(summary: SegmentsSummary) -> str:
    values = plural(summary.segments, "value")
    have = "has a model of its own" if summary.own == 1 else "have models of their own"
    told = f"{whole(summary.own)} of {values} of {summary.column} {have}. "
    others = (
        f"the {'other' if summary.others == 1 else f'{whole(summary.others)} others'}, for " if summary.others else ""
    )
    return f"{told}One model of all rows answers for {others}values that training never saw and for rows without one."


def gain_words(judged: SegmentsEvidence) -> str | None:
    """What the segments' own models are worth beside the one of all rows, on the rows that they answer."""
    if judged.routed is None or judged.single is None or judged.gain is None or judged.gain.value is None:
        return None
    metric, gain = short(judged.metric), judged.gain
    rows = plural(judged.own_rows, "test row")
    told = f"On the {rows} that they answer the {metric} is {number(judged.routed)}; "
    told += f"the one model of all rows has {number(judged.single)} there. "
    if gain.low is None or gain.high is None:
        return told + "The rows are too few to say which is better."
    sure = f"({100 * gain.confidence:.4g} % interval of what is gained: {number(gain.low)} to {number(gain.high)})"
    if gain.low > 0:
        return f"{told}Models of their own are better {sure}."
    if gain.high < 0:
        return f"{told}Models of their own are worse {sure}: one model would serve better."
    return f"{told}The difference may be chance {sure}: one model may serve as well."


def _facts(
    summary: SegmentsSummary, plan: SegmentPlan | None, judged: SegmentsEvidence | None
) -> list[tuple[str, str]]:
    facts = [
        ("models of their own", whole(summary.own)),
        (f"fewer than {whole(summary.min_rows)} training rows", whole(summary.small)),
        ("too little to judge", whole(summary.thin)),
        ("fits failed", whole(summary.failed)),
        ("training rows of these models", percent(summary.rows / max(summary.rows + summary.other_rows, 1))),
    ]
    if plan is not None:
        facts += [
            ("training rows of smaller values", whole(plan.small_rows)),
            ("training rows without a value", whole(plan.missing_rows)),
        ]
    if judged is not None:
        facts += [
            ("test rows that others answer", whole(judged.other_rows)),
            ("values new in the test", whole(judged.unknown)),
        ]
    return facts


def _spread(judged: SegmentsEvidence) -> Chart | None:
    """How many segments have which score."""
    bars, metric, mark = judged.histogram, short(judged.metric), judged.routed
    if bars is None or judged.judged < FEW or not judged.means:
        return None
    plot = Plot(domain([*bars.x, *([mark] if mark is not None else [])]), (0.0, max(bars.y) * 1.12), height=300)
    steps = [f"V{plot.at_y(count)}H{plot.at_x(edge)}" for count, edge in zip(bars.y[:-1], bars.x[1:], strict=True)]
    outline = f"M{plot.at_x(bars.x[0])} {plot.inner_bottom}{''.join(steps)}V{plot.inner_bottom}"
    lines, notes = [Line(f"{outline}Z", "area"), Line(outline, "line thin")], []
    if mark is not None:
        at = plot.at_x(mark)
        side = "end" if at > (plot.left + plot.inner_right) / 2 else "start"
        lines.append(Line(f"M{at} {plot.top}V{plot.inner_bottom}", "reference"))
        notes.append(Note(at + (-6 if side == "end" else 6), plot.top + 10, f"all together {number(mark)}", side))
    low, middle, high = (judged.means[place] for place in (1, 3, 5))
    return Chart(
        key="segments",
        title="How the segments' scores spread",
        told=(
            f"Of {plural(judged.judged, 'segment')} half have {spoken(judged.metric)} below {number(middle)}, nine in "
            f"ten lie between {number(low)} and {number(high)}. Few rows scatter by chance: models differ by less."
        ),
        plot=plot,
        x_title=f"{metric} on a segment's own test rows",
        y_title="segments",
        lines=tuple(lines),
        notes=tuple(notes),
    )


def _tables(judged: SegmentsEvidence) -> list[SliceTable]:
    """Few are shown of many, so each says what being picked out explains."""
    reference = Reference(judged.metric, judged.routed, "all rows that segments' own models answer")
    shown = (*judged.weakest, *judged.best)
    hold = f"The intervals hold for all {whole(judged.judged)} at once"
    among = f"{plural(judged.judged, 'segment')} with {judged.least_rows} test rows or more"
    return [
        slice_table(title, f"{_picked(word, among, judged, found)} {hold}", found, reference, shown)
        for title, word, found in (
            ("The weakest segments", "weakest", judged.weakest),
            ("The best segments", "best", judged.best),
        )
        if found
    ]


def _picked(word: str, among: str, judged: SegmentsEvidence, found: Sequence[SliceEvidence]) -> str:
    """How many of those that were picked out differ from all together by more than picking them out explains."""
    told = f"The {word} of {among}; among so many some stand out by chance alone."
    if judged.routed is None:
        return told
    intervals = [one.metrics[judged.metric] for one in found if judged.metric in one.metrics]
    known = [(one.low, one.high) for one in intervals if one.low is not None and one.high is not None]
    apart = sum(not low <= judged.routed <= high for low, high in known)
    if not apart:
        return f"{told} None of these differs from all together by more than that."
    return (
        f"{told} {whole(apart)} of these {'differs' if apart == 1 else 'differ'} from all together by more than that."
    )

"""The chart of learning curves: what simple models reached on growing samples, and what is expected of more rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from orchestrator.contracts.documents.training import Curve
from orchestrator.contracts.feasibility import Feasibility, Forecast, LearningCurve
from orchestrator.report.charts import Chart, Line, Note
from orchestrator.report.geometry import Plot, Tick, domain
from orchestrator.report.wording import number, short, whole


@dataclass(frozen=True, slots=True)
class RowsPlot(Plot):
    """A chart over numbers of rows on a logarithmic scale; `x` is their common logarithm."""

    @property
    def x_ticks(self) -> list[Tick]:
        """Round numbers of rows: powers of ten, with 2 and 5 between where there is room."""
        low, high = self.x
        powers = range(math.floor(low), math.ceil(high) + 1)
        steps = (1, 2, 5) if high - low < 2.5 else (1,)
        rows = [step * 10**power for power in powers for step in steps if power >= 0]
        return [Tick(self.at_x(math.log10(row)), whole(row)) for row in rows if low <= math.log10(row) <= high]


def learning_chart(found: Feasibility) -> Chart | None:
    """The curves with the band of the best one, and the target as a line; None without a curve."""
    if not found.curves:
        return None
    best = found.curves[0]
    plot = RowsPlot(_across(found), _along(found), height=320, width=520)
    lines = [Line(_band(plot, best), "area")]
    if found.target is not None:
        lines.append(Line(f"M{plot.left} {plot.at_y(found.target)}H{plot.inner_right}", "reference"))
    for curve in found.curves:
        seen = [(rows, score) for rows, score in zip(curve.rows, curve.scores, strict=True)]
        lines.append(Line(_path(plot, seen), "line" if curve is best else "line thin"))
        expected = [seen[-1], (curve.now.rows, curve.now.value), (curve.more.rows, curve.more.value)]
        lines.append(Line(_path(plot, expected), "line thin"))
    notes = [
        Note(plot.inner_right - 4, plot.at_y(c.more.value) - 6, c.model, "end") for c in _apart(found.curves, plot)
    ]
    if found.target is not None:
        notes.append(Note(plot.left + 6, plot.at_y(found.target) - 5, f"target {number(found.target)}"))
    return Chart(
        key="learning",
        title="Learning curves",
        told=f"Cross-validated {short(found.metric)} on growing samples of the training rows, led on to ten times as "
        f"many; the shade is the {100 * found.confidence:.4g} % band of the {best.model}.",
        plot=plot,
        x_title="training rows",
        y_title=short(found.metric),
        lines=tuple(lines),
        points=tuple(
            (plot.at_x(math.log10(rows)), plot.at_y(score), 3.5)
            for curve in found.curves
            for rows, score in zip(curve.rows, curve.scores, strict=True)
        ),
        notes=tuple(notes),
    )


def _across(found: Feasibility) -> tuple[float, float]:
    first = min(curve.rows[0] for curve in found.curves)
    return math.log10(first) - 0.05, math.log10(found.curves[0].more.rows) + 0.05


def _along(found: Feasibility) -> tuple[float, float]:
    best = found.curves[0]
    values = [score for curve in found.curves for score in (*curve.scores, curve.more.value)]
    values += [best.now.low, best.now.high, best.more.low, best.more.high]
    return domain([*values, *([found.target] if found.target is not None else [])], 0.06)


def _path(plot: Plot, places: list[tuple[int, float]]) -> str:
    return plot.path(Curve(x=tuple(math.log10(rows) for rows, _ in places), y=tuple(y for _, y in places)))


def _band(plot: Plot, best: LearningCurve) -> str:
    """From the rows at hand to ten times as many."""
    ends: tuple[Forecast, Forecast] = best.now, best.more
    return (
        _path(plot, [*((one.rows, one.high) for one in ends), *((one.rows, one.low) for one in reversed(ends))]) + "Z"
    )


def _apart(curves: tuple[LearningCurve, ...], plot: Plot) -> list[LearningCurve]:
    """Curves whose names do not stand on one another's; the best one's comes first."""
    kept: list[LearningCurve] = []
    for curve in curves:
        if all(abs(plot.at_y(curve.more.value) - plot.at_y(one.more.value)) > 14 for one in kept):
            kept.append(curve)
    return kept

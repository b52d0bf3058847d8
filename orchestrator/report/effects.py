"""The charts of single columns, and the table of what the model bears: how answers and the metric move."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.contracts.documents.evaluation import Dependence, Evaluation, Robustness
from orchestrator.contracts.documents.training import Curve
from orchestrator.report.charts import Chart, Line
from orchestrator.report.geometry import Plot, Strip, Tick, domain, strip
from orchestrator.report.wording import decimals, fixed, number, whole

LABEL = 14  # characters of a category at most
ROOM = 42  # characters that the labels of a chart have together, gaps included


@dataclass(frozen=True, slots=True)
class CategoryPlot(Plot):
    """A chart over categories; `x` counts them."""

    names: tuple[str, ...] = ()

    @property
    def x_ticks(self) -> list[Tick]:
        """Every category, in turn; names are cut where they would run into their neighbours."""
        longest = min(LABEL, ROOM // max(1, len(self.names)) - 1)
        return [
            Tick(self.at_x(place), name if len(name) <= longest else f"{name[: longest - 1]}…")
            for place, name in enumerate(self.names)
        ]


def effect_charts(evaluation: Evaluation, shown: tuple[Dependence, ...]) -> list[Chart]:
    """The partial dependence of the most important columns, on one scale."""
    ends = [end for one in shown for end in (*one.mean, *one.low, *one.high)]
    along = domain(ends, 0.06)
    what = "predicted value" if evaluation.kind == "regression" else f"answer for {evaluation.positive}"
    return [_chart(place, one, along, what) for place, one in enumerate(shown)]


def _chart(place: int, found: Dependence, along: tuple[float, float], what: str) -> Chart:
    if found.categories:
        reach = (-0.5, len(found.categories) - 0.5)
        plot: Plot = CategoryPlot(reach, along, height=260, width=400, names=found.categories)
        middle = [(plot.at_x(index), plot.at_y(value), 4.5) for index, value in enumerate(found.mean)]
        lines = tuple(
            Line(f"M{plot.at_x(index)} {plot.at_y(low)}V{plot.at_y(high)}", "line thin")
            for index, (low, high) in enumerate(zip(found.low, found.high, strict=True))
        )
        return _drawn(place, found, plot, what, lines, tuple(middle))
    plot = Plot(domain(found.x, 0.02), along, height=260, width=400)
    outline = plot.points(Curve(x=found.x, y=found.high)) + plot.points(Curve(x=found.x, y=found.low))[::-1]
    band = "M" + "L".join(f"{x} {y}" for x, y in outline) + "Z"
    middle_line = Line(plot.path(Curve(x=found.x, y=found.mean)), "line")
    return _drawn(place, found, plot, what, (Line(band, "area"), middle_line), ())


def _drawn(
    place: int,
    found: Dependence,
    plot: Plot,
    what: str,
    lines: tuple[Line, ...],
    points: tuple[tuple[float, float, float], ...],
) -> Chart:
    moved = f"{number(min(found.mean))} and {number(max(found.mean))}"
    return Chart(
        key=f"effect-{place + 1}",
        title=found.feature,
        told=f"The mean answer lies between {moved} as this column moves, all else as it is in "
        f"{whole(found.rows)} rows.",
        plot=plot,
        x_title=found.feature,
        y_title=what,
        lines=lines,
        points=points,
    )


@dataclass(frozen=True, slots=True)
class BearingRow:
    """One way in which the rows were made worse."""

    change: str
    value: str
    loss: str
    strip: Strip | None


@dataclass(frozen=True, slots=True)
class BearingTable:
    """What the metric loses; `zero` is where nothing is lost, in percent; `whole` the metric on rows as they are."""

    rows: list[BearingRow]
    zero: float
    whole: str


def bearing_table(found: tuple[Robustness, ...], *, greater_is_better: bool = True) -> BearingTable | None:
    """Noise by its size, then missing columns, the worst first."""
    if not found:
        return None
    losses = [one.loss for one in found if one.loss is not None]
    within = (min(0.0, *losses, 0.0) * 1.04, max(0.0, *losses, 0.0) * 1.04 or 1.0)
    digits = decimals(losses) if losses else 3
    noise = [one for one in found if one.change == "noise"]
    gaps = sorted((one for one in found if one.change == "missing"), key=_worst)
    rows = [
        BearingRow(
            change=_words(one),
            value=number(one.value),
            loss="no answer" if one.loss is None else fixed(one.loss, digits),
            strip=None if one.loss is None else strip(one.loss, None, None, within),
        )
        for one in (*noise, *gaps)
    ]
    sign = 1 if greater_is_better else -1
    wholes = (one.value + sign * one.loss for one in found if one.value is not None and one.loss is not None)
    return BearingTable(rows, strip(0.0, None, None, within).at, number(next(wholes, None)))


def _worst(one: Robustness) -> float:
    return float("-inf") if one.loss is None else -one.loss


def _words(one: Robustness) -> str:
    if one.change == "missing":
        return f"{one.column} missing"
    return f"noise of {one.size:g} SD" if one.size is not None else "noise"

"""The champion's charts: what each shows, where its lines lie, and what it says to someone who cannot see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from orchestrator.contracts.documents.evaluation import Details, Evaluation, TopEvidence
from orchestrator.contracts.documents.training import Curve, DecisionThreshold
from orchestrator.report.geometry import Plot, domain, shares, unit_plot
from orchestrator.report.wording import number, percent, sentence, short, whole

NAMED = 12  # classes, beyond which a confusion matrix has no numbers in its cells


@dataclass(frozen=True, slots=True)
class Line:
    """One mark of a chart."""

    path: str
    look: str  # a class of the style sheet


@dataclass(frozen=True, slots=True)
class Note:
    """A label that stands directly at what it names."""

    x: float
    y: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure."""

    key: str
    title: str
    told: str  # in words
    plot: Plot
    x_title: str
    y_title: str
    lines: tuple[Line, ...] = ()
    points: tuple[tuple[float, float, float], ...] = ()  # x, y, radius
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a confusion matrix."""

    x: float
    y: float
    count: str
    share: str
    strength: float  # 0 to 1
    right: bool
    told: str


@dataclass(frozen=True, slots=True)
class Confusion:
    """Truth by line, prediction by column."""

    size: float
    classes: tuple[str, ...]
    cells: tuple[Cell, ...]
    named: bool
    width: int
    left: int
    top: int
    told: str


def charts_of(evaluation: Evaluation, details: Details | None = None) -> list[Chart]:
    """The charts for which the evaluation has curves; the tops of the details stand on the gains."""
    tops = details.tops if details is not None else ()
    makers: dict[str, Callable[[Evaluation], Chart]] = {
        "roc": _roc,
        "precision_recall": _precision_recall,
        "gains": partial(_gains, tops=tops),
        "calibration": _calibration,
        "predicted": _predicted,
        "residuals": _residuals,
    }
    return [make(evaluation) for key, make in makers.items() if key in evaluation.curves and evaluation.curves[key].x]


def _roc(evaluation: Evaluation) -> Chart:
    plot, curve = unit_plot(), evaluation.curves["roc"]
    line = plot.path(curve)
    area = evaluation.metrics.get("roc_auc")
    value = number(area.value) if area else "–"
    return Chart(
        key="roc",
        title="ROC curve",
        told=f"Share of positives found against false alarms; the area under the curve is {value}, 0.5 is chance.",
        plot=plot,
        x_title="false alarms: share of negatives",
        y_title="found: share of positives",
        lines=(Line(plot.area(line, curve), "area"), Line(_diagonal(plot), "reference"), Line(line, "line")),
        notes=(
            Note(plot.at_x(0.62), plot.at_y(0.55), "chance"),
            Note(plot.at_x(0.96), plot.at_y(0.08), f"AUC {value}", "end"),
        ),
    )


def _precision_recall(evaluation: Evaluation) -> Chart:
    plot, curve = unit_plot(), evaluation.curves["precision_recall"]
    line = plot.steps(curve)
    found = evaluation.metrics.get("average_precision")
    base = evaluation.dummy.get("average_precision")
    lines = [Line(plot.area(line, curve), "area"), Line(line, "line")]
    notes = [Note(plot.at_x(0.04), plot.at_y(0.08), f"average precision {number(found.value if found else None)}")]
    if base is not None:
        lines.insert(1, Line(f"M{plot.left} {plot.at_y(base)}H{plot.inner_right}", "reference"))
        notes.append(Note(plot.at_x(0.98), plot.at_y(base) - 6, f"share of positives {percent(base)}", "end"))
    return Chart(
        key="precision_recall",
        title="Precision and recall",
        told="How many of the rows called positive are so, the more of the positives are found.",
        plot=plot,
        x_title="recall: share of positives found",
        y_title="precision",
        lines=tuple(lines),
        notes=tuple(notes),
    )


def _gains(evaluation: Evaluation, tops: tuple[TopEvidence, ...]) -> Chart:
    plot, curve = unit_plot(), evaluation.curves["gains"]
    line = plot.path(curve)
    shown = [one for one in tops if one.recall.value is not None and one.lift.value is not None]
    places = [(plot.at_x(one.share), plot.at_y(one.recall.value or 0.0)) for one in shown]
    notes = [
        Note(min(x + 9, plot.inner_right - 90), y + 14, f"lift {number(one.lift.value)} in the top {one.top}")
        for (x, y), one in zip(places, shown, strict=True)
    ]
    base = evaluation.dummy.get("average_precision")  # of the dummy it is the share of positives
    perfect = Curve(x=(0.0, base or 0.0, 1.0), y=(0.0, 1.0, 1.0))
    return Chart(
        key="gains",
        title="Cumulative gains",
        told="How many of the positives are among the rows that it ranks highest; the diagonal is a random order, a "
        "thin line a perfect one. The lift is how many times more than a random order finds.",
        plot=plot,
        x_title="share of the rows, highest score first",
        y_title="found: share of positives",
        lines=(
            Line(plot.area(line, curve), "area"),
            Line(_diagonal(plot), "reference"),
            *((Line(plot.path(perfect), "line thin"),) if base is not None else ()),
            Line(line, "line"),
        ),
        points=tuple((x, y, 4.5) for x, y in places),
        notes=tuple(notes),
    )


def _calibration(evaluation: Evaluation) -> Chart:
    plot, curve = unit_plot(), evaluation.curves["calibration"]
    rows = evaluation.curves.get("calibration_rows", Curve(x=curve.x, y=tuple(1.0 for _ in curve.x))).y
    points = tuple((x, y, 4.5) for x, y in plot.points(curve))
    each = f", in groups of about {whole(sum(rows) / len(rows))} rows" if rows else ""
    return Chart(
        key="calibration",
        title="Calibration",
        told=f"What came true against the probability that was said{each}; on the diagonal they agree.",
        plot=plot,
        x_title="predicted probability",
        y_title="share that was positive",
        lines=(Line(_diagonal(plot), "reference"), Line(plot.path(curve), "line thin")),
        points=points,
        notes=(Note(plot.at_x(0.3), plot.at_y(0.22), "ideal"),),
    )


def _predicted(evaluation: Evaluation) -> Chart:
    curve = evaluation.curves["predicted"]
    both = domain((*curve.x, *curve.y))
    plot = Plot(both, both, width=400, height=380, right=20)
    return Chart(
        key="predicted",
        title="Predicted and true",
        told=f"{len(curve.x)} test rows; on the diagonal the prediction is right{_beyond(evaluation)}.",
        plot=plot,
        x_title="true value",
        y_title="predicted value",
        lines=(Line(_diagonal(plot), "reference"),),
        points=tuple((x, y, 3) for x, y in plot.points(curve)),
    )


def _beyond(evaluation: Evaluation) -> str:
    """Of a quantile: where its rows should lie."""
    asked = evaluation.quantile
    return f", and {percent(asked)} of the rows should lie on it or above" if asked else ""


def _residuals(evaluation: Evaluation) -> Chart:
    curve = evaluation.curves["residuals"]
    reach = max((abs(value) for value in curve.y), default=1.0) * 1.08 or 1.0
    plot = Plot(domain(curve.x), (-reach, reach), width=400, height=380, right=20)
    return Chart(
        key="residuals",
        title="Residuals",
        told=f"True minus predicted value of {len(curve.x)} test rows; a pattern is something that the model missed.",
        plot=plot,
        x_title="predicted value",
        y_title="true − predicted",
        lines=(Line(f"M{plot.left} {plot.at_y(0)}H{plot.inner_right}", "reference"),),
        points=tuple((x, y, 3) for x, y in plot.points(curve)),
    )


def threshold_chart(threshold: DecisionThreshold) -> Chart | None:
    """What each threshold would have been worth on the out-of-fold predictions; None where it was not tuned."""
    curve = threshold.curve
    if curve is None or not curve.x:
        return None
    across = (0.0, 1.0) if threshold.response == "probability" else domain(curve.x)
    plot = Plot(across, domain(curve.y), width=400, height=380, right=20)
    inside = Curve(x=tuple(min(max(x, across[0]), across[1]) for x in curve.x), y=curve.y)
    at = plot.at_x(threshold.value)
    side = "end" if at > (plot.left + plot.inner_right) / 2 else "start"
    return Chart(
        key="threshold",
        title="Decision threshold",
        told=sentence(threshold.sentence),
        plot=plot,
        x_title="positive from here on",
        y_title=f"{short(threshold.by)} of out-of-fold predictions",
        lines=(Line(f"M{at} {plot.top}V{plot.inner_bottom}", "reference"), Line(plot.path(inside), "line")),
        notes=(Note(at + (-6 if side == "end" else 6), plot.top + 14, number(threshold.value), side),),
    )


def _diagonal(plot: Plot) -> str:
    return f"M{plot.left} {plot.inner_bottom}L{plot.inner_right} {plot.top}"


def confusion_of(evaluation: Evaluation) -> Confusion | None:
    """Cells shaded by their share of the true class."""
    matrix = evaluation.confusion
    if not matrix:
        return None
    names, parts = tuple(map(str, evaluation.classes)), shares(matrix)
    count = len(matrix)
    left, top, width = 110, 52, 420
    size = (width - left - 4) / count
    cells = tuple(
        Cell(
            x=round(left + size * column, 2),
            y=round(top + size * line, 2),
            count=whole(matrix[line][column]),
            share=percent(parts[line][column]),
            strength=round(parts[line][column], 3),
            right=line == column,
            told=f"{whole(matrix[line][column])} rows of class {names[line]} predicted as {names[column]}",
        )
        for line in range(count)
        for column in range(count)
    )
    right = sum(matrix[one][one] for one in range(count))
    told = f"{whole(right)} of {whole(sum(map(sum, matrix)))} rows were put into their true class."
    return Confusion(round(size, 2), names, cells, count <= NAMED, width, left, top, told)

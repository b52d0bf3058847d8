"""The report's section on the search: how it went, what came of which parameters, and which of them mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.contracts.documents.training import Curve, ParameterEffects, TrialResult, comparable
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.spaces import varied
from orchestrator.report.charts import Chart, Line
from orchestrator.report.evidence import Evidence
from orchestrator.report.geometry import Plot, Strip, Tick, domain, strip, ticks
from orchestrator.report.parallel import Parallel, parallel
from orchestrator.report.wording import percent, plural, short, whole

LEAST = 3  # trials, below which there is nothing to see
DRAWN = 4  # candidates with coordinates of their own, those with most trials first
POINTS = 1000  # of the history


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One parameter's share."""

    parameter: str
    share: str
    strip: Strip


@dataclass(frozen=True, slots=True)
class EffectTable:
    """What a candidate's scores depend on; without rows where that cannot be told."""

    candidate: str
    told: str
    rows: tuple[EffectRow, ...]


@dataclass(frozen=True, slots=True)
class SearchSection:
    """What the template draws."""

    told: str | None
    history: Chart
    coordinates: tuple[Parallel, ...]
    effects: tuple[EffectTable, ...]


@dataclass(frozen=True, slots=True)
class CountPlot(Plot):
    """A chart over things that are counted."""

    @property
    def x_ticks(self) -> list[Tick]:
        """Whole numbers only."""
        return [Tick(self.at_x(value), whole(value)) for value, _ in ticks(*self.x) if float(value).is_integer()]


def search_section(evidence: Evidence) -> SearchSection | None:
    """None where no candidate has three trials with scores that differ in a parameter."""
    results, ranking = evidence.results, evidence.ranking
    effects = {one.candidate: one for one in evidence.effects}
    drawn = _coordinates(results, effects)
    if not drawn:
        return None
    summary = ranking.search if ranking else None
    told = None
    if summary is not None:
        fits = f" in {plural(summary.trials, 'trial')}" if summary.trials > summary.settings else ""
        told = f"The {summary.method} search tried {plural(summary.settings, 'setting')}{fits}: {summary.ended}."
    return SearchSection(told, history_chart(results), drawn, tuple(_table(one) for one in effects.values()))


def history_chart(results: Sequence[TrialResult]) -> Chart:
    """Each trial's score in the order in which they were asked for, with the best one so far as stairs."""
    metric = METRICS[results[0].metric]
    sign = 1 if metric.greater_is_better else -1
    best: list[tuple[int, float]] = []
    for place, one in enumerate(results, 1):
        if (one.rung is None or one.rung.full) and (not best or sign * (one.mean - best[-1][1]) > 0):
            best.append((place, one.mean))
    means = sorted((one.mean for one in results), key=lambda mean: sign * mean)
    along = domain(means[len(means) // 10 :])  # one broken trial must not flatten the others
    plot = CountPlot((0.5, len(results) + 0.5), along, width=520, height=320, left=66)

    def inside(mean: float) -> float:
        return min(max(mean, along[0]), along[1])

    stairs = [(x, inside(mean)) for x, mean in ([*best, (len(results), best[-1][1])] if best else [])]
    step = max(1, -(-len(results) // POINTS))
    lines = [Line(plot.steps(Curve(x=tuple(x for x, _ in stairs), y=tuple(y for _, y in stairs))), "line")]
    halved = any(one.rung is not None and not one.rung.full for one in results)
    return Chart(
        key="history",
        title="How it went",
        told=f"{short(metric.name)} of each trial in the order of the search; the line is the best so far"
        + (" in full, small points had less of the resource" if halved else "")
        + ("; the worst lie on the edge" if means[0] != means[len(means) // 10] else "")
        + ".",
        plot=plot,
        x_title="trial",
        y_title=short(metric.name),
        lines=tuple(lines),
        points=tuple(
            (plot.at_x(place), plot.at_y(inside(one.mean)), 3.5 if one.rung is None or one.rung.full else 2.2)
            for place, one in [*enumerate(results, 1)][::step]
        ),
    )


def _coordinates(results: Sequence[TrialResult], effects: dict[str, ParameterEffects]) -> tuple[Parallel, ...]:
    """Of the candidates with most trials; parameters by their importance, where it is known."""
    found = []
    for candidate in dict.fromkeys(one.candidate for one in results):
        trials = comparable([one for one in results if one.candidate == candidate])
        names = varied([one.params for one in trials])
        places = (
            {one.parameter: place for place, one in enumerate(effects[candidate].parameters)}
            if (candidate in effects)
            else {}
        )
        names = sorted(names, key=lambda name: places.get(name, len(places)))  # stable: else by name
        if names and len(trials) >= LEAST:
            found.append((len(trials), parallel(candidate, trials, names)))
    return tuple(figure for _, figure in sorted(found, key=lambda pair: -pair[0])[:DRAWN])


def _table(found: ParameterEffects) -> EffectTable:
    if found.explained is None:
        told = f"{plural(found.trials, 'trial')} are too few to tell which parameter matters."
    elif not found.parameters:
        told = f"The scores of {plural(found.trials, 'trial')} follow none of the parameters that were tried."
    else:
        told = (
            f"A random forest fitted to {plural(found.trials, 'trial')} explains {percent(found.explained)} of how "
            "those that it has not seen differ; what the shares leave over is interplay."
        )
    rows = [
        EffectRow(one.parameter, percent(one.share), strip(one.share, None, None, (0.0, 1.0)))
        for one in found.parameters
    ]
    return EffectTable(found.candidate, told, tuple(rows))

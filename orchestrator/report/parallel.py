"""Parallel coordinates: an axis for each parameter and one for the score, a line for each trial."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.documents.training import TrialResult
from orchestrator.contracts.metrics import METRICS
from orchestrator.report.geometry import ticks
from orchestrator.report.wording import number, parameters, plural, short

AXES = 7  # of parameters
LINES = 200
LISTED = 12  # values of a choice that are named
HEIGHT, TOP, BOTTOM, SIDE, GAP = 320, 34, 262, 62, 150
ABSENT = 292  # where a trial crosses the axis of a parameter that it was not given
LOGARITHMIC = 50  # the largest value by the least, from which on an axis of numbers above 0 is logarithmic
NAME, VALUE = 20, 12  # letters that there is room for


@dataclass(frozen=True, slots=True)
class Axis:
    """One vertical line with its name above, and its values beside it."""

    x: float
    name: str
    full: str
    labels: tuple[tuple[float, str], ...]
    absent: bool = False  # whether some trials were not given the parameter


@dataclass(frozen=True, slots=True)
class Strand:
    """One trial."""

    path: str
    told: str
    opacity: float
    best: bool = False


@dataclass(frozen=True, slots=True)
class Parallel:
    """One candidate's figure."""

    key: str
    title: str
    told: str
    width: float
    height: float
    top: float
    bottom: float
    axes: tuple[Axis, ...]
    strands: tuple[Strand, ...]  # the best one last, so that it lies above the others


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where values lie on an axis."""

    labels: tuple[tuple[float, str], ...]
    places: tuple[float | None, ...]  # by trial; None: not given


def parallel(candidate: str, trials: Sequence[TrialResult], names: Sequence[str]) -> Parallel:
    """The trials of one candidate, with axes for these parameters, the most important ones next to the score."""
    greater = METRICS[trials[0].metric].greater_is_better
    ordered = sorted(trials, key=lambda one: one.mean, reverse=not greater)  # the best one last
    drawn = _some(ordered)
    shown = [*reversed(names[:AXES])]
    scales = [_scale([one.params.get(name) for one in drawn], [name in one.params for one in drawn]) for name in shown]
    scales.append(_scores([one.mean for one in drawn], greater=greater))
    width = 2 * SIDE + GAP * (len(scales) - 1)
    across = [SIDE + GAP * place for place in range(len(scales))]
    axes = [
        Axis(x, _cut(name, NAME), name, scale.labels, None in scale.places)
        for x, name, scale in zip(across, [*shown, short(trials[0].metric)], scales, strict=True)
    ]
    strands = []
    for place, one in enumerate(drawn):
        heights = [scale.places[place] for scale in scales]
        points = [f"{x} {ABSENT if y is None else y}" for x, y in zip(across, heights, strict=True)]
        rank = (place + 1) / len(drawn)
        strands.append(
            Strand(
                path="M" + "L".join(points),
                told=f"{candidate}#{one.index}: {number(one.mean)} ({parameters(one.params)})",
                opacity=round(0.1 + 0.6 * rank**3, 3),
                best=one is ordered[-1],
            )
        )
    return Parallel(
        key=candidate,
        title=candidate,
        told=_told(len(drawn), len(trials), len(names), rung=trials[0].rung is not None),
        width=width,
        height=HEIGHT,
        top=TOP,
        bottom=BOTTOM,
        axes=tuple(axes),
        strands=tuple(strands),
    )


def _told(drawn: int, trials: int, names: int, *, rung: bool) -> str:
    text = f"A line for each of {plural(trials, 'trial')}" if drawn == trials else f"{drawn} of {trials} trials"
    text += " of the rung that most came to" if rung else ""
    text += "; the better, the stronger, the best one thick, best scores on top"
    return text + (f". {names - AXES} parameters that matter less are left out" if names > AXES else "") + "."


def _some(ordered: Sequence[TrialResult]) -> list[TrialResult]:
    """All, or as many as can be told apart: half of them the best ones, the others evenly from the rest."""
    if len(ordered) <= LINES:
        return list(ordered)
    rest, best = ordered[: -LINES // 2], ordered[-LINES // 2 :]
    step = len(rest) / (LINES - len(best))
    return [*(rest[int(place * step)] for place in range(LINES - len(best))), *best]


def _scale(values: Sequence[Any], given: Sequence[bool]) -> _Scale:
    known = [value for value, there in zip(values, given, strict=True) if there]
    if all(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) for value in known):
        return _numbers([float(value) if there else None for value, there in zip(values, given, strict=True)])
    spelled = [_spelled(value) if there else None for value, there in zip(values, given, strict=True)]
    names = sorted({one for one in spelled if one is not None})
    heights = {name: _height((place + 0.5) / len(names)) for place, name in enumerate(names)}
    labels = tuple((heights[name], _cut(name, VALUE)) for name in names) if len(names) <= LISTED else ()
    return _Scale(labels, tuple(None if one is None else heights[one] for one in spelled))


def _numbers(values: Sequence[float | None]) -> _Scale:
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    if low == high:
        return _Scale(((_height(0.5), f"{low:.4g}"),), tuple(None if one is None else _height(0.5) for one in values))
    if low > 0 and high / low >= LOGARITHMIC:
        ends = math.log10(low), math.log10(high)
        powers = range(math.ceil(ends[0] - 1e-9), math.floor(ends[1] + 1e-9) + 1)
        powers = powers[:: math.ceil(len(powers) / 6)]
        marks = [(_share(power, *ends), f"{10.0**power:g}") for power in powers]
        if len(marks) < 2:
            marks = [(0.0, f"{low:.3g}"), (1.0, f"{high:.3g}")]
        shares = [None if one is None else _share(math.log10(one), *ends) for one in values]
    else:
        marks = [(_share(value, low, high), label) for value, label in ticks(low, high, 4)]
        shares = [None if one is None else _share(one, low, high) for one in values]
    return _Scale(
        tuple((_height(share), label) for share, label in marks),
        tuple(None if share is None else _height(share) for share in shares),
    )


def _scores(scores: Sequence[float], *, greater: bool) -> _Scale:
    """The best on top. One broken trial must not flatten the others: the worst tenth may lie on the axis's end."""
    worst, best = scores[len(scores) // 10], scores[-1]
    if worst == best:
        worst = scores[0]
    if worst == best:
        return _Scale(((_height(0.5), number(best)),), tuple(_height(0.5) for _ in scores))
    low, high = min(worst, best), max(worst, best)

    def height(score: float) -> float:
        share = _share(min(max(score, low), high), low, high)
        return _height(share if greater else 1 - share)

    return _Scale(tuple((height(value), label) for value, label in ticks(low, high, 4)), tuple(map(height, scores)))


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low)


def _height(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"

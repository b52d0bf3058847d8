"""Scales, ticks and paths of the report's charts: numbers in, SVG coordinates out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.contracts.documents.training import Curve


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis with its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart's frame: its domain and where that lies in the drawing."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 440
    height: int = 340
    left: int = 52
    right: int = 14
    top: int = 12
    bottom: int = 46

    @property
    def inner_right(self) -> int:
        """The right end of the frame."""
        return self.width - self.right

    @property
    def inner_bottom(self) -> int:
        """The lower end of the frame."""
        return self.height - self.bottom

    def at_x(self, value: float) -> float:
        """The horizontal place of a value."""
        low, high = self.x
        return round(self.left + (value - low) / (high - low) * (self.inner_right - self.left), 1)

    def at_y(self, value: float) -> float:
        """The vertical place of a value."""
        low, high = self.y
        return round(self.inner_bottom - (value - low) / (high - low) * (self.inner_bottom - self.top), 1)

    @property
    def x_ticks(self) -> list[Tick]:
        """Ticks of the horizontal axis."""
        return [Tick(self.at_x(value), label) for value, label in ticks(*self.x)]

    @property
    def y_ticks(self) -> list[Tick]:
        """Ticks of the vertical axis."""
        return [Tick(self.at_y(value), label) for value, label in ticks(*self.y)]

    def points(self, curve: Curve) -> list[tuple[float, float]]:
        """The curve's points in the drawing."""
        return [(self.at_x(x), self.at_y(y)) for x, y in zip(curve.x, curve.y, strict=True)]

    def path(self, curve: Curve) -> str:
        """The curve as a line."""
        return "M" + "L".join(f"{x} {y}" for x, y in self.points(curve)) if curve.x else ""

    def steps(self, curve: Curve) -> str:
        """The curve as stairs: level, then up or down, as a precision–recall curve is defined."""
        places = self.points(curve)
        if not places:
            return ""
        return f"M{places[0][0]} {places[0][1]}" + "".join(f"V{y}H{x}" for x, y in places[1:])

    def area(self, line: str, curve: Curve) -> str:
        """What lies under a line."""
        places = self.points(curve)
        return f"{line}V{self.inner_bottom}H{places[0][0]}Z" if places else ""


def unit_plot() -> Plot:
    """A square of shares."""
    return Plot((0.0, 1.0), (0.0, 1.0), width=400, height=380, right=20)


def ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """About so many round values in the domain, with labels of equal decimals."""
    if not high > low:
        return [(low, f"{low:g}")]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = next((digits for digits in range(8) if abs(round(step, digits) - step) < step * 1e-6), 8)
    return [(index * step, _label(index * step, decimals)) for index in range(first, last + 1)]


def _label(value: float, decimals: int) -> str:
    if abs(value) >= 1e6 or decimals > 6:
        return f"{value:.3g}".replace("-", "−")
    return f"{value + 0.0:,.{decimals}f}".replace(",", " ").replace("-", "−")


def domain(values: Iterable[float], pad: float = 0.04) -> tuple[float, float]:
    """The range of values with room around it; never empty."""
    kept = list(values)
    low, high = (min(kept), max(kept)) if kept else (0.0, 1.0)
    room = (high - low) * pad or abs(high) * pad or 1.0
    return low - room, high + room


@dataclass(frozen=True, slots=True)
class Strip:
    """A value with its spread on one line, in percent of the line's width."""

    at: float
    low: float | None
    high: float | None
    mark: float | None = None  # something to compare with


def strip(
    value: float, low: float | None, high: float | None, within: tuple[float, float], mark: float | None = None
) -> Strip:
    """The places of a value, its ends and a mark on a domain."""

    def place(one: float | None) -> float | None:
        if one is None:
            return None
        share = (one - within[0]) / (within[1] - within[0]) if within[1] > within[0] else 0.5
        return round(100 * min(max(share, 0.0), 1.0), 2)

    return Strip(place(value) or 0.0, place(low), place(high), place(mark))


def shares(matrix: Sequence[Sequence[int]]) -> list[list[float]]:
    """Each cell as a share of its line."""
    return [[cell / total if (total := sum(line)) else 0.0 for cell in line] for line in matrix]

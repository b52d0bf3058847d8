"""Numbers and times as people read them, and the colour of each state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from orchestrator.contracts.estimators import told

STYLES: Mapping[str, str] = {
    "done": "green",
    "succeeded": "green",
    "running": "cyan",
    "ready": "cyan",
    "held": "yellow",
    "refused": "magenta",
    "failed": "red",
    "rejected": "red",
    "cancelled": "yellow",
    "skipped": "dim",
    "waiting": "dim",
    "production": "green",
    "staging": "cyan",
    "archived": "dim",
}

SIGNS: Mapping[str, str] = {
    "done": "✓",
    "running": "●",
    "ready": "○",
    "waiting": "·",
    "held": "‖",
    "failed": "✗",
    "rejected": "✗",
    "skipped": "-",
    "cancelled": "-",
}


def duration(seconds: float | None) -> str:
    """`0.8 s`, `12 s`, `3 m 05 s`, `2 h 10 m`."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02d} m"


def ago(at: float | None) -> str:
    """`just now`, `5 m ago`, else the local date and time."""
    if at is None:
        return ""
    passed = time.time() - at
    if passed < 60:
        return "just now"
    if passed < 3600:
        return f"{passed / 60:.0f} m ago"
    if passed < 86400:
        return f"{passed / 3600:.0f} h ago"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def number(value: float | None) -> str:
    """Four significant digits."""
    return "–" if value is None else f"{value:.4g}"


def settings_of(params: Mapping[str, Any]) -> str:
    """`C=1, penalty=l2`."""
    shown = {name: number(value) if isinstance(value, float) else told(name, value) for name, value in params.items()}
    return ", ".join(f"{name}={value}" for name, value in shown.items())


def interval(metric: Mapping[str, Any]) -> str:
    """`0.846 (0.829 to 0.862, 95 %)`."""
    if metric.get("value") is None:
        return "undefined"
    text = number(metric["value"])
    if metric.get("low") is not None and metric.get("high") is not None:
        text += f" ({number(metric['low'])} to {number(metric['high'])}, {100 * metric['confidence']:g} %)"
    return text

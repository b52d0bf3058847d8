"""Numbers, names and durations as people read them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from orchestrator.contracts.documents.evaluation import Interval
from orchestrator.contracts.documents.release import Performance
from orchestrator.contracts.estimators import told

SHORT = {
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC (one against rest)",
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "f1_macro": "F1 (macro)",
    "f1_weighted": "F1 (weighted)",
    "f1_micro": "F1 (micro)",
    "f1_samples": "F1 (by row)",
    "jaccard": "Jaccard index",
    "average_precision_micro": "average precision (micro)",
    "average_precision_macro": "average precision (macro)",
    "roc_auc_macro": "ROC AUC (macro)",
    "precision_macro": "precision (macro)",
    "recall_macro": "recall (macro)",
    "mcc": "Matthews correlation",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
    "rmse": "RMSE",
    "mae": "MAE",
    "mape": "MAPE",
    "median_absolute_error": "median absolute error",
    "r2": "R²",
    "pinball": "pinball loss",
    "d2_pinball": "D² of the pinball loss",
}
SPOKEN = {"roc_auc": "a ROC AUC", "accuracy": "an accuracy", "average_precision": "an average precision"}
SPOKEN |= {"f1": "an F1", "f1_macro": "a macro F1", "rmse": "an RMSE", "mae": "an MAE", "r2": "an R²"}
SPOKEN |= {"f1_micro": "a micro F1", "f1_samples": "an F1 by row", "roc_auc_macro": "a macro ROC AUC"}
SPOKEN |= {f"average_precision_{how}": f"a {how} average precision" for how in ("micro", "macro")}


def short(metric: str) -> str:
    """The metric's name as it stands in tables."""
    return SHORT.get(metric, metric.replace("_", " "))


def spoken(metric: str) -> str:
    """The metric's name in a sentence, with its article."""
    return SPOKEN.get(metric, f"a {short(metric)}")


def number(value: float | None) -> str:
    """Three decimals for small numbers, fewer for large ones, a dash for none."""
    if value is None:
        return "–"
    size = abs(value)
    if size != 0 and (size < 0.001 or size >= 1e7):
        return f"{value:.2e}".replace("-", "−")
    digits = 3 if size < 10 else 2 if size < 100 else 1 if size < 10_000 else 0
    return f"{value:,.{digits}f}".replace(",", " ").replace("-", "−")


def decimals(values: Iterable[float], significant: int = 3) -> int:
    """As many decimals as show so many digits of the largest of the values; one below 1,000, for the small ones."""
    largest = max((abs(value) for value in values), default=0.0)
    least = 1 if largest < 1000 else 0
    return 3 if largest == 0 else min(max(significant - 1 - math.floor(math.log10(largest)), least), 9)


def fixed(value: float, digits: int) -> str:
    """A number with so many decimals, as its neighbours in a column; nothing is less than 0 by rounding."""
    return f"{value:z,.{digits}f}".replace(",", " ").replace("-", "−")


def sentence(text: str) -> str:
    """With a capital at its beginning, unless that is a name, and a full stop."""
    first = text.split(" ", 1)[0]
    capital = text if set(first) & set("_#@[(") else text[:1].upper() + text[1:]
    return capital if capital.endswith((".", "!", "?")) or not capital else f"{capital}."


def whole(value: float) -> str:
    """A count, with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", " ")


def percent(share: float) -> str:
    """A share in percent: one decimal where it is small or nearly all."""
    digits = 1 if 0 < share < 0.1 or 0.99 < share < 1 else 0
    return f"{100 * share:.{digits}f} %"


def span(interval: Interval) -> str:
    """Both ends of an interval."""
    return f"{number(interval.low)} to {number(interval.high)}"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{1000 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def size(count: int) -> str:
    """Bytes as a person says them, in units of 1024 as in a workflow's file and its gates."""
    for unit, step in (("B", 1), ("KB", 2**10), ("MB", 2**20), ("GB", 2**30)):
        if count < 1024 * step or unit == "GB":
            return f"{count / step:.0f} {unit}" if unit == "B" else f"{count / step:.1f} {unit}"
    raise AssertionError(count)


def performance(found: Performance) -> list[tuple[str, str]]:
    """How large, heavy and fast a bundle is, as name and value."""
    peak = f", and {size(found.predict_bytes)} more while predicting" if found.predict_bytes else ""
    return [
        ("size of the bundle", size(found.size_bytes)),
        ("memory", f"{size(found.load_bytes)} once loaded{peak}"),
        ("one row", f"{duration(found.row_ms / 1000)}, 95 % within {duration(found.row_p95_ms / 1000)}"),
        ("in a batch", f"{whole(found.rows_per_s)} rows a second ({plural(found.batch_rows, 'row')} at once)"),
    ]


def parameters(params: dict[str, Any]) -> str:
    """Parameters of an estimator on one line."""
    return ", ".join(f"{name} = {_value(told(name, value))}" for name, value in params.items()) or "defaults"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{whole(count)} {noun}" if count == 1 else f"{whole(count)} {noun}s"

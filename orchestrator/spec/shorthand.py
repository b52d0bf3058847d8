"""Short forms that people write, and the one form that the models keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from orchestrator.spec.presets import PRESETS
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.quantities import listed, share_of

_COMPARISONS = ("beats", "not_worse_than")
# Keys that say what a gate is; without one it bounds a metric.
GATES = (*_COMPARISONS, "fairness", "size", "speed", "memory", "checks", "drift", "call")


def cast_form(value: Any) -> Any:
    """`float` stands for `{to: float}`."""
    return {"to": value} if isinstance(value, str) else value


def column_form(value: Any) -> Any:
    """`categorical` stands for `{type: categorical}`."""
    return {"type": value} if isinstance(value, str) else value


def deduplicate_form(value: Any) -> Any:
    """`true` stands for all columns, `COLUMN` or a list for `{by: …}`, `false` for leaving it out."""
    if isinstance(value, bool):
        return {} if value else None
    if isinstance(value, str | list | tuple):
        return {"by": listed(value)}
    return value


def source_form(value: Any) -> Any:
    """`FILE` stands for `{file: FILE}`."""
    return {"file": value} if isinstance(value, str) else value


def per_form(value: Any) -> Any:
    """`COLUMN` stands for `{column: COLUMN}`."""
    return {"column": value} if isinstance(value, str) else value


def approve_form(value: Any) -> Any:
    """`true` stands for `{}`, `false` for leaving it out."""
    if isinstance(value, bool):
        return {} if value else None
    return value


def candidate_form(value: Any) -> Any:
    """`NAME` and `{NAME: {…}}` stand for `{name: NAME, …}`."""
    return _named(value, "a candidate is a name, or one name with its parameters: {ridge: {grid: {alpha: [1, 10]}}}")


def candidates_form(value: Any) -> Any:
    """A preset's word stands for its list, which `defaults` put in its place where the task is known."""
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        raise ValueError(f"candidates are a list or a preset, and {value!r} is none{did_you_mean(value, PRESETS)}")
    return ()


def part_form(value: Any) -> Any:
    """The same for an estimator inside another, which has its parameters `fixed`."""
    found = _named(
        value, "an estimator inside another is a name, or one name with its parameters: {svc: {fixed: {C: 1}}}"
    )
    for key in ("grid", "range", "requires"):
        if isinstance(found, dict) and key in found:
            remedy = "" if key == "requires" else f" (write `{key}: {{{found.get('name')}__PARAMETER: …}}` beside `of`)"
            raise ValueError(f"an estimator inside another takes `fixed` only, no `{key}`{remedy}")
    return found


def grid_form(value: Any) -> Any:
    """A list stands for `{choices: …}`."""
    if isinstance(value, list | tuple):
        return {"choices": tuple(value)}
    if isinstance(value, dict):
        return value
    raise ValueError("a grid lists the values of a parameter: [0.1, 1], or {choices: [0.1, 1], when: {OTHER: VALUE}}")


def parts_form(value: Any) -> Any:
    """One estimator stands for a list of one."""
    return value if isinstance(value, list | tuple) else (value,)


def _named(value: Any, form: str) -> Any:
    if isinstance(value, str):
        return {"name": _short_name(value), "estimator": value}
    if not isinstance(value, dict) or "name" in value:
        return value
    if len(value) != 1:
        raise ValueError(form)
    ((name, body),) = value.items()
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise ValueError(f"{name} takes a mapping with any of: estimator, fixed, grid, range, of, final, requires")
    return {"name": _short_name(name), "estimator": name, **body}


def _short_name(estimator: str) -> str:
    """What people see of `sklearn.svm.SVC` or `my_code.models:Ours`: the class."""
    return re.split(r"[.:]", estimator)[-1]


def threshold_form(value: Any) -> Any:
    """`0.3` stands for `{value: 0.3}`, `f1` for `{metric: f1}`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"value": value}
    return {"metric": value} if isinstance(value, str) else value


def slice_form(value: Any) -> Any:
    """`COLUMN` stands for its values; `COLUMN: [0, 30, 60]` for bins between numbers, `COLUMN: [a, b]` for values."""
    if isinstance(value, str):
        return {"column": value}
    if not isinstance(value, dict) or "column" in value or len(value) != 1:
        return value
    ((column, chosen),) = value.items()
    if not isinstance(chosen, list | tuple) or not chosen:
        raise ValueError(f"slices of {column} are a list: of the edges of bins, or of values")
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in chosen)
    return {"column": column, "bins" if numbers else "values": tuple(chosen)}


def top_form(value: Any) -> Any:
    """`100` stands for so many rows, `10%` or `0.1` for a share of them."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    if isinstance(value, int):
        return {"rows": value}
    share = share_of(value)
    if not isinstance(share, float):
        raise ValueError(f"a top is a number of rows or a share of them, 100 or 10%, not {value!r}")
    return {"share": share}


def gate_form(value: Any) -> Any:
    """`METRIC >= NUMBER` and `beats: NAME by MARGIN` as text stand for the long forms, which get their `text`."""
    if isinstance(value, str):
        return _gate_of(value)
    if not isinstance(value, dict) or "text" in value:
        return value
    word = next((word for word in _COMPARISONS if word in value), None)
    if word is not None:
        return _comparison(word, value)
    if "fairness" in value:
        known = [str(value.get(key, "?")) for key in ("fairness", "at_least", "groups")]
        return {"text": "fairness of {} >= {} between groups of {}".format(*known), **value}
    own = next((word for word in _OTHERS if word in value), None)
    return _OTHERS[own](value) if own is not None else _bound_of(value)


def _bound_of(value: dict[str, Any]) -> dict[str, Any]:
    """`{metric, at_least}`; a speed is written as a metric is."""
    if "latency" in value:
        raise ValueError("a gate says which latency: 'row_p95_ms <= 20', or row_ms (the median), row_p99_ms, …")
    if (speed := _speed(value.get("metric"))) is not None:
        return _fast({"speed": speed} | {key: one for key, one in value.items() if key != "metric"})
    bounds = [f"{sign} {value[key]}" for key, sign in (("at_least", ">="), ("at_most", "<=")) if key in value]
    return {"text": " ".join([str(value.get("metric", "")), " and ".join(bounds)]) + _where(value), **value}


def _gate_of(text: str) -> dict[str, Any]:
    if found := re.fullmatch(rf"\s*({'|'.join(_COMPARISONS)})\s*:?\s+(\S.*)", text):
        return _comparison(found[1], {"text": text, found[1]: found[2]})
    if found := re.fullmatch(r"\s*(size|memory)\s*<=\s*(\S.*?)\s*", text):
        return _OTHERS[found[1]]({"text": text, found[1]: found[2]})
    if found := re.fullmatch(r"\s*psi\s*<=\s*(\d*\.?\d+)(?:\s+against\s+(\S+))?\s*", text):
        return {"text": text, "drift": "psi", "at_most": float(found[1])} | ({"against": found[2]} if found[2] else {})
    found = re.fullmatch(r"\s*(\w+)\s*(>=|<=|>|<|==|=)\s*(-?[\d.]+(?:[eE][+-]?\d+)?)\s*(%?)\s*", text)
    if found is None:
        raise ValueError(f"{text!r} is not a gate (write 'roc_auc >= 0.8' or 'beats: dummy')")
    metric, sign, number, percent = found.groups()
    if sign not in {">=", "<="}:
        raise ValueError(f"a gate is '>=' or '<=', not {sign!r}: {text!r}")
    try:
        bound = float(number) / (100 if percent else 1)
    except ValueError:
        raise ValueError(f"{number!r} is not a number: {text!r}") from None
    judged = "at_least" if sign == ">=" else "at_most"
    if (speed := _speed(metric)) is not None:
        return {"text": text, "speed": speed, judged: bound}
    return {"text": text, "metric": metric, judged: bound}


def _size(value: dict[str, Any]) -> dict[str, Any]:
    return _in_bytes("size", value)


def _memory_of(value: dict[str, Any]) -> dict[str, Any]:
    return _in_bytes("memory", value)


def _in_bytes(word: str, value: dict[str, Any]) -> dict[str, Any]:
    """`50MB` as bytes."""
    found = re.fullmatch(r"(\d+) ?(KB|MB|GB)", str(value[word]).strip())
    if found is None:
        known = "a size" if word == "size" else "an amount of memory"
        raise ValueError(f"{value[word]!r} is not {known} (write 500KB, 50MB or 1GB)")
    return {"text": f"{word} <= {value[word]}", **value, word: int(found[1]) * _BYTES[found[2]]}


def _speed(word: Any) -> str | None:
    """What `row_p95_ms`, `row_ms` (the median), `predict_p99_ms` and `rows_per_s` measure; None: no speed."""
    found = re.fullmatch(r"row_ms|rows_per_s|(?:row|predict)_p([1-9]\d?)_ms", str(word))
    if found is None or word == "rows_per_s":
        return found and found[0]
    return f"row_p{found[1] or 50}_ms"


def _fast(value: dict[str, Any]) -> dict[str, Any]:
    bounds = [f"{sign} {value[key]}" for key, sign in (("at_least", ">="), ("at_most", "<=")) if key in value]
    known = _speed(value["speed"])
    if known is None:
        raise ValueError(
            f"{value['speed']!r} is no speed (write row_ms, row_p95_ms with any of p1 to p99, or rows_per_s)"
        )
    return {"text": " ".join([str(value["speed"]), *bounds]), **value, "speed": known}


def _checks(value: dict[str, Any]) -> dict[str, Any]:
    """`all`, a column, or a list of columns."""
    chosen = value["checks"]
    named = [chosen] if isinstance(chosen, str) else chosen
    if not isinstance(named, list | tuple) or not named or not all(isinstance(one, str) for one in named):
        raise ValueError(f"{chosen!r} says no checks (write 'checks: all', or a column, or a list of columns)")
    columns = () if list(named) == ["all"] else tuple(named)
    return {"text": f"checks: {', '.join(named)}", **value, "checks": columns}


def _drift(value: dict[str, Any]) -> dict[str, Any]:
    bound = f" <= {value['at_most']}" if "at_most" in value else ""
    named = value.get("columns")
    columns = [named] if isinstance(named, str) else named
    among = f" of {', '.join(map(str, columns))}" if isinstance(columns, list | tuple) else ""
    among += f" against {value['against']}" if "against" in value else ""
    given = {} if columns is None else {"columns": columns}
    return {"text": f"drift: {value['drift']}{bound}{among}", **value, **given}


def _own(value: dict[str, Any]) -> dict[str, Any]:
    return {"text": str(value["call"]), **value}


_BYTES = {"KB": 2**10, "MB": 2**20, "GB": 2**30}
_OTHERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "size": _size,
    "speed": _fast,
    "memory": _memory_of,
    "checks": _checks,
    "drift": _drift,
    "call": _own,
}


def _where(value: dict[str, Any]) -> str:
    """Which rows a gate is judged on, where it is not all of them."""
    if "slices" in value:
        return f" on each {value['slices']}"
    return f" on {value['slice']}" if "slice" in value else ""


def _comparison(word: str, value: dict[str, Any]) -> dict[str, Any]:
    """`NAME@VERSION by MARGIN` as rival and margin; other values are left for the models to refuse."""
    rival = value[word]
    found = re.fullmatch(r"\s*(\S+)(?:\s+by\s+(\d*\.?\d+(?:[eE][+-]?\d+)?)\s*(%?))?\s*", str(rival))
    if found is None:
        raise ValueError(f"{rival!r} is no rival (write '{word}: churn@3' or '{word}: churn@3 by 0.01')")
    if found[2] and "margin" in value:
        raise ValueError(f"the margin is given twice: in '{rival}' and as `margin`")
    margin = {"margin": float(found[2]) / (100 if found[3] else 1)} if found[2] else {}
    by = f" by {value['margin']}" if "margin" in value else ""
    text = f"{word}: {rival}{by}{_where(value)}"
    return {"text": text, **value, word: found[1] if isinstance(rival, str) else rival, **margin}


_METRICS = {"regression": "rmse", "multilabel": "f1_micro"}


def default_metric(task: Any, positive: Any, quantile: Any = None) -> str:
    """The metric that candidates are ranked by where the objective names none."""
    if task == "regression" and quantile is not None:
        return "pinball"
    if task in _METRICS:
        return _METRICS[task]
    return "roc_auc" if positive is not None else "balanced_accuracy"

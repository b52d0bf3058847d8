"""Short forms that people write, and the one form that the models keep."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_MEGABYTES = {"MB": 1, "GB": 1024}


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(ms|s|m|h|d|w)", value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a length of time (write 90s, 10m, 2h or 7d)")
    return float(found[1]) * _SECONDS[found[2]]


def _memory(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+) ?(MB|GB)", value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not an amount of memory (write 500MB or 2GB)")
    return int(found[1]) * _MEGABYTES[found[2]]


def _share(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(?:<= ?)?(\d+(?:\.\d+)?) ?(%?)", value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a share (write 0.01, 1% or '<= 1%')")
    return float(found[1]) / (100 if found[2] else 1)


def _bound(value: Any) -> Any:
    if isinstance(value, str) and not re.match(r"\d{4}-\d{2}-\d{2}(?!\d)", value):
        raise ValueError(f"{value!r} is neither a number nor a date (write dates as '2024-12-31')")
    return value


def _several(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


def _any_of(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Duration = Annotated[float, BeforeValidator(_duration, json_schema_input_type=float | str)]
Memory = Annotated[int, BeforeValidator(_memory, json_schema_input_type=int | str)]
Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=float | str)]
Bound = Annotated[float | str, BeforeValidator(_bound, json_schema_input_type=float | str)]
Several = Annotated[tuple[Any, ...], BeforeValidator(_any_of, json_schema_input_type=Any)]
OneOrMany = Annotated[tuple[str, ...], BeforeValidator(_several, json_schema_input_type=str | tuple[str, ...])]


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
        return {"by": _several(value)}
    return value


def source_form(value: Any) -> Any:
    """`FILE` stands for `{file: FILE}`."""
    return {"file": value} if isinstance(value, str) else value


def approve_form(value: Any) -> Any:
    """`true` stands for `{}`, `false` for leaving it out."""
    if isinstance(value, bool):
        return {} if value else None
    return value


def candidate_form(value: Any) -> Any:
    """`NAME` and `{NAME: {…}}` stand for `{name: NAME, …}`."""
    if isinstance(value, str):
        return {"name": _short_name(value), "estimator": value}
    if not isinstance(value, dict) or "name" in value:
        return value
    if len(value) != 1:
        raise ValueError("a candidate is a name, or one name with its parameters: {ridge: {grid: {alpha: [1, 10]}}}")
    ((name, body),) = value.items()
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise ValueError(f"{name} takes a mapping with any of: estimator, fixed, grid, range, requires")
    return {"name": _short_name(name), "estimator": name, **body}


def _short_name(estimator: str) -> str:
    """What people see of `sklearn.svm.SVC` or `my_code.models:Ours`: the class."""
    return re.split(r"[.:]", estimator)[-1]


def gate_form(value: Any) -> Any:
    """`METRIC >= NUMBER` and `beats: NAME` as text stand for the long forms, which get their `text`."""
    if isinstance(value, str):
        return _gate_of(value)
    if not isinstance(value, dict) or "text" in value:
        return value
    if "beats" in value:
        return {"text": f"beats: {value['beats']}", **value}
    bounds = [f"{sign} {value[key]}" for key, sign in (("at_least", ">="), ("at_most", "<=")) if key in value]
    return {"text": " ".join([str(value.get("metric", "")), " and ".join(bounds)]), **value}


def _gate_of(text: str) -> dict[str, Any]:
    if found := re.fullmatch(r"\s*beats\s*:?\s+(\S+)\s*", text):
        return {"text": text, "beats": found[1]}
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
    return {"text": text, "metric": metric, "at_least" if sign == ">=" else "at_most": bound}


def default_metric(task: Any, positive: Any) -> str:
    """Of a regression rmse; of a classification roc_auc with a positive class, else balanced_accuracy."""
    if task == "regression":
        return "rmse"
    return "roc_auc" if positive is not None else "balanced_accuracy"

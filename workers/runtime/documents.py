"""Documents ↔ canonical JSON: what a stage returns as dict, list, scalar or pydantic model."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.values import canonical


class Unstorable(DataError):
    """A value that no codec can keep."""


class WrongType(Unstorable):
    """A value whose type no codec knows."""


def write_document(value: Any) -> bytes:
    """The canonical JSON of a document; NaN and what JSON cannot hold are refused, naming the key."""
    try:
        return canonical(plain(value, ""))
    except UnicodeEncodeError as error:
        raise Unstorable(f"it holds the text {error.object[error.start :][:20]!a}, which is no Unicode") from None
    except RecursionError:
        raise Unstorable("it is nested too deeply, or holds itself") from None


def read_document(data: bytes, annotation: Any) -> Any:
    """A document as the annotated type. Raises DataError."""
    try:
        if annotation in (Any, dict, list, object):
            return json.loads(data)
        return _adapter(annotation).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise DataError(f"{where}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"the document is no JSON that can be read ({error})") from None


def validated(value: Any, annotation: Any) -> Any:
    """A JSON value as the annotated type: a `with:` value, a number that is written as an integer.

    Raises pydantic's ValidationError.
    """
    return value if annotation is Any else _adapter(annotation).validate_python(value)


def plain(value: Any, where: str) -> Any:
    """The value in JSON's own types; `where` is the path of keys to it."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return _number(value, where)
    if isinstance(value, BaseModel):
        value = {name: item for name, item in value if not _left_out(value, name, item)}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(key, where): plain(item, _below(where, key)) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [plain(item, _below(where, place)) for place, item in enumerate(value)]
    return _foreign(value, where)


def _left_out(model: BaseModel, name: str, item: Any) -> bool:
    """Whether the field says nothing, and its declaration leaves it out then."""
    field = type(model).model_fields.get(name)
    return field is not None and field.exclude_if is not None and field.exclude_if(item)


def _number(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise Unstorable(f"{where or 'the value'} is {value}, which JSON cannot hold: use None for what is undefined")
    return float(value)


def _foreign(value: Any, where: str) -> Any:
    """Values of other libraries that mean a JSON value."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):  # arrays and scalars
        return plain(value.tolist(), where)
    named = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise WrongType(f"{where or 'the value'} is of type {named}, which JSON cannot hold")


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key.value if isinstance(key, enum.Enum) else key
    if isinstance(key, bool) or not isinstance(key, int):
        named = type(key).__name__
        raise Unstorable(f"{where or 'the document'} has the key {key!r} of type {named}: keys are text")
    return str(key)


def _below(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)


@functools.lru_cache(maxsize=256)
def _cached_adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return _cached_adapter(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return TypeAdapter(annotation)

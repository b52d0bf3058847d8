"""JSON documents changed at one place: what a record looks like that another version, or nobody, wrote."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from typing import Any

from tests.fuzz.contract import Target, target

DOCUMENTS: dict[str, Callable[[], Any]] = {}  # target → the sound document that its input changes


def changing(sound: Callable[[], Any]) -> Callable[[Callable[[Any], None]], Target]:
    """Make a function of a JSON value a target: its input says how the sound value is changed."""

    def make(function: Callable[[Any], None]) -> Target:
        @functools.wraps(function)
        def of_bytes(data: bytes) -> None:
            function(changed(sound(), data))

        DOCUMENTS[function.__name__] = sound
        return target(of_bytes)

    return make


def changed(sound: Any, data: bytes) -> Any:
    """A sound JSON value with the changes that the input asks for.

    The input is JSON: a list of [path, value] puts the values there, [path] takes away what stands there. Any other
    JSON value stands for the whole; what is no JSON stands for itself, as text that no reader can decode.
    """
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "surrogateescape")
    if not isinstance(asked, list):
        return asked
    found = copy.deepcopy(sound)
    for change in asked:
        if isinstance(change, list) and change and isinstance(change[0], list):
            _apply(found, change[0], change[1:])
    return found


def text_of(value: Any) -> str:
    """How a record with this value stands in Redis; a text stands for itself."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode()  # what Redis's clients can write


def _apply(document: Any, path: list[Any], values: list[Any]) -> None:
    for step in path[:-1]:
        document = _below(document, step)
    last = path[-1] if path else None
    if isinstance(document, dict) and isinstance(last, str):
        document.pop(last, None)
        if values:
            document[last] = values[0]
    elif isinstance(document, list) and isinstance(last, int) and -len(document) <= last < len(document):
        document[last : last + 1 or None] = values[:1]


def _below(document: Any, step: Any) -> Any:
    if isinstance(document, dict) and isinstance(step, str):
        return document.get(step)
    if isinstance(document, list) and isinstance(step, int) and -len(document) <= step < len(document):
        return document[step]
    return None

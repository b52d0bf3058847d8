"""What may come in from the broker: doorbells, and questions of Flower's. All else is dropped before Celery sees it.

Celery trusts its broker: a message that is no message ends a worker, with the stages that its children run, and one
that names another serializer or a compression is handed to that first. So messages are held against what the ledger
writes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

LARGEST = 1 << 20  # bytes of a body: a doorbell names a few stages
LONGEST = 10_000  # characters of a name
MOST = 1_000  # stages of one doorbell
DEEPEST = 20  # lists and mappings in one another, before anything is parsed
QUESTIONS = frozenset(
    {"ping", "stats", "active", "active_queues", "registered", "scheduled", "reserved", "revoked", "conf", "report"}
    | {"enable_events", "heartbeat", "query_task", "memsample"}
)
_TIMES = ("eta", "expires")


class NoDoorbell(ValueError):
    """A message that the ledger did not write; the text says what is wrong with it."""


def check_doorbell(message: Any) -> None:
    """Raise NoDoorbell unless this is a message as the ledger rings it, whatever its stages are called."""
    headers = _headers(message)
    for name in ("task", "id"):
        if not isinstance(headers.get(name), str) or not 0 < len(headers[name]) <= LONGEST:
            raise NoDoorbell(f"its {name} is no name")
    if not isinstance(headers.get("shadow"), str | None):
        raise NoDoorbell("the name that it shows is none")
    for name in _TIMES:
        if headers.get(name) is not None:
            raise NoDoorbell(f"it has {name}")
    if not isinstance(headers.get("retries", 0), int) or headers.get("retries", 0):
        raise NoDoorbell("it is a retry")
    _check_limits(headers.get("timelimit"))
    if not isinstance(headers.get("stamp", ""), str) or not headers.get("stamp", "0").isdecimal():
        raise NoDoorbell("its stamp is no number")
    body = _body(message)
    if not (isinstance(body, list) and len(body) == 3 and body[0] == [] and isinstance(body[1], dict)):
        raise NoDoorbell("its body is none of a task with named arguments")
    if not isinstance(body[2], dict) or any(body[2].values()):
        raise NoDoorbell("it brings other tasks along")
    _check_words(body[1])


def check_question(message: Any) -> None:
    """Raise NoDoorbell unless this asks a worker something; to tell it something is nobody's business."""
    _headers(message)
    body = _body(message)
    if not isinstance(body, dict) or not isinstance(body.get("arguments") or {}, dict):
        raise NoDoorbell("it is no question")
    if not isinstance(body.get("method"), str) or body["method"] not in QUESTIONS:
        raise NoDoorbell("workers answer questions only")
    for name, kind in (("destination", list), ("pattern", str), ("matcher", str), ("reply_to", dict)):
        if not isinstance(body.get(name), kind | None):
            raise NoDoorbell(f"its {name} is of another kind")


def _headers(message: Any) -> Mapping[str, Any]:
    """The headers of a message that says that it is plain JSON."""
    if not isinstance(message, dict):
        raise NoDoorbell("it is no message")
    properties, headers = message.get("properties"), message.get("headers")
    if not isinstance(properties, dict) or not isinstance(headers, dict):
        raise NoDoorbell("it has no properties or headers")
    if not isinstance(properties.get("delivery_tag"), str) or not isinstance(properties.get("delivery_info"), dict):
        raise NoDoorbell("it says not how it was delivered")
    if message.get("content-type") != "application/json" or message.get("content-encoding") != "utf-8":
        raise NoDoorbell("its content says that it is no JSON")
    if headers.get("compression"):
        raise NoDoorbell("it is compressed")
    if headers.get("stamped_headers") or headers.get("stamps"):
        raise NoDoorbell("it has stamps")
    return headers


def _body(message: Mapping[str, Any]) -> Any:
    coding, text = message["properties"].get("body_encoding"), message.get("body")
    if not isinstance(text, str) or len(text) > LARGEST or coding not in (None, "base64"):
        raise NoDoorbell("it has no body of a doorbell's size")
    try:
        return _parse(base64.b64decode(text, validate=True).decode() if coding else text)
    except (ValueError, binascii.Error) as error:
        raise NoDoorbell("its body is no JSON") from error


def _parse(text: str) -> Any:
    """JSON that is nested no deeper than any message of ours. Raises ValueError."""
    depth = 0
    for mark in text:
        depth += (mark in "[{") - (mark in "]}")
        if depth > DEEPEST:
            raise NoDoorbell("it is nested too deep")
    return json.loads(text)


def _check_limits(limits: Any) -> None:
    known = isinstance(limits, list) and len(limits) == 2 and all(_is_limit(limit) for limit in limits)
    if limits is not None and not known:
        raise NoDoorbell("its time limits are none")


def _is_limit(limit: Any) -> bool:
    return limit is None or (isinstance(limit, int | float) and not isinstance(limit, bool) and limit >= 1)


def _check_words(words: Mapping[str, Any]) -> None:
    stages = words.get("stages")
    if set(words) != {"run", "stages"} or not isinstance(words["run"], str) or not isinstance(stages, list):
        raise NoDoorbell("its arguments are not a run and stages")
    if len(stages) > MOST:
        raise NoDoorbell("it names more stages than any doorbell")
    if not all(isinstance(name, str) and len(name) <= LONGEST for name in (words["run"], *stages)):
        raise NoDoorbell("its run or stages are no names")

"""A Celery message as the doorbell that it should be: whatever else stands in a queue is dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_RUN = re.compile(r"[A-Za-z0-9][\w.-]{0,199}", re.ASCII)
_STAMP = re.compile(r"[0-9]{1,18}")  # microseconds
_LONGEST = 500  # characters of a stage's id


class Doorbell(NamedTuple):
    """The run and the stages that are ready, as far as the message is right; the ledger knows the truth."""

    run: str
    stages: tuple[str, ...]
    stamp: str  # "0" where the message tells none


def heard(arguments: Mapping[str, object], stamp: object) -> Doorbell | None:
    """The doorbell of a message's arguments and header; None for what is none. More arguments count for nothing."""
    run, stages = arguments.get("run"), arguments.get("stages")
    if not isinstance(run, str) or not _RUN.fullmatch(run) or not isinstance(stages, list | tuple):
        return None
    named = tuple(stage for stage in stages if isinstance(stage, str))
    if len(named) < len(stages) or not all(stage.isprintable() and 0 < len(stage) <= _LONGEST for stage in named):
        return None
    return Doorbell(run, named, stamp if isinstance(stamp, str) and _STAMP.fullmatch(stamp) else "0")

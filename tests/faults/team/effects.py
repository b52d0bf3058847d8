"""Stages that note what they did, so that executions can be counted against what the ledger recorded."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pandas as pd

from workers.runtime.context import StageContext

PAUSE_S = 0.02


def note(context: StageContext, **facts: Any) -> None:
    """One line in the effects' log: a single write to a file opened for appending, which never mixes with another."""
    line = {"run": context.run, "stage": context.stage, "attempt": context.attempt, "key": context.key, **facts}
    log = os.open(os.environ["CYFAULTS_EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(log, json.dumps(line).encode() + b"\n")
    finally:
        os.close(log)


def first(*, case: str, place: str, context: StageContext, seconds: float = 0.0) -> dict[str, Any]:
    """A stage that needs nothing."""
    return _done([], case, place, seconds, context)


def then(
    before: dict[str, Any], *, case: str, place: str, context: StageContext, seconds: float = 0.0
) -> dict[str, Any]:
    """A stage after another."""
    return _done([before], case, place, seconds, context)


def join(
    before: list[dict[str, Any]], *, case: str, place: str, context: StageContext, seconds: float = 0.0
) -> dict[str, Any]:
    """A stage after many."""
    return _done(before, case, place, seconds, context)


def mended(*, case: str, place: str, context: StageContext) -> dict[str, Any]:
    """A stage that fails until somebody has mended the world."""
    if not Path(os.environ["CYFAULTS_MENDED"], case).exists():
        raise ValueError(f"{case} is not mended yet")
    return _done([], case, place, 0.0, context)


def broken(*, case: str, place: str, context: StageContext) -> dict[str, Any]:
    """A stage that always fails."""
    raise ValueError(f"{case} is broken in {place}")


def counted(table: pd.DataFrame, *, case: str, context: StageContext) -> dict[str, Any]:
    """A stage beside the stream of the table."""
    rows = len(table)
    note(context, case=case, rows=rows)
    return {"case": case, "rows": rows}


def _done(before: list[dict[str, Any]], case: str, place: str, seconds: float, context: StageContext) -> dict[str, Any]:
    """The same for the same inputs, however often and wherever it is executed; long ones listen to a cancel."""
    seconds = max(seconds, float(os.environ.get("CYFAULTS_PACE_S", "0")))
    end = time.monotonic() + seconds
    while time.monotonic() < end and not context.cancelled:
        time.sleep(PAUSE_S)
        context.progress(min(1.0, 1 - (end - time.monotonic()) / max(seconds, PAUSE_S)))
    text = json.dumps([case, place, before], sort_keys=True)
    result = {"case": case, "place": place, "sum": hashlib.sha256(text.encode()).hexdigest()}
    note(context, case=case, sum=result["sum"])
    return result

"""The data of a spec: one file that is there, and checks that can be judged."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.contracts.data import RowsCheck
from orchestrator.contracts.errors import DataError
from orchestrator.spec.headers import columns_of, format_of
from orchestrator.spec.models import Check
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.review import Review
from orchestrator.spec.written import Step

Columns = tuple[str, ...] | None


def check_data(review: Review) -> Columns:
    """Note problems of source and checks; the source's columns, where they can be known."""
    columns = _check_source(review)
    for name, asked in review.spec.data.checks.items():
        at = ("data", "checks", name)
        if columns is not None and name not in columns:
            review.note(at, f"the data has no column {name!r}{did_you_mean(name, columns)}", key=True)
        _check_column(review, asked, at)
    rows = review.spec.data.rows
    if rows is not None:
        _check_bounds(review, rows, ("data", "rows"))
    return columns


def _check_source(review: Review) -> Columns:
    sources = review.spec.data.sources
    if len(sources) != 1:
        if sources or not review.document.damaged(("data", "sources")):
            review.note(
                ("data", "sources"), f"exactly one source is needed in this version, not {len(sources)}", key=True
            )
        return None
    name, source = review.spec.data.source
    at = ("data", "sources", name)
    file = review.spec.directory / source.file
    if not file.is_file():
        what = "a folder, not a file" if file.is_dir() else "no such file"
        review.note((*at, "file"), f"{source.file}: {what} (looked in {review.spec.directory.absolute()})")
        return None
    if format_of(source) is None:
        ending = file.suffix or file.name
        review.note(
            (*at, "file"), f"{ending!r} does not tell the format: set `format` to csv, tsv, json, jsonl or parquet"
        )
        return None
    try:
        return columns_of(source, file)
    except DataError as error:
        review.note((*at, "file"), f"{source.file}: {error}")
        return None


def _check_column(review: Review, asked: Check, at: tuple[Step, ...]) -> None:
    _check_bounds(review, asked, at)
    if asked.pattern is not None:
        try:
            re.compile(asked.pattern)
        except re.error as error:
            review.note((*at, "pattern"), f"the pattern is not a regular expression: {error}")
    if asked.allowed is not None and not asked.allowed:
        review.note((*at, "allowed"), "`allowed` lists no value, so that every row would fail")


def _check_bounds(review: Review, asked: Check | RowsCheck, at: tuple[Step, ...]) -> None:
    low: Any = asked.min
    high: Any = asked.max
    if low is None or high is None:
        return
    if isinstance(low, str) != isinstance(high, str):
        review.note((*at, "max"), "`min` and `max` are both numbers or both dates")
    elif low > high:
        review.note((*at, "max"), f"`max` {_shown(high)} is below `min` {_shown(low)}")


def _shown(bound: float | str) -> str:
    return bound if isinstance(bound, str) else f"{bound:g}"

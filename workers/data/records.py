"""JSON and JSON-lines files: lists of records, whose keys may differ from record to record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from orchestrator.contracts.data import IngestParams
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.text import is_unicode
from workers.data import cells
from workers.data.inference import infer
from workers.data.source_text import text_of

_INT64 = range(-(2**63), 2**63)


def read_records(file: Path, params: IngestParams) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table of a JSON or JSON-lines file, columns in order of appearance, and notes on how it was understood."""
    records = list(_lines(file, params) if params.format == "jsonl" else _document(file, params))
    names = list(dict.fromkeys(name for record in records for name in record))
    absent = set(params.missing)
    columns: dict[str, pd.Series[Any]] = {}
    nested: list[str] = []
    for name in names:
        values = [None if _gap(value := record.get(name), absent) else value for record in records]
        if any(isinstance(value, dict | list) for value in values):
            nested.append(name)
        columns[name] = _column(name, values, params)
    notes = (f"{params.filename}: nested values are kept as JSON text: {', '.join(nested)}",) if nested else ()
    return pd.DataFrame(columns, index=range(len(records))), notes


def _column(name: str, values: Sequence[Any], params: IngestParams) -> pd.Series[Any]:
    try:
        name.encode()
        return column_of(values)
    except UnicodeEncodeError:
        # JSON's escapes can spell halves of characters, which no text holds.
        row = next((row for row, value in enumerate(values, 1) if not is_unicode(cells.cell_text(value))), 1)
        raise DataError(
            f"{params.filename} row {row}: column {name!a} holds text that is no Unicode (mend the escapes \\ud800 …)"
        ) from None


def column_of(values: Sequence[Any]) -> pd.Series[Any]:
    """JSON values of one column, None where there is none; mixed and nested ones become text."""
    present = [value for value in values if value is not None]
    gaps = len(present) < len(values)
    kinds = {type(value) for value in present}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean" if gaps else "bool")
    if kinds == {int} and _whole(present, gaps=gaps):
        return pd.Series(values, dtype="float64" if gaps else "int64")
    exact = all(abs(value) < cells.EXACT for value in present if isinstance(value, int))
    if not kinds or (kinds <= {int, float} and float in kinds and exact):
        return pd.Series([np.nan if value is None else value for value in values], dtype="float64")
    texts = [None if value is None else cells.cell_text(value) for value in values]
    if kinds == {str} and all(cells.ISO_DATE.fullmatch(value) for value in present):
        return infer(pa.array(texts, pa.string()))
    return pd.Series(texts, dtype="str")


def _whole(values: list[int], *, gaps: bool) -> bool:
    return all(abs(value) < cells.EXACT for value in values) if gaps else all(value in _INT64 for value in values)


def _gap(value: Any, absent: set[str]) -> bool:
    if isinstance(value, float):
        return value != value  # noqa: PLR0124  (NaN)
    return value is None or (isinstance(value, str) and value in absent)


def _text(file: Path, params: IngestParams) -> str:
    text = text_of(file.read_bytes(), params).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise DataError(f"{params.filename}: the file is empty")
    return text


def _lines(file: Path, params: IngestParams) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_text(file, params).split("\n"), 1):
        if line.strip():
            where = f"{params.filename} line {number}"
            yield _record(_loaded(line, where), where, "format: json is for a whole document")


def _document(file: Path, params: IngestParams) -> Iterator[dict[str, Any]]:
    value = _loaded(_text(file, params), params.filename)
    path = params.records.split(".") if params.records else []
    for depth, key in enumerate(path):
        if not isinstance(value, dict) or key not in value:
            there = f"there are: {', '.join(list(value)[:12])}" if isinstance(value, dict) else "there are no keys"
            raise DataError(f"{params.filename}: records: no {'.'.join(path[: depth + 1])!r} in the document ({there})")
        value = value[key]
    if not isinstance(value, list):
        lists = [key for key, each in value.items() if isinstance(each, list)] if isinstance(value, dict) else []
        hint = f"set records: {lists[0]}" if lists and not path else "set records: to the path of a list"
        raise DataError(f"{params.filename}: no list of records is there, but {_named(value)} ({hint})")
    for number, record in enumerate(value, 1):
        yield _record(record, f"{params.filename} row {number}", "records: says where the list of objects is")


def _loaded(text: str, where: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{where}: the key {twice!r} is there twice in one object (rename one)")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        extra = "; one record on each line is format: jsonl" if error.msg == "Extra data" else ""
        at = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{where}: no valid JSON at {at}: {error.msg}{extra}") from None
    except RecursionError:
        raise DataError(f"{where}: the document is nested too deeply") from None


def _record(value: Any, where: str, hint: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: an object is needed, not {_named(value)} ({hint})")
    return value


def _named(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth", type(None): "null"}
    return names.get(type(value), "a number")

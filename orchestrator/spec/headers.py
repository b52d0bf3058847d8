"""The column names of a source, read from the head of its file without pandas."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO

from orchestrator.contracts.data import Format
from orchestrator.contracts.encodings import decode, is_utf8, refuse_other_kinds
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.text import is_unicode
from orchestrator.spec.models import Source
from orchestrator.spec.parquet import parquet_columns

_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_LONGEST_LINE = 1_000_000  # characters of a header
_WHOLE = 20_000_000  # bytes of JSON that are read to know all columns; beyond them the worker says


def format_of(source: Source) -> Format | None:
    """The source's format, from its name where it is not said; None where neither tells."""
    return source.format or _ENDINGS.get(Path(source.file).suffix.lower())


def columns_of(source: Source, file: Path) -> tuple[str, ...] | None:
    """The names of a source's columns; None where only reading all of it would tell. Raises DataError."""
    if source.names is not None:
        return source.names
    try:
        if format_of(source) != "parquet":
            _refuse_other_kinds(source, file)
        match format_of(source):
            case "csv" | "tsv":
                return _delimited(source, file)
            case "jsonl":
                return _json_lines(source, file)
            case "json":
                return _json(source, file)
            case "parquet":
                return parquet_columns(file)
    except (UnicodeError, LookupError):  # of a file that is not read whole
        with file.open("rb") as head:
            decode(head.read(_WHOLE), source.encoding)  # says where
        raise DataError(f"the file is not {source.encoding} (set encoding:)") from None
    except OSError as error:
        raise DataError(f"{file.name} cannot be read: {error.strerror}") from None
    return None


def _refuse_other_kinds(source: Source, file: Path) -> None:
    with file.open("rb") as head:
        refuse_other_kinds(head.read(16), source.encoding)


def _text(source: Source, file: Path, newline: str | None = None) -> TextIO:
    """The file's text, decoded as ingestion does where that is soon done: then a wrong byte anywhere is told."""
    if file.stat().st_size > _WHOLE:
        return file.open(encoding="utf-8-sig" if is_utf8(source.encoding) else source.encoding, newline=newline)
    text = decode(file.read_bytes(), source.encoding).removeprefix("\ufeff")
    if not is_unicode(text):
        raise DataError(f"read as {source.encoding} the file is no text: correct encoding:")
    return io.StringIO(text, newline=newline)


def _delimited(source: Source, file: Path) -> tuple[str, ...]:
    delimiter = source.delimiter or ("\t" if format_of(source) == "tsv" else ",")
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if source.quote else csv.QUOTE_NONE
    with _text(source, file, newline="") as lines:
        reader = csv.reader(_bounded(lines), delimiter=delimiter, quotechar=source.quote or '"', quoting=quoting)
        try:
            first, second = ([*islice(filter(None, reader), 2), [], []])[:2]
        except csv.Error as error:
            raise DataError(f"the header cannot be read: {error}") from None
    if not first:
        raise DataError("the file is empty")
    if len(first) == 1 and source.delimiter is None:
        other = next((sign for sign in (";", "\t", "|", ",") if sign != delimiter and sign in first[0]), None)
        if other:
            raise DataError(f"the header is one column, {first[0][:40]!r}: set `delimiter: {json.dumps(other)}`")
    if not source.header:
        return tuple(f"column_{position}" for position in range(1, len(first) + 1))
    return _header([name.strip() for name in first], second)


def _header(names: list[str], row: list[str]) -> tuple[str, ...]:
    """The header's names as ingestion reads them: a first column that it does not name is called `index`."""
    unnamed = len(names) == len(row) and len(names) > 1 and names[0] == ""
    names = names[1:] if unnamed else names
    return ("index", *names) if len(names) == len(row) - 1 and "index" not in names else tuple(names)


def _bounded(lines: Any) -> Iterator[str]:
    while line := lines.readline(_LONGEST_LINE):
        if len(line) >= _LONGEST_LINE:
            raise DataError(f"the first line is longer than {_LONGEST_LINE} characters: this is no table")
        yield line


def _json_lines(source: Source, file: Path) -> tuple[str, ...] | None:
    if file.stat().st_size > _WHOLE:
        return None
    records = []
    with _text(source, file) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                records.append(_parse(line, f"line {number}"))
    return _keys(records)


def _json(source: Source, file: Path) -> tuple[str, ...] | None:
    if file.stat().st_size > _WHOLE:
        return None
    with _text(source, file) as text:
        value = _parse(text.read(), "the file")
    for step in source.records.split(".") if source.records else ():
        if not isinstance(value, dict) or step not in value:
            raise DataError(f"`records: {source.records}`: there is no {step!r} in the document")
        value = value[step]
    if not isinstance(value, list):
        lists = [key for key, inner in value.items() if isinstance(inner, list)] if isinstance(value, dict) else []
        hint = f" (set `records: {lists[0]}`)" if lists else ""
        raise DataError(f"the document is not a list of records{hint}")
    return _keys(value)


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}") from None


def _keys(records: Sequence[Any]) -> tuple[str, ...]:
    """All keys in order of appearance."""
    if not records:
        raise DataError("there are no records")
    if not all(isinstance(record, dict) for record in records):
        raise DataError("each record must be an object: {column: value, …}")
    return tuple(dict.fromkeys(key for record in records for key in record))

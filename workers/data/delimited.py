"""CSV and TSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from orchestrator.contracts.data import IngestParams
from orchestrator.contracts.errors import DataError
from workers.data import cells
from workers.data.inference import infer
from workers.data.source_text import text_of

INDEX = "index"  # of a first column that the header does not name, as pandas and R write row names
_BLOCK = 64 << 20  # bytes; no row may be longer


def read_delimited(file: Path, params: IngestParams) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table of a CSV or TSV file, and notes on how it was understood."""
    data = _decoded(file, params)
    delimiter = params.delimiter or ("\t" if params.format == "tsv" else ",")
    names, notes = _names(data, delimiter, params)
    table = _parsed(data, delimiter, len(names), params)
    _check_quotes(data, table, delimiter, params)
    columns = {key: infer(column.combine_chunks(), params.decimal) for key, column in enumerate(table.columns)}
    return pd.DataFrame(columns).set_axis(names, axis="columns"), notes


def _decoded(file: Path, params: IngestParams) -> bytes:
    """The file as UTF-8 without a byte-order mark."""
    data = file.read_bytes()
    if not data.strip():
        raise DataError(f"{params.filename}: the file is empty")
    return text_of(data, params).encode().lstrip(b"\r\n")  # blank lines before the header count for nothing


def _records(data: bytes, delimiter: str, params: IngestParams) -> Iterator[list[str]]:
    """Rows as lists of fields, blank lines left out."""
    quotes: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if params.quote is None else {"quotechar": params.quote}
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    try:
        yield from filter(None, csv.reader(lines, delimiter=delimiter, **quotes))
    except csv.Error as error:
        raise DataError(
            f"{params.filename}: the file cannot be read ({error}); look at delimiter: and quote:"
        ) from None


def _names(data: bytes, delimiter: str, params: IngestParams) -> tuple[list[str], tuple[str, ...]]:
    """The columns' names: given, or of the header, or counted."""
    first, second = ([*islice(_records(data, delimiter, params), 2), [], []])[:2]
    if params.header and not second:
        raise DataError(f"{params.filename}: there are no rows below the header (set header: false if it has none)")
    width = len(second if params.header else first)
    _check_delimiter(first, width, delimiter, params)
    if params.names is not None:
        if len(params.names) != width:
            raise DataError(f"{params.filename}: {len(params.names)} names are given, but row 1 has {width} fields")
        return list(params.names), ()
    if not params.header:
        return [f"column_{position}" for position in range(1, width + 1)], ()
    return _header([name.strip() for name in first], second, params)


def _header(head: list[str], row: list[str], params: IngestParams) -> tuple[list[str], tuple[str, ...]]:
    """The header's names; a first column without one is the row names that pandas or R wrote."""
    unnamed = len(head) == len(row) and head[0] == "" and len(head) > 1
    if unnamed:
        head = head[1:]
    if len(head) == len(row) - 1 and (unnamed or (len(head) > 1 and row[-1].strip())) and INDEX not in head:
        head = [INDEX, *head]
        note = f"{params.filename}: the header does not name the first column; it is called {INDEX!r} (set names:)"
        return head, (note,)
    if len(head) != len(row):
        raise DataError(
            f"{params.filename} row 1: {len(row)} fields where the header has {len(head)} (give all names with names:)"
        )
    if "" in head:
        raise DataError(
            f"{params.filename}: field {head.index('') + 1} of the header is empty (give all names with names:)"
        )
    if all(cells.NUMBER.fullmatch(name) for name in head):
        note = f"{params.filename}: all names in the header are numbers (set header: false if it is a row of data)"
        return head, (note,)
    return head, ()


def _check_delimiter(first: list[str], width: int, delimiter: str, params: IngestParams) -> None:
    """A single column that is full of another delimiter was not meant as one."""
    if width > 1 or len(first) != 1:
        return
    for other, written in ((";", "';'"), ("\t", r'"\t"'), ("|", "'|'"), (",", "','")):
        if other != delimiter and other in first[0]:
            raise DataError(
                f"{params.filename}: with delimiter {delimiter!r} there is only one column, {first[0][:40]!r} "
                f"(set delimiter: {written})"
            )


def _parsed(data: bytes, delimiter: str, width: int, params: IngestParams) -> pa.Table:
    """All fields as text, missing ones null; rows of another length are refused."""
    ragged: list[arrow_csv.InvalidRow] = []

    def refuse(row: arrow_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    keys = [f"{position}" for position in range(width)]
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(data),
            # Threads would hide the number of a bad row.
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK, column_names=keys, skip_rows_after_names=int(params.header)
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                quote_char=params.quote or False,
                newlines_in_values=params.quote is not None,
                invalid_row_handler=refuse,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(keys, pa.string()),
                null_values=list(params.missing),
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{params.filename}: the file cannot be read ({str(error).splitlines()[0]})") from None
    if ragged:
        raise DataError(_ragged_words(ragged, params))
    return table


def _ragged_words(ragged: list[arrow_csv.InvalidRow], params: IngestParams) -> str:
    first = ragged[0]
    more = f" (and {len(ragged) - 1:,} more such rows)" if len(ragged) > 1 else ""
    fields = "1 field" if first.actual_columns == 1 else f"{first.actual_columns} fields"
    against = "the header has" if params.header else "the first row has"
    return (
        f"{params.filename} row {first.number - int(params.header)}: {fields} where {against} "
        f"{first.expected_columns}{more}: mend it, or look at delimiter: and quote:"
    )


def _check_quotes(data: bytes, table: pa.Table, delimiter: str, params: IngestParams) -> None:
    """Quotes that were text have swallowed rows: one that is never closed, or line breaks and tabs inside a value."""
    if params.quote is None or not table.num_rows:
        return
    remedy = "(set quote: null if quotes are part of the text)"
    last = table.column(table.num_columns - 1)[table.num_rows - 1].as_py()
    if data.count(params.quote.encode()) % 2 and last is not None and "\n" in last:
        raise DataError(f"{params.filename} row {table.num_rows}: a quote is opened and never closed {remedy}")
    if delimiter != "\t":  # elsewhere a value may well hold the delimiter
        return
    for column in table.columns:
        swallowed = pc.match_substring_regex(column, "(?s)\\n.*\\t").fill_null(fill_value=False)
        if pc.any(swallowed).as_py():
            row = pc.index(swallowed, value=True).as_py() + 1
            raise DataError(f"{params.filename} row {row}: one value in quotes goes over several rows {remedy}")

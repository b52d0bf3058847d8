"""Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.contracts.data import IngestParams
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.text import first_line
from workers.data import cells
from workers.data.inference import whole_numbers


def read_parquet(file: Path, params: IngestParams) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table of a Parquet file, and notes on how it was understood."""
    try:
        table = pq.ParquetFile(file).read(use_threads=False)
        names = table.column_names
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(
            f"{params.filename}: the file is not readable as Parquet ({first_line(error)}): look at format:"
        ) from None
    notes: list[str] = []
    columns: list[pd.Series[Any]] = []
    for name, field, column in zip(names, table.schema, table.columns, strict=True):
        try:
            columns.append(_column(field, column, params, notes))
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise DataError(
                f"{params.filename}: the values of column {name!r} cannot be read ({first_line(error)}): write it anew"
            ) from None
    frame = pd.concat(columns, axis=1, keys=range(len(columns))) if columns else pd.DataFrame()
    frame.columns = pd.Index(names)
    return frame, tuple(notes)


def _column(  # noqa: PLR0911  (one return for each family of types)
    field: pa.Field, column: pa.ChunkedArray, params: IngestParams, notes: list[str]
) -> pd.Series[Any]:
    """One column in one of the types that tables have."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _column(field, column.cast(kind.value_type), params, notes)
    if pa.types.is_boolean(kind):
        return pd.Series(column.to_pylist(), dtype="boolean" if column.null_count else "bool")
    if pa.types.is_integer(kind):
        return _whole(column)
    if pa.types.is_floating(kind) or pa.types.is_null(kind):
        return pd.Series(column.cast(pa.float64()).to_numpy())
    if pa.types.is_decimal(kind):
        notes.append(f"{params.filename}: the decimals of {field.name!r} are floats now")
        return pd.Series([np.nan if value is None else float(value) for value in column.to_pylist()], dtype="float64")
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _dates(column)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        raise DataError(f"{params.filename}: column {field.name!r} holds bytes, which are no values (leave it out)")
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        notes.append(f"{params.filename}: the {kind} values of {field.name!r} are kept as text")
    texts = [None if value is None else cells.cell_text(value) for value in column.to_pylist()]
    return pd.Series(texts, dtype="str")


def _whole(column: pa.ChunkedArray) -> pd.Series[Any]:
    numbers = whole_numbers(column.drop_null().combine_chunks(), gaps=column.null_count > 0)
    if numbers is None:
        return pd.Series([None if value is None else str(value) for value in column.to_pylist()], dtype="str")
    if not column.null_count:
        return pd.Series(numbers)
    return pd.Series(column.cast(pa.float64()).to_numpy())


def _dates(column: pa.ChunkedArray) -> pd.Series[Any]:
    """Microseconds; offsets are brought to UTC, and finer times are cut."""
    zone = getattr(column.type, "tz", None)
    instants = column.cast(pa.timestamp("us", tz=zone), safe=False)
    return pd.Series(pc.cast(instants, pa.timestamp("us")).to_numpy().astype("datetime64[us]"))

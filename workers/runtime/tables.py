"""DataFrame ↔ Parquet: the same values give the same bytes, and types come back as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.contracts.errors import DataError
from orchestrator.contracts.text import first_line

ROW = "row"  # the index: the row's position in the source
ROW_COLUMN = "__row__"  # the same in the file
_CATEGORIES = b"cyclery.categories"


def write_table(frame: pd.DataFrame, path: Path) -> int:
    """Write a frame as Parquet and answer its number of rows.

    Raises DataError, with the column, where a frame cannot be kept as it is.
    """
    _check_columns(frame)
    rows = _row_column(frame)
    if len(frame) and not len(frame.columns):
        raise DataError("the table has rows and no column, so its rows would be lost: keep at least one column")
    table = _arrow(frame)
    if rows is not None:
        table = table.add_column(0, ROW_COLUMN, pa.array(rows))
    # Everything that could differ between two writings of the same values is fixed here.
    pq.write_table(
        table,
        path,
        version="2.6",
        compression="zstd",
        compression_level=3,
        row_group_size=1 << 20,
        use_dictionary=True,
        write_statistics=True,
        data_page_version="1.0",
    )
    return len(frame)


def read_table(path: Path) -> pd.DataFrame:
    """The frame in a Parquet file; its index is named `row`. Raises DataError where it is no table of ours."""
    with _reading(path):
        return _frame(pq.read_table(path, use_threads=pa.cpu_count() > 1))


def read_in_parts(path: Path, part_bytes: int) -> Iterator[pd.DataFrame]:
    """The same frame, a few columns at a time: as many as have so many bytes, if they are numbers, and at least one."""
    with _reading(path), pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if name != ROW_COLUMN]
        index = [ROW_COLUMN] if len(names) < len(file.schema_arrow.names) else []
        together = max(1, part_bytes // (8 * max(1, file.metadata.num_rows)))
        for start in range(0, len(names), together):
            columns = index + names[start : start + together]
            yield _frame(file.read(columns, use_threads=pa.cpu_count() > 1))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the file's
            raise
        raise DataError(f"the artifact {path.name} is no table that can be read ({first_line(error)})") from error


def _frame(table: pa.Table) -> pd.DataFrame:
    categories = json.loads((table.schema.metadata or {}).get(_CATEGORIES, b"{}"))
    frame: pd.DataFrame = table.to_pandas()
    for name, (values, ordered) in categories.items():
        frame[name] = frame[name].astype(pd.CategoricalDtype(values, ordered=ordered))
    if ROW_COLUMN in frame.columns:
        return frame.set_index(ROW_COLUMN).rename_axis(index=ROW)
    return frame.rename_axis(index=ROW)


def _check_columns(frame: pd.DataFrame) -> None:
    columns = frame.columns
    if columns.nlevels > 1:
        raise DataError("the table has columns of several levels: give each column one name (flatten the names)")
    if not columns.is_unique:
        twice = columns[columns.duplicated()][0]
        raise DataError(f"the table has two columns named {twice!r}: rename one of them")
    wrong = next((name for name in columns if not isinstance(name, str)), None)
    if wrong is not None:
        raise DataError(f"the column name {wrong!r} is no text: turn names into text (frame.columns.astype(str))")
    if ROW_COLUMN in columns:
        raise DataError(f"the column name {ROW_COLUMN} is reserved: rename the column")


def _row_column(frame: pd.DataFrame) -> Any:
    """The values that become `__row__`; None for a frame that was merely counted through."""
    index = frame.index
    if index.nlevels == 1 and pd.api.types.is_integer_dtype(index.dtype):
        if index.name == ROW:
            _check_rows(index)
            return index.to_numpy(dtype="int64")
        if index.name is None:
            counted = isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1
            if counted:
                return None
            if index.is_unique:  # rows of a table whose index lost its name on the way
                return index.to_numpy(dtype="int64")
    if len(frame) == 0:
        return None
    named = ", ".join(str(name) for name in index.names if name is not None) or "without a name"
    raise DataError(f"the table's index ({named}) would be lost: make it a column (frame.reset_index())")


def _check_rows(index: pd.Index[Any]) -> None:
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise DataError(
            f"row {twice + 1} of the source stands in the table more than once, so its rows cannot be told apart: "
            "count them anew (frame.reset_index(drop=True))"
        )


def _arrow(frame: pd.DataFrame) -> pa.Table:
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        TypeError,
        ValueError,
        OverflowError,
    ) as error:
        raise DataError(_what_is_wrong(frame, error)) from None
    described = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
    described.pop("creator", None)  # versions of libraries have no place in a digest
    described.pop("pandas_version", None)
    metadata: dict[bytes, bytes] = {b"pandas": json.dumps(described, sort_keys=True).encode()}
    categories = _categories(frame)
    if categories:
        metadata[_CATEGORIES] = json.dumps(categories, sort_keys=True).encode()
    return table.replace_schema_metadata(metadata)


def _categories(frame: pd.DataFrame) -> Mapping[str, tuple[list[Any], bool]]:
    """Categories that Parquet itself does not keep: numbers, and those of a table without rows."""
    kept: dict[str, tuple[list[Any], bool]] = {}
    for name, dtype in frame.dtypes.items():
        if isinstance(dtype, pd.CategoricalDtype):
            numbers = pd.api.types.is_numeric_dtype(dtype.categories.dtype)
            if numbers or (frame.empty and all(isinstance(value, str) for value in dtype.categories)):
                kept[str(name)] = (dtype.categories.tolist(), bool(dtype.ordered))
    return kept


def _what_is_wrong(frame: pd.DataFrame, error: Exception) -> str:
    """The first column that cannot be kept, with the kinds of values in it."""
    for name in frame.columns:
        try:
            pa.Array.from_pandas(frame[name])
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            kinds = sorted({type(value).__name__ for value in frame[name].dropna()})[:4]
            return (
                f"column {name!r} holds {' and '.join(kinds)} values, which one column cannot keep: make them one type"
            )
    return f"the table cannot be kept as Parquet ({str(error).splitlines()[0]})"

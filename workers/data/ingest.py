"""`data.ingest`: the bytes of a file source as a table, with a profile of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from orchestrator.contracts.data import IngestParams
from orchestrator.contracts.documents.data import Profile
from orchestrator.contracts.errors import DataError
from workers.data import cells
from workers.data.columnar import read_parquet
from workers.data.delimited import read_delimited
from workers.data.profile import profile_of
from workers.data.records import read_records
from workers.runtime.context import StageContext

_Reader = Callable[[Path, IngestParams], tuple[pd.DataFrame, tuple[str, ...]]]
_READERS: dict[str, _Reader] = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "json": read_records,
    "jsonl": read_records,
    "parquet": read_parquet,
}


class IngestOutputs(NamedTuple):
    """What `ingest` leaves behind."""

    table: pd.DataFrame  # index `row`: the position in the source, from 0
    profile: Profile


def ingest(file: Path, *, params: IngestParams, context: StageContext | None = None) -> IngestOutputs:
    """The table in a file, in types that lose nothing: int64, float64, bool, str, datetime64[us]."""
    table, notes = _READERS[params.format](file, params)
    _check_names(list(table.columns), params)
    if table.empty:
        raise DataError(f"{params.filename}: the file holds no rows")
    table.index = pd.RangeIndex(len(table), name="row")
    if context is not None:
        for note in notes:
            context.log.info("%s", note)
        context.log.info("%s: %d rows, %d columns", params.filename, len(table), len(table.columns))
    return IngestOutputs(table, profile_of(table))


def _check_names(names: list[str], params: IngestParams) -> None:
    """Names must be there, differ, and not be those that later tables need."""
    for position, name in enumerate(names):
        if not name:
            raise DataError(f"{params.filename}: column {position + 1} has no name (give it one in the file)")
        if cells.reserved(name):
            raise DataError(f"{params.filename}: the column name {name!r} is Cyclery's own (rename it in the file)")
        first = names.index(name) + 1
        if first <= position:
            remedy = "give all names with names:" if params.format in ("csv", "tsv") else "rename one in the file"
            raise DataError(
                f"{params.filename}: the column name {name!r} is there twice, as {first} and {position + 1} ({remedy})"
            )

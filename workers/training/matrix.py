"""The training matrix: one Arrow file per host, mapped by every process that trains on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.contracts.documents.data import SplitSummary
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.values import digest_of
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.tables import ROW, ROW_COLUMN, read_in_parts, read_table
from workers.training.memory import give_back

TARGET, WEIGHT = "__target__", "__weight__"
_FOLD, _ORDER = "__fold__", "__order__"
_STARTS = b"cyclery.starts"
_VERSION = 1  # of the file's layout
_PART_BYTES = 8 << 20  # of a frame's columns that are in memory beside the training rows


class Fold(NamedTuple):
    """One fold's rows, as ascending positions in the matrix."""

    number: int  # as the split wrote it
    place: int  # among those that are scored, from 1: as stages and people count them
    train: NDArray[np.intp]
    validation: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """The training rows. Numbers are views of the mapped file and cannot be written to."""

    frame: pd.DataFrame  # the feature columns; index `row`
    target: NDArray[Any]
    weight: NDArray[np.float64] | None
    fold: NDArray[np.int16]
    order: NDArray[np.int64] | None  # rank in time among the split's training rows
    starts: Mapping[int, int]  # fold → the rank of its first row; empty without an order

    def folds(self, summary: SplitSummary) -> Iterator[Fold]:
        """The folds that are scored, as the split's scheme says.

        partition: each fold is validated by a model of all others. expanding: fold k by a model of all rows before it
        in time, without the last `gap` of them.
        """
        numbers = [int(number) for number in np.unique(self.fold) if number >= 0]
        if summary.scheme == "expanding":
            numbers = [number for number in numbers if number > 0]  # block 0 only trains
        if len(numbers) != summary.folds:
            raise DataError(
                f"the split made {summary.folds} folds but only {len(numbers)} hold rows with a target: use fewer folds"
            )
        for place, number in enumerate(numbers, start=1):
            validation = self.fold == number
            train = self._before(number, summary.gap) if summary.scheme == "expanding" else ~validation
            if not train.any():
                raise DataError(f"fold {place} has no rows to train on: use fewer folds or a smaller gap")
            yield Fold(number, place, np.flatnonzero(train), np.flatnonzero(validation))

    def _before(self, number: int, gap: int) -> NDArray[np.bool_]:
        if self.order is None:
            raise DataError("the split is by time but has no order of its rows: run the split again")
        earlier: NDArray[np.bool_] = self.fold < number
        return earlier & (self.order < self.starts[number] - gap)


def training_matrix(frame: Artifact, rows: Artifact, context: StageContext) -> Matrix:
    """The matrix of a frame and its split, built by the first process on the host that asks."""
    key = digest_of({"matrix": _VERSION, "frame": frame.ref.digest, "rows": rows.ref.digest})

    def written(target: Path) -> None:
        build(frame.path(), rows.path(), target)
        give_back()

    try:
        return read_matrix(context.derived(key, written))
    except FileNotFoundError:  # another process made room between the two steps
        return read_matrix(context.derived(key, written))


def build(frame: Path, rows: Path, target: Path) -> None:
    """Write the training rows of a frame as one uncompressed record batch."""
    split = read_table(rows)
    split = split[split["part"] == "train"]
    columns: dict[str, pa.Array] = {}
    kept: NDArray[np.bool_] | None = None  # rows of the frame, which are the same in each part
    for whole in read_in_parts(frame, _PART_BYTES):
        kept = whole.index.isin(split.index) if kept is None else kept
        part = whole[kept]
        if part.empty:
            raise DataError("the split leaves no training row with a target")
        index = part.index
        columns |= {str(name): _mappable(part[name]) for name in part.columns if _kept(str(name))}
    columns[ROW_COLUMN] = pa.array(index.to_numpy(dtype="int64"))
    columns[_FOLD] = pa.array(split["fold"].loc[index].to_numpy(dtype="int16"))
    starts: dict[int, int] = {}
    if "order" in split.columns and bool(split["order"].notna().all()):
        ranks = _ranks(split["order"])
        columns[_ORDER] = pa.array(ranks.loc[index].to_numpy(dtype="int64"))
        starts = {int(fold): int(ranks[split["fold"] == fold].min()) for fold in split["fold"].unique()}
    batch = pa.record_batch(columns, metadata={_STARTS: json.dumps(starts).encode()})
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def read_matrix(path: Path) -> Matrix:
    """Map the file: numbers and texts stay where they are, shared by all processes of the host."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    special = {ROW_COLUMN, TARGET, WEIGHT, _FOLD, _ORDER}
    columns = {name: table.column(name) for name in table.column_names}
    features = table.select([name for name in table.column_names if name not in special])
    frame: pd.DataFrame = features.to_pandas(split_blocks=True)
    frame.index = pd.Index(columns[ROW_COLUMN].to_numpy(), name=ROW)
    return Matrix(
        frame=frame,
        target=columns[TARGET].to_numpy(),
        weight=columns[WEIGHT].to_numpy() if WEIGHT in columns else None,
        fold=columns[_FOLD].to_numpy(),
        order=columns[_ORDER].to_numpy() if _ORDER in columns else None,
        starts={int(fold): first for fold, first in json.loads(table.schema.metadata[_STARTS]).items()},
    )


def _kept(name: str) -> bool:
    return name in (TARGET, WEIGHT) or not (name.startswith("__") and name.endswith("__"))


def _mappable(column: pd.Series[Any]) -> pa.Array:
    """A missing number stays NaN: a validity mask would make every reader copy the column."""
    if pd.api.types.is_float_dtype(column.dtype):
        dtype = "float32" if column.dtype == np.float32 else "float64"
        return pa.array(column.to_numpy(dtype=dtype, na_value=np.nan), from_pandas=False)
    if column.name == WEIGHT:
        return pa.array(column.to_numpy(dtype="float64"), from_pandas=False)
    array = pa.array(column, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _ranks(order: pd.Series[Any]) -> pd.Series[int]:
    """Positions in time, counted over all training rows, whether they have a target or not."""
    return order.rank(method="first").astype("int64")

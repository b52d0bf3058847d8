"""Folds with their preparation applied: no candidate changes them, so all trials on a host share their files.

The first process that comes to a fold prepares it and writes it to the host's cache, while a second one prepares
the next; every process maps them from there, one at a time, so that many hold hardly more than one.
"""

from __future__ import annotations

import itertools
import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from orchestrator.contracts.documents.data import Preparation, SplitSummary
from orchestrator.contracts.environment import environment_digest
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.values import digest_of
from orchestrator.store.cache import HostCache
from workers.features.preparation import feature_columns, learned
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.training.matrix import Fold, Matrix, training_matrix
from workers.training.memory import give_back
from workers.training.sparse import Prepared, arrays, dense, joined, stored, takes_sparse

MATRICES = 3  # whose folds a process has at hand
KEPT_BYTES = 16 << 20  # of prepared arrays that a process keeps mapped; folds beyond are mapped again for each trial
WHOLE_BYTES = 256 << 20  # of all training rows prepared, where each segment takes its own of them
SHARED_BYTES = 4 << 30  # of the prepared folds of one matrix: larger ones are prepared again for each trial
_VERSION = 2  # of the file's layout
_ALIGNED = 64  # bytes: libraries copy an array whose numbers do not begin where the processor wants them


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFold:
    """One fold as an estimator takes it; arrays cannot be written to, since trials share them."""

    number: int
    train: Prepared
    target: NDArray[Any]
    weight: NDArray[Any] | None
    validation: Prepared
    truth: NDArray[Any]
    truth_weight: NDArray[Any] | None
    warnings: tuple[str, ...]  # of the preparation: every trial on this fold repeats them
    rows: Fold  # positions in the matrix

    @property
    def size(self) -> int:
        """Bytes of the prepared arrays."""
        return sum(array.nbytes for rows in (self.train, self.validation) for array in arrays(rows))

    def taken_by(self, estimator: BaseEstimator, label: str) -> PreparedFold:
        """The fold as the estimator takes it: made dense where it takes no sparse matrix.

        Raises InvalidInput, beginning with the label, where that would be too large.
        """
        if not issparse(self.train) or takes_sparse(estimator):
            return self
        train, validation = dense((self.train, self.validation), estimator, label)
        return replace(self, train=_sealed(train), validation=_sealed(validation))


class PreparedFolds:
    """The folds of one matrix under one preparation; the first ones are kept at hand as long as they fit."""

    def __init__(
        self, matrix: Matrix, preparation: Preparation, summary: SplitSummary, key: str, cache: HostCache
    ) -> None:
        self._matrix, self._preparation, self._summary = matrix, preparation, summary
        self._key, self._cache = key, cache
        self._kept: dict[int, PreparedFold] = {}
        self._large: set[int] = set()
        self._room = KEPT_BYTES
        self._whole: NDArray[Any] | None = None

    @property
    def matrix(self) -> Matrix:
        """The training rows that they are folds of."""
        return self._matrix

    @property
    def count(self) -> int:
        """How many there are."""
        return self._summary.folds

    def whole(self) -> NDArray[Any]:
        """All training rows, by a preparation that was fitted on all of them; kept where there is room."""
        if self._whole is not None:
            return self._whole
        made = _sealed(
            learned(self._preparation).fit_transform(
                self._matrix.frame[feature_columns(self._preparation)], self._matrix.target
            )
        )
        if made.nbytes <= WHOLE_BYTES:
            self._whole = made
        return made

    def forget_whole(self) -> None:
        """Let all rows go, which are this process's own; folds and matrix are mapped, and cost it little."""
        self._whole = None

    def __iter__(self) -> Iterator[PreparedFold]:
        for fold in self._matrix.folds(self._summary):  # found anew: held, positions would take megabytes per process
            yield self._kept.get(fold.number) or self._shared(fold)

    def at(self, place: int) -> PreparedFold:
        """One of them alone, from 1: the others are not prepared. Raises DataError where there are not so many."""
        for fold in itertools.islice(self._matrix.folds(self._summary), place - 1, place):
            return self._kept.get(fold.number) or self._shared(fold)
        raise DataError(f"the split made {self._summary.folds} folds, so there is none that is number {place}")

    def _shared(self, fold: Fold) -> PreparedFold:
        if fold.number in self._large:
            return prepare(self._matrix, self._preparation, fold)
        try:
            made = self._mapped(fold)
        except FileNotFoundError:  # another process made room between the two steps
            made = self._mapped(fold)
        except _TooLarge as found:
            self._large.add(fold.number)
            return found.fold
        if made.size <= self._room:
            self._room -= made.size
            self._kept[fold.number] = made
        return made

    def _mapped(self, fold: Fold) -> PreparedFold:
        path = self._unless_busy(fold)
        if path is None:
            self._prepare_after(fold)
            path = self._cache.derived(self._name(fold), partial(self._write, fold))
        return read_fold(path, self._matrix, fold)

    def _prepare_after(self, awaited: Fold) -> None:
        """While a fold is being prepared, prepare the next one, unless a third process does: more take memory."""
        following = (fold for fold in self._matrix.folds(self._summary) if fold.number > awaited.number)
        ahead = next(following, None)
        if ahead is not None and ahead.number not in self._large:
            with suppress(_TooLarge):  # it is prepared when its turn comes
                self._unless_busy(ahead)

    def _unless_busy(self, fold: Fold) -> Path | None:
        return self._cache.derived_unless_busy(self._name(fold), partial(self._write, fold))

    def _name(self, fold: Fold) -> str:
        return f"{self._key}/{fold.number}"

    def _write(self, fold: Fold, target: Path) -> None:
        made = prepare(self._matrix, self._preparation, fold)
        if made.size * self._summary.folds > SHARED_BYTES:
            raise _TooLarge(made)
        write_fold(made, target)
        del made
        give_back()


class _TooLarge(Exception):
    """A fold that is not worth its room in the host's cache."""

    def __init__(self, fold: PreparedFold) -> None:
        super().__init__(fold.number)
        self.fold = fold


def prepare(matrix: Matrix, preparation: Preparation, fold: Fold) -> PreparedFold:
    """Fit the preparation on the fold's training rows and apply it to both sides."""
    transformer = learned(preparation)
    columns = matrix.frame[feature_columns(preparation)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train = stored(transformer.fit_transform(columns.iloc[fold.train], matrix.target[fold.train]))
        validation = stored(transformer.transform(columns.iloc[fold.validation]))
    return _prepared(matrix, fold, train, validation, texts(caught))


def write_fold(made: PreparedFold, target: Path) -> None:
    """Write what was prepared as tensors: warnings and shapes (JSON), then the training and the validation rows.

    Dense rows are one tensor; sparse ones, which have a shape in the first, are three.
    """
    sides = (made.train, made.validation)
    shapes = [list(side.shape) if issparse(side) else None for side in sides]
    told = np.frombuffer(json.dumps({"warnings": made.warnings, "shapes": shapes}).encode(), dtype=np.uint8)
    with pa.OSFile(str(target), "wb") as sink:
        for array in (told, *(array for side in sides for array in arrays(side))):
            sink.write(bytes(-sink.tell() % _ALIGNED))
            pa.ipc.write_tensor(pa.Tensor.from_numpy(array), sink)


def read_fold(path: Path, matrix: Matrix, fold: Fold) -> PreparedFold:
    """Map the file of a fold; it stays mapped as long as the arrays are used."""
    source = pa.memory_map(str(path))
    told = json.loads(_next_array(source).tobytes())
    train, validation = (_next_rows(source, shape) for shape in told["shapes"])
    return _prepared(matrix, fold, train, validation, tuple(told["warnings"]))


def _next_rows(source: pa.MemoryMappedFile, shape: list[int] | None) -> Prepared:
    if shape is None:
        return _next_array(source)
    rows, columns = shape
    return joined([_next_array(source) for _ in range(3)], (rows, columns))


def _next_array(source: pa.MemoryMappedFile) -> NDArray[Any]:
    source.seek(source.tell() + -source.tell() % _ALIGNED)
    array: NDArray[Any] = pa.ipc.read_tensor(source).to_numpy()
    return array


def _prepared(matrix: Matrix, fold: Fold, train: Prepared, validation: Prepared, told: tuple[str, ...]) -> PreparedFold:
    weight = matrix.weight
    for array in (*arrays(train), *arrays(validation)):
        array.flags.writeable = False
    return PreparedFold(
        number=fold.number,
        train=train,
        target=_sealed(matrix.target[fold.train]),
        weight=None if weight is None else _sealed(weight[fold.train]),
        validation=validation,
        truth=_sealed(matrix.target[fold.validation]),
        truth_weight=None if weight is None else _sealed(weight[fold.validation]),
        warnings=told,
        rows=fold,
    )


def texts(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Each warning once, as one short line."""
    lines = (f"{item.category.__name__}: {' '.join(str(item.message).split())}"[:300] for item in caught)
    return tuple(dict.fromkeys(lines))


class _Bench:
    """What this process holds between trials: the folds of the last matrices, since runs take turns."""

    def __init__(self) -> None:
        self.held: dict[str, PreparedFolds] = {}  # the one that was used last stands last
        self.lock = threading.Lock()


_bench = _Bench()


def prepared_folds(
    frame: Artifact, rows: Artifact, preparation: Preparation, summary: SplitSummary, context: StageContext
) -> PreparedFolds:
    """The folds of these inputs; of others those of the last few stay at hand."""
    prepared = [preparation.model_dump(mode="json"), summary.model_dump(mode="json")]
    key = digest_of([_VERSION, frame.ref.digest, rows.ref.digest, *prepared, environment_digest()])
    with _bench.lock:
        found = _bench.held.pop(key, None)
        if found is None:
            while len(_bench.held) >= MATRICES:
                del _bench.held[next(iter(_bench.held))]
            for other in _bench.held.values():
                other.forget_whole()
            matrix = training_matrix(frame, rows, context)
            found = PreparedFolds(matrix, preparation, summary, key, context.host_files)
        _bench.held[key] = found
        return found


def _sealed(array: Any) -> NDArray[Any]:
    sealed: NDArray[Any] = np.asarray(array)
    sealed.flags.writeable = False
    return sealed

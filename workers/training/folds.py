"""Folds with their preparation applied, kept per process: no candidate changes them, so all trials share them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.contracts.documents import Preparation, SplitSummary
from orchestrator.contracts.values import digest_of
from workers.features.preparation import feature_columns, learned
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.training.matrix import Fold, Matrix, training_matrix

KEPT_BYTES = 256 << 20  # of prepared arrays per process; folds beyond are prepared again for each trial


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFold:
    """One fold as an estimator takes it; arrays cannot be written to, since trials share them."""

    number: int
    train: NDArray[Any]
    target: NDArray[Any]
    weight: NDArray[Any] | None
    validation: NDArray[Any]
    truth: NDArray[Any]
    truth_weight: NDArray[Any] | None
    warnings: tuple[str, ...]  # of the preparation: every trial on this fold repeats them
    rows: Fold  # positions in the matrix

    @property
    def size(self) -> int:
        """Bytes of the prepared arrays."""
        return int(self.train.nbytes + self.validation.nbytes)


class PreparedFolds:
    """The folds of one matrix under one preparation; the first ones are kept as long as they fit."""

    def __init__(self, matrix: Matrix, preparation: Preparation, summary: SplitSummary, kept_bytes: int) -> None:
        self._matrix, self._preparation = matrix, preparation
        self._plan = list(matrix.folds(summary))
        self._kept: dict[int, PreparedFold] = {}
        self._room = kept_bytes
        self._whole: NDArray[Any] | None = None

    @property
    def matrix(self) -> Matrix:
        """The training rows that they are folds of."""
        return self._matrix

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._plan)

    def whole(self) -> NDArray[Any]:
        """All training rows, by a preparation that was fitted on all of them; kept where there is room."""
        if self._whole is not None:
            return self._whole
        made = _sealed(
            learned(self._preparation).fit_transform(
                self._matrix.frame[feature_columns(self._preparation)], self._matrix.target
            )
        )
        if made.nbytes <= self._room:
            self._room -= made.nbytes
            self._whole = made
        return made

    def __iter__(self) -> Iterator[PreparedFold]:
        for fold in self._plan:
            yield self._kept.get(fold.number) or self._prepare(fold)

    def _prepare(self, fold: Fold) -> PreparedFold:
        made = prepare(self._matrix, self._preparation, fold)
        if made.size <= self._room:
            self._room -= made.size
            self._kept[fold.number] = made
        return made


def prepare(matrix: Matrix, preparation: Preparation, fold: Fold) -> PreparedFold:
    """Fit the preparation on the fold's training rows and apply it to both sides."""
    transformer = learned(preparation)
    columns = matrix.frame[feature_columns(preparation)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train = _sealed(transformer.fit_transform(columns.iloc[fold.train], matrix.target[fold.train]))
        validation = _sealed(transformer.transform(columns.iloc[fold.validation]))
    weight = matrix.weight
    return PreparedFold(
        number=fold.number,
        train=train,
        target=_sealed(matrix.target[fold.train]),
        weight=None if weight is None else _sealed(weight[fold.train]),
        validation=validation,
        truth=_sealed(matrix.target[fold.validation]),
        truth_weight=None if weight is None else _sealed(weight[fold.validation]),
        warnings=texts(caught),
        rows=fold,
    )


def texts(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Each warning once, as one short line."""
    lines = (f"{item.category.__name__}: {' '.join(str(item.message).split())}"[:300] for item in caught)
    return tuple(dict.fromkeys(lines))


class _Bench:
    """What this process holds between trials: the folds of one matrix."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.folds: PreparedFolds | None = None
        self.lock = threading.Lock()


_bench = _Bench()


def prepared_folds(
    frame: Artifact, rows: Artifact, preparation: Preparation, summary: SplitSummary, context: StageContext
) -> PreparedFolds:
    """The folds of these inputs; those of other inputs are let go first."""
    key = digest_of(
        [frame.ref.digest, rows.ref.digest, preparation.model_dump(mode="json"), summary.model_dump(mode="json")]
    )
    with _bench.lock:
        if _bench.key != key or _bench.folds is None:
            _bench.key, _bench.folds = None, None
            matrix = training_matrix(frame, rows, context)
            _bench.folds = PreparedFolds(matrix, preparation, summary, KEPT_BYTES)
            _bench.key = key
        return _bench.folds


def _sealed(array: Any) -> NDArray[Any]:
    sealed: NDArray[Any] = np.asarray(array)
    sealed.flags.writeable = False
    return sealed

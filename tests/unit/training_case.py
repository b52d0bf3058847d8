"""A small workflow's artifacts as earlier stages leave them, in a real store, for tests of training and packaging."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.documents.data import Preparation, PreparedColumn, SplitSummary
from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.training import TrialParams
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.cache import HostCache
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.tables import write_table
from workers.training.trial import trial

NUMERIC = ColumnPreparation(type="numeric", missing="median", scale="standard")
CATEGORY = ColumnPreparation(type="categorical", missing="most_frequent", encode="onehot", scale="none")
METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


class Quiet:
    """A watcher that nobody stands behind."""

    cancelled = False

    def progress(self, share: float) -> None:
        assert 0 <= share <= 1


@dataclass
class Case:
    """Frame, split and preparation of one target kind."""

    folder: Path
    table: pd.DataFrame  # the frame, before it was stored
    split: pd.DataFrame
    preparation: Preparation
    summary: SplitSummary
    objective: Objective
    roles: Columns

    def __post_init__(self) -> None:
        self.store = ArtifactStore(str(self.folder / "store"), self.folder / "cache", 1 << 30)
        self.frame = self.artifact(self.table)
        self.rows = self.artifact(self.split)

    def artifact(self, table: pd.DataFrame) -> Artifact:
        with tempfile.NamedTemporaryFile(suffix=".parquet", dir=self.folder) as file:
            rows = write_table(table, Path(file.name))
            return Artifact(self.store.put_file(Path(file.name), Kind.TABLE, rows), self.store)

    def context(self, stage: str = "train") -> StageContext:
        return StageContext(
            run="churn-1",
            stage=stage,
            attempt=1,
            key="k",
            scratch=self.folder / f"scratch-{stage}",
            watcher=Quiet(),
            host_files=HostCache(self.folder / "derived", 1 << 30),
        )

    def trial(self, estimator: str, params: dict[str, Any] | None = None, **other: Any) -> TrialParams:
        known = {"candidate": "some", "index": 1, "seed": 7, "objective": self.objective, "roles": self.roles}
        return TrialParams(estimator=estimator, params=params or {}, **{**known, **other})

    @property
    def training(self) -> pd.DataFrame:
        """The frame's training rows, as a person would pick them."""
        return self.table[(self.split.loc[self.table.index, "part"] == "train").to_numpy()]


def case(
    folder: Path, kind: str, *, weighted: bool = False, scheme: str = "partition", gap: int = 0, rows: int = 240
) -> Case:
    """Mixed columns with missing values, a target that depends on them, and every fifth row held back."""
    dice = np.random.default_rng(5)
    index = pd.Index(np.arange(rows) * 2, name="row")
    table = pd.DataFrame(
        {
            "size": dice.normal(10, 3, rows),
            "age": np.where(dice.uniform(size=rows) < 0.1, np.nan, dice.uniform(0, 80, rows)),
            "colour": pd.array(dice.choice(["red", "green", "blue"], rows), dtype="str"),
        },
        index=index,
    )
    table.loc[index[3::17], "colour"] = None
    signal = table["size"] - 0.05 * table["age"].fillna(40) + (table["colour"] == "red") * 2 + dice.normal(0, 1, rows)
    table["__target__"] = _target(kind, signal)
    if weighted:
        table["__weight__"] = dice.uniform(0.2, 3, rows)
    split, folds = _split(index, scheme)
    table = table.drop(index=index[[10, 57]])  # rows without a target leave the frame, not the split
    classes = {"binary": ("no", "yes"), "multiclass": (0, 1, 2), "regression": ()}[kind]
    features = [("size", NUMERIC), ("age", NUMERIC), ("colour", CATEGORY)]
    return Case(
        folder,
        table,
        split,
        Preparation(
            features=tuple(PreparedColumn(name=n, source="data", rule=rule, reason="test") for n, rule in features),
            target_kind=kind,
            classes=classes,
            positive="yes" if kind == "binary" else None,
        ),
        SplitSummary(
            method="random", scheme=scheme, folds=folds, gap=gap, train_rows=0, test_rows=0, fold_rows=(0,) * folds
        ),
        Objective(predict="y", task="regression" if kind == "regression" else "classification", metric=METRICS[kind]),
        Columns(weight="w" if weighted else None),
    )


def scores_of(made: Case, estimator: str, params: dict[str, Any]) -> NDArray[np.float64]:
    """Of a trial, fold by fold."""
    given = {"params": made.trial(estimator, params), "context": made.context()}
    found = trial(made.frame, made.rows, made.preparation, made.summary, **given)
    return np.array(found.result.scores)


def _target(kind: str, signal: pd.Series) -> pd.Series:
    if kind == "binary":
        return pd.Series(np.where(signal > signal.median(), "yes", "no"), index=signal.index, dtype="str")
    return pd.qcut(signal, 3, labels=False).astype("int64") if kind == "multiclass" else signal


def _split(index: pd.Index, scheme: str) -> tuple[pd.DataFrame, int]:
    rows = len(index)
    test = np.arange(rows) % 5 == 0 if scheme == "partition" else np.arange(rows) >= 200
    number = np.cumsum(~test) - 1
    fold = number % 4 if scheme == "partition" else number // 50  # expanding: four blocks of fifty
    split = pd.DataFrame({"identity": np.arange(rows, dtype="uint64"), "part": np.where(test, "test", "train")}, index)
    split["part"] = split["part"].astype("str")
    split["fold"] = np.where(test, -1, fold).astype("int16")
    if scheme == "expanding":
        split["order"] = np.arange(rows, dtype="int64")
    return split, 4 if scheme == "partition" else 3

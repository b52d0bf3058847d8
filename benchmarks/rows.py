"""Generated rows for searches, and the matrix of a run as scikit-learn alone takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.train_pool import SEED, TEST, Table, TrainPool
from orchestrator.client import Run
from workers.runtime.tables import read_table

COLUMNS = 30


def generated(folder: Path, training_rows: int) -> Table:
    """A binary target of which a third of the columns tell something, straight and bent; test rows come on top."""
    dice = np.random.default_rng(SEED)
    count = round(training_rows / (1 - TEST))
    values = dice.normal(size=(count, COLUMNS))
    told = COLUMNS // 3
    strength = dice.normal(size=told)
    signal = values[:, :told] @ strength + np.sin(2 * values[:, 0]) * values[:, 1] + values[:, 2] * values[:, 3]
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(COLUMNS)])
    frame["y"] = (signal + dice.logistic(scale=2.0, size=count) > 0).astype("int64")
    table = Table(folder / "rows.parquet", COLUMNS)
    frame.to_parquet(table.file)
    return table


def exported(side: TrainPool, run: Run) -> dict[str, str]:
    """The training rows of a run as NumPy's files: the matrix (C order), the target, the fold of each row."""
    record, store = run.record(), side.client.session().store
    features, split = record.stage("features"), record.stage("split")
    assert features is not None
    assert split is not None
    rows = read_table(store.fetch(split.outputs["rows"]))
    rows = rows[rows["part"] == "train"]
    frame = read_table(store.fetch(features.outputs["frame"])).loc[rows.index]
    matrix = np.ascontiguousarray(frame[[f"x{i}" for i in range(COLUMNS)]].to_numpy(dtype="float64"))
    arrays = {"matrix": matrix, "target": frame["__target__"].to_numpy(), "folds": rows["fold"].to_numpy()}
    for name, array in arrays.items():
        np.save(side.folder / f"{name}.npy", array)
    return {name: str(side.folder / f"{name}.npy") for name in arrays}

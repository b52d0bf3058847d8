"""The training matrix: training rows only, mapped and not copied, folds as the split's scheme says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from orchestrator.contracts.errors import DataError
from tests.unit.training_case import case
from workers.training.matrix import build, read_matrix, training_matrix
from workers.training.memory import give_back


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_holds_the_training_rows_as_they_are(kind: str, tmp_path: Path) -> None:
    made = case(tmp_path, kind, weighted=True)
    matrix = training_matrix(made.frame, made.rows, made.context())
    expected = made.training
    assert_frame_equal(matrix.frame, expected[["size", "age", "colour"]])
    np.testing.assert_array_equal(matrix.target, expected["__target__"].to_numpy())
    np.testing.assert_array_equal(matrix.weight, expected["__weight__"].to_numpy())
    assert not set(matrix.frame.index) & set(made.split.index[made.split["part"] == "test"])


def test_numbers_are_views_of_the_mapped_file(tmp_path: Path) -> None:
    made = case(tmp_path, "regression")
    matrix = training_matrix(made.frame, made.rows, made.context())
    file = str(tmp_path / "derived")
    mapped = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if file in line]
    spans = [tuple(int(side, 16) for side in line[0].split("-")) for line in mapped]
    for name in ("size", "age"):  # age has missing values
        column = matrix.frame[name].to_numpy()
        address = column.__array_interface__["data"][0]
        assert any(low <= address < high for low, high in spans)
        assert not column.flags.writeable
    assert matrix.frame["colour"].dtype == pd.StringDtype(na_value=np.nan)


def test_is_built_once_per_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = case(tmp_path, "binary")
    training_matrix(made.frame, made.rows, made.context())
    monkeypatch.setattr("workers.training.matrix.build", lambda *_: pytest.fail("built again"))
    training_matrix(made.frame, made.rows, made.context())


@pytest.mark.parametrize("part_bytes", [1, 5000, 1 << 20])
def test_is_the_same_however_many_columns_are_read_together(
    part_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = case(tmp_path, "multiclass", weighted=True)
    expected = training_matrix(made.frame, made.rows, made.context())
    monkeypatch.setattr("workers.training.matrix._PART_BYTES", part_bytes)
    build(made.frame.path(), made.rows.path(), tmp_path / "other")
    found = read_matrix(tmp_path / "other")
    assert_frame_equal(found.frame, expected.frame)
    for name in ("target", "weight", "fold", "order"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells")
def test_who_builds_it_gives_back_what_that_took(tmp_path: Path) -> None:
    made, rows = case(tmp_path, "regression"), 60_000
    index = pd.RangeIndex(rows, name="row")
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(rows, 30)), index).rename(columns=str)
    split = pd.DataFrame({"identity": np.arange(rows, dtype="uint64"), "part": "train", "fold": np.int16(0)}, index)
    frame, folds = made.artifact(table.assign(__target__=1.0)), made.artifact(split.astype({"part": "str"}))
    del table, split
    give_back()
    before = _anonymous()
    matrix = training_matrix(frame, folds, made.context())
    assert matrix.frame.memory_usage().sum() > 14 << 20
    assert _anonymous() - before < 24 << 20  # the build held it four times over


def _anonymous() -> int:
    """Bytes of this process's memory that no file stands behind."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Anonymous:"))


def test_partition_validates_each_row_once_and_trains_on_all_others(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    matrix = training_matrix(made.frame, made.rows, made.context())
    folds = list(matrix.folds(made.summary))
    assert sorted(np.concatenate([fold.validation for fold in folds])) == list(range(len(matrix.frame)))
    for fold in folds:
        assert sorted([*fold.train, *fold.validation]) == list(range(len(matrix.frame)))


def test_expanding_keeps_the_gap_even_where_rows_without_target_left(tmp_path: Path) -> None:
    made = case(tmp_path, "regression", scheme="expanding", gap=5)
    first = made.split.index[made.split["fold"] == 2][:3]
    made.table = made.table.drop(index=first)  # the fold now seems to begin later
    made.frame = made.artifact(made.table)
    matrix = training_matrix(made.frame, made.rows, made.context())
    folds = {fold.number: fold for fold in matrix.folds(made.summary)}
    assert sorted(folds) == [1, 2, 3]
    assert matrix.order is not None
    start = made.split.loc[made.split["fold"] == 2, "order"].min() + 1  # ranks count from 1
    assert matrix.order[folds[2].train].max() == start - 5 - 1
    assert matrix.order[folds[2].validation].min() == start + 3


def test_a_fold_that_lost_all_its_rows_is_told(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    made.table = made.table[made.split.loc[made.table.index, "fold"] != 3]
    made.frame = made.artifact(made.table)
    matrix = training_matrix(made.frame, made.rows, made.context())
    with pytest.raises(DataError, match="4 folds but only 3 hold rows with a target"):
        list(matrix.folds(made.summary))


def test_a_gap_that_leaves_nothing_is_told(tmp_path: Path) -> None:
    made = case(tmp_path, "regression", scheme="expanding", gap=60)
    matrix = training_matrix(made.frame, made.rows, made.context())
    with pytest.raises(DataError, match="fold 1 has no rows to train on"):
        list(matrix.folds(made.summary))


def test_no_training_rows_is_told(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    made.split["part"] = "test"
    rows = made.artifact(made.split)
    with pytest.raises(DataError, match="no training row"):
        build(made.frame.path(), rows.path(), tmp_path / "matrix")

"""Folds as they are prepared: once per host, by several processes at a time, mapped by all, and never kept too long."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.contracts.documents.data import Preparation
from tests.unit.training_case import case, scores_of
from workers.training import folds
from workers.training.matrix import Fold, training_matrix


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The folds that are prepared, one after the other."""
    numbers: list[int] = []
    real = folds.prepare
    monkeypatch.setattr(folds, "prepare", lambda *given: numbers.append(given[2].number) or real(*given))
    monkeypatch.setattr(folds, "_bench", folds._Bench())
    return numbers


def test_folds_are_prepared_once_per_host(prepared: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = case(tmp_path, "binary", weighted=True)
    first = [scores_of(made, "sklearn.naive_bayes.GaussianNB", {}) for _ in range(2)]
    monkeypatch.setattr(folds, "_bench", folds._Bench())  # as another process begins
    np.testing.assert_array_equal(scores_of(made, "sklearn.naive_bayes.GaussianNB", {}), first[0])
    np.testing.assert_array_equal(first[1], first[0])
    assert prepared == [0, 1, 2, 3]


@pytest.mark.parametrize("shared_bytes", [1 << 20, 10_000], ids=["shared", "too large to be"])
def test_while_a_fold_is_being_prepared_the_next_one_is(
    shared_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, real, next_one = case(tmp_path, "binary"), folds.prepare, threading.Event()

    def slow_at_first(matrix: Any, preparation: Any, fold: Fold) -> folds.PreparedFold:
        if fold.number == 0:
            assert next_one.wait(30), "nobody prepared the next fold meanwhile"
        found = real(matrix, preparation, fold)
        if fold.number == 1:
            next_one.set()
        return found

    def trained_on(_: int) -> list[Any]:  # as in a process of its own: it has nothing at hand, and maps the matrix anew
        context = made.context()
        matrix = training_matrix(made.frame, made.rows, context)
        return [f.train for f in folds.PreparedFolds(matrix, made.preparation, made.summary, "k", context.host_files)]

    monkeypatch.setattr(folds, "SHARED_BYTES", shared_bytes)
    monkeypatch.setattr(folds, "prepare", slow_at_first)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(trained_on, range(2))
    np.testing.assert_equal(second, first)
    monkeypatch.setattr(folds, "prepare", real)
    (tmp_path / "derived").rename(tmp_path / "other")
    np.testing.assert_equal(trained_on(0), first)


def test_a_mapped_fold_is_what_was_prepared(tmp_path: Path) -> None:
    made = case(tmp_path, "binary", weighted=True)
    matrix = training_matrix(made.frame, made.rows, made.context())
    fold = next(iter(matrix.folds(made.summary)))
    whole = replace(folds.prepare(matrix, made.preparation, fold), warnings=("first", "zweite: ä"))
    folds.write_fold(whole, tmp_path / "fold")
    mapped = folds.read_fold(tmp_path / "fold", matrix, fold)
    for name in ("train", "validation", "target", "truth", "weight", "truth_weight"):
        array = getattr(mapped, name)
        np.testing.assert_array_equal(array, getattr(whole, name))
        assert not array.flags.writeable, name
        assert not getattr(whole, name).flags.writeable, name
    assert mapped.train.flags.c_contiguous
    assert whole.train.flags.c_contiguous
    assert mapped.train.flags.aligned
    assert mapped.warnings == whole.warnings


def test_another_preparation_of_the_same_rows_has_folds_of_its_own_and_so_have_other_libraries(
    prepared: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = case(tmp_path, "binary")
    unscaled = [
        one.model_copy(update={"rule": one.rule.model_copy(update={"scale": "none"})})
        for one in made.preparation.features
    ]
    plain = made.preparation.model_copy(update={"features": tuple(unscaled)})

    def first(preparation: Preparation) -> np.ndarray:
        return next(iter(folds.prepared_folds(made.frame, made.rows, preparation, made.summary, made.context()))).train

    assert not np.array_equal(first(made.preparation), first(plain))
    np.testing.assert_array_equal(first(made.preparation), first(made.preparation))
    assert prepared == [0, 0]
    monkeypatch.setattr(folds, "environment_digest", lambda: "sha256:another")
    first(plain)
    assert prepared == [0, 0, 0]


def test_large_folds_are_not_put_on_disk(prepared: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = case(tmp_path, "binary")
    monkeypatch.setattr(folds, "SHARED_BYTES", 10_000)  # all four together take more
    first = scores_of(made, "sklearn.naive_bayes.GaussianNB", {})
    np.testing.assert_array_equal(scores_of(made, "sklearn.naive_bayes.GaussianNB", {}), first)
    assert prepared == [0, 1, 2, 3] * 2
    assert len(list((tmp_path / "derived").glob("derived/*/*"))) == 1  # the matrix


def test_folds_beyond_the_bound_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "_bench", folds._Bench())
    made = case(tmp_path, "binary")
    first = scores_of(made, "sklearn.naive_bayes.GaussianNB", {})
    (held,) = folds._bench.held.values()
    size = next(iter(held)).size
    monkeypatch.setattr(folds, "KEPT_BYTES", int(size * 2.5))
    monkeypatch.setattr(folds, "_bench", folds._Bench())
    np.testing.assert_array_equal(scores_of(made, "sklearn.naive_bayes.GaussianNB", {}), first)
    np.testing.assert_array_equal(scores_of(made, "sklearn.naive_bayes.GaussianNB", {}), first)
    (held,) = folds._bench.held.values()
    assert len(held._kept) == 2


def test_the_last_matrices_are_at_hand_since_runs_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "_bench", folds._Bench())
    mapped: list[str] = []
    real = folds.training_matrix
    monkeypatch.setattr(folds, "training_matrix", lambda *given: mapped.append(given[0].ref.digest) or real(*given))
    (tmp_path / "data").mkdir()
    runs = [case(tmp_path / "data", "binary", rows=240 + 10 * number) for number in range(4)]
    firsts = [scores_of(one, "sklearn.naive_bayes.GaussianNB", {}) for one in runs[:-1]]
    held = list(folds._bench.held.values())
    assert held[0].whole() is held[0].whole()
    for one, first in zip(runs[:-1], firsts, strict=True):
        np.testing.assert_array_equal(scores_of(one, "sklearn.naive_bayes.GaussianNB", {}), first)
    assert mapped == [one.frame.ref.digest for one in runs[:-1]]
    scores_of(runs[-1], "sklearn.naive_bayes.GaussianNB", {})  # the first of the three gives way
    assert list(folds._bench.held.values())[:-1] == held[1:]
    assert all(one._whole is None for one in held[1:])

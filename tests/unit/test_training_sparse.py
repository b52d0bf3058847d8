"""train.dtype and train.sparse: what is kept, mapped and refused; whole workflows are in test_packaging_verify."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from orchestrator.contracts.data import ColumnPreparation, FeaturesParams
from orchestrator.contracts.documents.data import PreparedColumn
from orchestrator.contracts.errors import DataError, InvalidInput
from orchestrator.contracts.feasibility import FeasibilityParams, TimedCandidate
from orchestrator.contracts.roles import Objective, Threshold
from orchestrator.contracts.training import Rung, SelectParams
from tests.unit.training_case import Case, case
from workers.feasibility.cost import growths
from workers.feasibility.neighbour import reachable_error
from workers.feasibility.samples import Scorer, bounded, whole_score
from workers.features.build import build
from workers.features.preparation import feature_columns
from workers.model_files import load_model, save_model
from workers.training import folds, sparse
from workers.training.select import select
from workers.training.trial import trial

LOGISTIC = "sklearn.linear_model.LogisticRegression"
BAYES = "sklearn.naive_bayes.GaussianNB"
SHOPS, WORDS = 60, 200


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "_bench", folds._Bench())


def wide(folder: Path, kind: str = "binary", **matrix: object) -> Case:
    """A case with a category of sixty values and a text of two hundred words, its target leaning on neither."""
    folder.mkdir()
    made = case(folder, kind, weighted=True)
    dice = np.random.default_rng(1)
    rows = len(made.table)
    made.table["shop"] = pd.array([f"s{value}" for value in dice.integers(0, SHOPS, rows)], dtype="str")
    vocabulary = [f"w{number}" for number in range(WORDS)]
    made.table["words"] = pd.array([" ".join(dice.choice(vocabulary, 4)) for _ in range(rows)], dtype="str")
    category = ColumnPreparation(type="categorical", missing="most_frequent", encode="onehot", scale="none", rare=0)
    rules = {"shop": category, "words": ColumnPreparation(type="text")}
    extra = tuple(PreparedColumn(name=n, source="data", rule=rule, reason="test") for n, rule in rules.items())
    features = (*made.preparation.features, *extra)
    made.preparation = made.preparation.model_copy(update={"features": features, **matrix})
    if matrix.get("dtype") == "float32":
        made.table[["size", "age"]] = made.table[["size", "age"]].astype("float32")
    made.frame = made.artifact(made.table)
    return made


def scores(made: Case, path: str, **other: object) -> np.ndarray:
    found = trial(
        made.frame, made.rows, made.preparation, made.summary, params=made.trial(path, **other), context=made.context()
    )
    return np.array(found.result.scores)


# Linear least squares are solved directly for dense rows and by iteration for sparse ones.
@pytest.mark.parametrize(
    ("kind", "path", "tolerance"),
    [
        ("binary", LOGISTIC, 1e-12),
        ("binary", BAYES, 1e-12),  # takes no sparse matrix
        ("multiclass", LOGISTIC, 1e-6),
        ("regression", "sklearn.linear_model.Lasso", 1e-9),
        ("regression", "sklearn.linear_model.Ridge", 1e-3),
    ],
)
def test_sparse_rows_are_scored_as_dense_ones(kind: str, path: str, tolerance: float, tmp_path: Path) -> None:
    expected = scores(wide(tmp_path / "dense", kind), path)
    found = scores(wide(tmp_path / "sparse", kind, sparse=True), path)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=0)
    held = list(folds._bench.held.values())[-1]  # of the matrix that was used last
    assert issparse(next(iter(held)).train)


def test_a_rung_takes_a_share_of_sparse_rows(tmp_path: Path) -> None:
    third = Rung(number=0, of=2, share=1 / 3, amount=1 / 3)
    dense, thin = wide(tmp_path / "dense"), wide(tmp_path / "sparse", sparse=True)
    np.testing.assert_allclose(scores(thin, LOGISTIC, rung=third), scores(dense, LOGISTIC, rung=third), rtol=1e-12)


@pytest.mark.parametrize("matrix", [{"dtype": "float32"}, {"sparse": True}, {"sparse": True, "dtype": "float32"}])
def test_rows_are_mapped_as_they_were_prepared(matrix: dict, tmp_path: Path) -> None:
    made = wide(tmp_path / "case", **matrix)
    held = folds.prepared_folds(made.frame, made.rows, made.preparation, made.summary, made.context())
    fold = next(iter(held))
    again = folds.prepare(held.matrix, made.preparation, fold.rows)
    mapped = (tmp_path / "case" / "derived").as_posix()
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if mapped in line]
    spans = [tuple(int(side, 16) for side in line[0].split("-")) for line in lines]
    dtype = matrix.get("dtype", "float64")
    for ours, theirs in ((fold.train, again.train), (fold.validation, again.validation)):
        assert ours.dtype == dtype
        for array, whole in zip(sparse.arrays(ours), sparse.arrays(theirs), strict=True):
            np.testing.assert_array_equal(array, whole)
            address = array.__array_interface__["data"][0]
            assert any(low <= address < high for low, high in spans)
            assert not array.flags.writeable
    assert {str(kind) for kind in held.matrix.frame[["size", "age"]].dtypes} == {dtype}
    dense = wide(tmp_path / "dense")
    usual = next(iter(folds.prepared_folds(dense.frame, dense.rows, dense.preparation, dense.summary, dense.context())))
    assert fold.size < usual.size * (0.51 if dtype == "float32" else 0.25)


def test_a_champion_of_sparse_rows_has_its_threshold_and_is_kept(tmp_path: Path) -> None:
    made = wide(tmp_path / "case", sparse=True)
    for path, thin in ((LOGISTIC, True), (BAYES, False)):
        result = trial(
            made.frame, made.rows, made.preparation, made.summary, params=made.trial(path), context=made.context()
        ).result
        params = SelectParams(objective=made.objective, roles=made.roles, seed=7, threshold=Threshold(metric="f1"))
        chosen = select(
            [result], made.frame, made.rows, made.preparation, made.summary, params=params, context=made.context()
        )
        save_model(chosen.model, tmp_path / "m.skops")
        rows = made.table[feature_columns(made.preparation)]
        assert issparse(chosen.model[0].transform(rows)) is thin
        np.testing.assert_array_equal(load_model(tmp_path / "m.skops").predict(rows), chosen.model.predict(rows))
        assert chosen.ranking.threshold is not None


def test_what_takes_no_sparse_matrix_and_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = wide(tmp_path / "case", sparse=True)
    monkeypatch.setattr(sparse, "DENSE_BYTES", 100_000)
    scores(made, LOGISTIC)
    with pytest.raises(
        InvalidInput, match=r"some#1 \(default parameters\): GaussianNB takes no sparse matrix, and 191 rows"
    ):
        scores(made, BAYES)


def test_feasibility_looks_at_sparse_rows(tmp_path: Path) -> None:
    objective = Objective(predict="y", task="classification", metric="accuracy")
    told = []
    for name, thin in (("dense", False), ("sparse", True)):
        made = wide(tmp_path / name, sparse=thin)
        fold = next(iter(folds.prepared_folds(made.frame, made.rows, made.preparation, made.summary, made.context())))
        scorer = Scorer("accuracy", made.preparation, 3)
        taken = bounded(fold, scorer)
        assert issparse(taken.train) is thin
        timed = tuple(TimedCandidate(name=path, estimator=path) for path in (LOGISTIC, BAYES))
        params = FeasibilityParams(objective=objective, roles=made.roles, seed=3, timed=timed)
        assert set(growths(taken, params, scorer)) == {LOGISTIC, BAYES}
        told.append((whole_score(GaussianNB(), taken, scorer), reachable_error([taken], 2, 0.95)))
    assert told[0] == told[1]


def test_sparse_rows_that_point_outside_are_refused(tmp_path: Path) -> None:
    made = wide(tmp_path / "case", sparse=True)
    fold = next(iter(folds.prepared_folds(made.frame, made.rows, made.preparation, made.summary, made.context())))
    model = KNeighborsClassifier().fit(fold.train, fold.target)
    save_model(model, tmp_path / "m.skops")
    load_model(tmp_path / "m.skops")
    model._fit_X.indices = model._fit_X.indices.copy()
    model._fit_X.indices[0] = 1_000_000
    save_model(model, tmp_path / "m.skops")
    with pytest.raises(InvalidInput, match="csr_matrix in it points outside"):
        load_model(tmp_path / "m.skops")


def test_what_an_estimator_takes_is_what_it_says() -> None:
    assert sparse.takes_sparse(LogisticRegression())
    assert not sparse.takes_sparse(GaussianNB())
    assert not sparse.takes_sparse(object())


def features(values: dict[str, object], **matrix: object) -> tuple[pd.DataFrame, object]:
    table = pd.DataFrame({"y": np.arange(200) % 7 * 1.5, **values}).rename_axis(index="row")
    rows = pd.DataFrame({"part": np.where(np.arange(200) % 5 == 0, "test", "train")}, index=table.index)
    objective = Objective(predict="y", task="regression", metric="rmse")
    return build(table, rows, params=FeaturesParams(objective=objective, **matrix))


def test_float32_is_refused_where_numbers_are_too_large_and_tells_where_they_fall_together() -> None:
    dice = np.random.default_rng(0)
    values = {"size": dice.normal(size=200), "stamp": 1.7e9 + dice.permutation(200), "open": np.arange(200) % 2 == 0}
    frame, preparation = features(values, dtype="float32")
    assert {str(frame[name].dtype) for name in ("size", "stamp", "open")} == {"float32"}
    assert frame["__target__"].dtype == "float64"
    reasons = {column.name: column.reason for column in preparation.features}
    assert "float32 cannot tell 98% of its values from others" in reasons["stamp"]
    assert "float32" not in reasons["size"]
    with pytest.raises(DataError, match=r"'size' holds numbers up to 3e\+20, too large for float32"):
        features({"size": np.where(np.arange(200) == 7, 3e20, values["size"])}, dtype="float32")


def test_auto_is_sparse_where_a_tenth_of_the_cells_is_filled_at_most() -> None:
    dice = np.random.default_rng(0)
    kinds = {few: pd.array([f"k{value}" for value in dice.integers(0, few, 200)], dtype="str") for few in (4, 25)}
    numbers = {"size": dice.normal(size=200)}
    assert not features(numbers, sparse="auto")[1].sparse
    assert not features({**numbers, "kind": kinds[4]}, sparse="auto")[1].sparse
    assert features({**numbers, "kind": kinds[25]}, sparse="auto")[1].sparse
    assert features({**numbers, "kind": kinds[4]}, sparse="always")[1].sparse
    assert {"sparse", "dtype"}.isdisjoint(features({**numbers, "kind": kinds[25]})[1].model_dump())

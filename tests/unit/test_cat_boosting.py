"""CatBoost's estimators: whatever the labels and rows, as scikit-learn has them; equal models are equal bytes."""

from __future__ import annotations

import copy
import zipfile
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import VotingClassifier

from orchestrator.contracts.errors import InvalidInput
from orchestrator.spec.quantiles import FITTING
from tests.unit.training_case import case
from workers.cat_boosting import CatBoostClassifier, CatBoostRegressor
from workers.model_files import load_model, save_model
from workers.training.estimators import build
from workers.training.fitting import takes_weights

CAT = "catboost.CatBoostClassifier"
MANNERS = {"thread_count": 1, "verbose": False, "allow_writing_files": False}
SMALL: dict[str, Any] = {**MANNERS, "iterations": 5, "depth": 3}
ROWS, KINDS = load_iris(return_X_y=True)
NAMES = np.array(["10", "9", "x"], dtype=object)[KINDS]


@pytest.mark.parametrize(
    "three",
    [
        ["10", "9", "1e1"],
        ["nan", "True", "1.0"],
        ["", "b", "a"],
        [2**24 + 1, 2**24, 10**17 + 1],
        [2.0, -1.0, 10.0],
        [True, False, True],
    ],
)
def test_labels_come_back_as_they_are_by_scikit_learns_order(three: list[Any]) -> None:
    labels = np.array(three, dtype=object if isinstance(three[0], str) else None)[KINDS]
    model = CatBoostClassifier(**SMALL).fit(ROWS, labels)
    classes, said = model.classes_, model.predict(ROWS)
    assert classes is not None
    assert classes.tolist() == np.unique(labels).tolist()
    assert (said.shape, said.dtype) == (labels.shape, labels.dtype)
    assert np.mean(said == labels) == model.score(ROWS, labels) > 0.9
    np.testing.assert_array_equal(classes[model.predict_proba(ROWS).argmax(axis=1)], said)


def test_it_votes_among_others() -> None:
    voting = VotingClassifier([("one", CatBoostClassifier(**SMALL)), ("two", CatBoostClassifier(**SMALL))])
    assert voting.fit(ROWS, NAMES).score(ROWS, NAMES) > 0.9


def test_sealed_sparse_rows_are_rows() -> None:
    dense = CatBoostClassifier(**SMALL).fit(ROWS, NAMES).predict_proba(ROWS)
    for make in (sparse.csr_matrix, sparse.csr_array):
        rows = make(ROWS)
        for part in (rows.data, rows.indices, rows.indptr):
            part.flags.writeable = False
        model = CatBoostClassifier(**SMALL).fit(rows, NAMES)
        np.testing.assert_array_equal(model.predict_proba(rows), dense)
        assert np.mean(model.predict(rows) == NAMES) > 0.9


def test_a_trial_gives_it_seed_and_manners_unless_it_has_its_own(tmp_path: Path) -> None:
    made = case(tmp_path, "multiclass")
    assert build(made.trial(CAT)).get_params() == {**MANNERS, "random_state": 7}
    own = {"random_seed": 3, "thread_count": 2, "class_weights": [1, 2, 3]}
    assert clone(build(made.trial(CAT, own))).get_params() == {**MANNERS, **own}
    inside = build(made.trial("sklearn.ensemble.BaggingClassifier", {
        "of": [{"name": "cat", "estimator": CAT, "params": {}}]
    }))  # fmt: skip
    assert inside.get_params()["estimator__random_state"] == inside.get_params()["random_state"] == 7
    assert takes_weights(inside)
    with pytest.raises(InvalidInput, match=r"CatBoostClassifier has no parameter 'dept' \(did you mean 'depth'\?\)"):
        build(made.trial(CAT, {"dept": 3}))


def test_the_seed_is_heard() -> None:
    first, again, other = (
        CatBoostRegressor(**SMALL, random_state=seed).fit(ROWS, KINDS).predict(ROWS) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_a_class_that_weighs_more_is_likelier() -> None:
    weight = np.where(NAMES == "x", 100.0, 1.0)
    alike, weighed = (
        CatBoostClassifier(**SMALL).fit(ROWS, NAMES, sample_weight=one).predict_proba(ROWS)[:, 2].mean()
        for one in (None, weight)
    )
    assert weighed > alike


def test_it_fits_the_quantile_that_a_spec_tells_it() -> None:
    told = FITTING["catboost.CatBoostRegressor"].parameters(0.9, {})
    rows, values = load_diabetes(return_X_y=True)
    model = CatBoostRegressor(**{**SMALL, "iterations": 200}, **told).fit(rows, values)
    assert np.mean(values <= model.predict(rows)) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("threads", [1, 2])
def test_it_predicts_by_as_many_threads_as_it_fits_with(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    for name in ("predict", "predict_proba"):
        own = getattr(catboost.CatBoostClassifier, name)
        monkeypatch.setattr(
            catboost.CatBoostClassifier, name, lambda *rows, own=own, **more: asked.append(more) or own(*rows, **more)
        )
    model = CatBoostClassifier(**{**SMALL, "thread_count": threads}).fit(ROWS, NAMES)
    model.predict(ROWS)
    model.predict_proba(ROWS)
    assert asked == [{"thread_count": threads}] * 2


@pytest.mark.parametrize("kind", [CatBoostClassifier, CatBoostRegressor])
def test_equal_models_are_equal_bytes_that_load_as_they_were(kind: type[Any], tmp_path: Path) -> None:
    models = [kind(**SMALL, random_state=1).fit(ROWS, KINDS) for _ in range(2)]
    files = [tmp_path / "one.skops", tmp_path / "two.skops"]
    for model, file in zip(models, files, strict=True):
        save_model(model, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    loaded = load_model(files[0])
    for same in (loaded, copy.deepcopy(loaded)):
        np.testing.assert_array_equal(same.predict(ROWS), models[0].predict(ROWS))
        np.testing.assert_array_equal(same.feature_importances_, models[0].feature_importances_)
        assert same.get_params() == models[0].get_params()
    save_model(loaded, files[1])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_booster_that_its_reader_cannot_parse_is_refused_in_one_line(tmp_path: Path) -> None:
    file, broken = tmp_path / "model.skops", tmp_path / "broken.skops"
    save_model(CatBoostClassifier(**SMALL).fit(ROWS, NAMES), file)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(broken, "w") as target:
        parts = {name: source.read(name) for name in source.namelist()}
        assert sum(b"CBM1" in part for part in parts.values()) == 1
        assert len(parts) == 3  # the booster, what each column changes, and what holds them together
        for name, part in parts.items():
            target.writestr(name, part[: len(part) // 2] if b"CBM1" in part else part)
    with pytest.raises(InvalidInput, match=r"model file broken.skops cannot be read: .+"):
        load_model(broken)

"""The routed model: rows by segment, and its file, which holds nothing that our own list does not name."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.tree import DecisionTreeRegressor

from orchestrator.contracts.errors import InvalidInput, UserCodeError
from workers import model_files
from workers.model_files import load_model, save_model
from workers.routing import RoutedModel


def constant(value: float) -> DummyRegressor:
    return DummyRegressor(strategy="constant", constant=value).fit([[0.0]], [value])


def rows(*numbers: int) -> np.ndarray:
    return np.array([[0.5, number] for number in numbers])


def test_each_row_is_answered_by_its_segment_in_its_own_place():
    model = RoutedModel.of([constant(10), constant(20)], constant(0))
    assert model.predict(rows(1, -1, 0, 1, 7, 0)).tolist() == [20, 0, 10, 20, 0, 10]
    assert model.predict(rows(0)).tolist() == [10]
    assert model.alone().predict(rows(1, -1, 0)).tolist() == [0, 0, 0]


def test_probabilities_stand_by_the_classes_of_all_rows():
    every = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["a", "b", "c"])
    some = LogisticRegression().fit([[0.0], [1.0]], ["c", "a"])
    model = RoutedModel.of([some], every)
    found = model.predict_proba(rows(0, -1))
    assert found[0].tolist() == [some.predict_proba([[0.5]])[0, 0], 0, some.predict_proba([[0.5]])[0, 1]]
    assert found[1].tolist() == every.predict_proba([[0.5]])[0].tolist()


def test_where_one_gives_no_probabilities_none_are_given_and_never_a_decision_function():
    every = LogisticRegression().fit([[0.0], [1.0]], ["a", "b"])
    model = RoutedModel.of([RidgeClassifier().fit([[0.0], [1.0]], ["a", "b"])], every)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "decision_function")
    assert hasattr(RoutedModel.of([], every), "predict_proba")


def test_its_file_is_loaded_without_trusting_anything(tmp_path):
    tree = DecisionTreeRegressor(max_depth=2, random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 2, 3])
    model = RoutedModel.of([tree, constant(5)], constant(0))
    for name in ("one", "two"):
        save_model(model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    loaded = load_model(tmp_path / "one")
    assert loaded.predict(rows(0, 1, -1)).tolist() == model.predict(rows(0, 1, -1)).tolist()


class Stranger:
    def predict(self, features):
        return features


def test_what_is_inside_it_is_judged_like_any_model(tmp_path):
    with pytest.raises(UserCodeError, match="Stranger"):
        save_model(RoutedModel.of([Stranger()], constant(0)), tmp_path / "model")
    tree = DecisionTreeRegressor(max_depth=1, random_state=0).fit([[0.0], [1.0]], [0, 1])
    state = tree.tree_.__getstate__()
    state["nodes"]["left_child"][0] = 99
    tree.tree_.__setstate__(state)
    save_model(RoutedModel.of([tree], constant(0)), tmp_path / "model")
    with pytest.raises(InvalidInput, match="points outside of its own nodes"):
        load_model(tmp_path / "model")


def test_a_model_of_more_parts_than_are_read_again_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(model_files, "_MANY", 1)
    tree = DecisionTreeRegressor(max_depth=2, random_state=0).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(UserCodeError, match=r"would be a file of .* parts, and no more than 1 are read again"):
        save_model(RoutedModel.of([tree], tree), tmp_path / "model")

"""Partial dependence and robustness: what a person would compute by hand, at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import partial_dependence as reference
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.documents.data import Preparation, PreparedColumn
from orchestrator.contracts.documents.evaluation import Evaluation, Robustness
from tests.unit.evaluation_samples import objective
from tests.unit.training_case import case
from tests.unit.whole_case import BINARY, DATA, whole
from workers.evaluation.evidence.dependence import COLUMNS, POINTS, ROWS, partial_dependence
from workers.evaluation.evidence.robustness import COLUMNS as COLUMNS_GONE
from workers.evaluation.evidence.robustness import NOISE, robustness
from workers.features.preparation import learned
from workers.features.rowwise import MISSING

NUMERIC = ColumnPreparation(type="numeric", missing="none", scale="none")


def numbers(kind: str = "regression", names: Sequence[str] = ("a", "b", "c")) -> Preparation:
    features = tuple(PreparedColumn(name=name, source="data", rule=NUMERIC, reason="") for name in names)
    classes = () if kind == "regression" else ("no", "yes")
    return Preparation(features=features, target_kind=kind, classes=classes, positive="yes" if classes else None)  # type: ignore[arg-type]


def table(rows: int = 150) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 3)), columns=["a", "b", "c"])


class Rule(LinearRegression):
    """Answers by a rule that is known, instead of one that is learned."""

    def __init__(self, rule: Callable[[pd.DataFrame], pd.Series]) -> None:
        super().__init__()
        self.rule = rule

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return self.rule(rows).to_numpy(dtype=float)


def test_free_text_has_no_values_to_set_rows_to_so_the_next_column_is_told() -> None:
    given = table().assign(words=[f"message {row}" for row in range(150)])
    text = PreparedColumn(name="words", source="data", rule=ColumnPreparation(type="text"), reason="")
    prepared = numbers().model_copy(update={"features": (*numbers().features, text)})
    model = Rule(lambda rows: rows["a"])
    found = partial_dependence(model, given, prepared, ["words", "a", "b", "c"], seed=0)
    assert [one.feature for one in found] == ["a", "b", "c"]


def test_a_straight_line_is_its_own_partial_dependence_and_no_row_differs() -> None:
    given = table()
    model = LinearRegression().fit(given, 3 * given["a"] - given["b"])
    a, b = partial_dependence(model, given, numbers(), ["a", "b"], seed=0)
    assert np.polyfit(a.x, a.mean, 1)[0] == pytest.approx(3)
    assert np.polyfit(b.x, b.mean, 1)[0] == pytest.approx(-1)
    assert a.low == pytest.approx(a.mean)
    assert a.high == pytest.approx(a.mean)
    assert len(a.x) == POINTS
    assert min(a.x) == pytest.approx(given["a"].quantile(0.05))


def test_it_is_scikit_learns() -> None:
    given = table(ROWS)  # all rows are used
    model = LogisticRegression().fit(given, np.where(given["a"] + given["b"] > 0, "yes", "no"))
    (found,) = partial_dependence(model, given, numbers("binary"), ["a"], seed=0)
    expected = reference(
        model, given, ["a"], kind="average", response_method="predict_proba", custom_values={"a": np.array(found.x)}
    )
    assert found.mean == pytest.approx(expected["average"][0])


def test_the_band_holds_four_of_five_rows_each_set_on_the_curve() -> None:
    given = table()
    product = Rule(lambda rows: rows["a"] * rows["b"])
    a, c = partial_dependence(product, given, numbers(), ["a", "c"], seed=0)
    x, (low, high) = np.array(a.x), np.quantile(given["b"], (0.1, 0.9))
    assert np.subtract(a.high, a.low) == pytest.approx(np.abs(x - x.mean()) * (high - low))
    assert np.ptp(c.mean) == pytest.approx(0)
    assert np.max(np.subtract(c.high, c.low)) == pytest.approx(0)


def test_a_model_without_probabilities_is_asked_for_its_decision_function() -> None:
    given = table()
    model = LinearSVC().fit(given, np.where(given["a"] > given["b"], "yes", "no"))
    (a,) = partial_dependence(model, given, numbers("binary"), ["a"], seed=0)
    assert a.mean == pytest.approx([model.decision_function(given.assign(a=x)).mean() for x in a.x])


def test_the_ten_most_frequent_categories_are_told_of_and_no_more_rows_than_the_bound() -> None:
    letters = [letter for place, letter in enumerate("lkjihgfedcba") for _ in range(12 - place)] * 4
    rule = ColumnPreparation(type="categorical", missing="most_frequent", encode="onehot", scale="none")
    column = PreparedColumn(name="letter", source="data", rule=rule, reason="")
    model = Rule(lambda rows: rows["letter"].map(ord))
    preparation = Preparation(features=(column,), target_kind="regression")
    (found,) = partial_dependence(model, pd.DataFrame({"letter": letters}), preparation, ["letter"], seed=0)
    assert found.categories == tuple("lkjihgfedc")
    assert found.mean == tuple(map(float, map(ord, "lkjihgfedc")))
    assert found.rows == ROWS < len(letters)


def test_categories_gaps_and_more_classes(tmp_path) -> None:
    made = case(tmp_path, "binary")
    names = ["size", "age", "colour"]
    model = learned(made.preparation)
    from sklearn.pipeline import Pipeline

    fitted = Pipeline([("prepare", model), ("model", LogisticRegression())]).fit(
        made.training[names], made.training["__target__"]
    )
    found = partial_dependence(fitted, made.table[names], made.preparation, ["colour", "age"], seed=0)
    assert set(found[0].categories) == {"red", "green", "blue"}
    by_colour = dict(zip(found[0].categories, found[0].mean, strict=True))
    assert by_colour["red"] > by_colour["green"]
    assert not np.isnan(found[1].x).any()
    three = made.preparation.model_copy(update={"target_kind": "multiclass"})
    assert partial_dependence(fitted, made.table[names], three, ["age"], seed=0) == ()


def test_noise_and_gaps_cost_what_they_cost() -> None:
    given = table(600)
    truth = np.where(given["a"] + 0.2 * given["b"] > 0, "yes", "no")
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(given, truth)
    options = {"weights": None, "seed": 0}
    found = robustness(model, given, truth, objective("roc_auc"), numbers("binary"), ["a", "c"], **options)
    noise, gaps = found[: len(NOISE)], found[len(NOISE) :]
    assert [one.size for one in noise] == list(NOISE)
    assert 0 < noise[0].loss < noise[1].loss < noise[2].loss  # type: ignore[operator]
    assert [one.column for one in gaps] == ["a", "c"]
    without = model.predict_proba(given.assign(a=np.nan))[:, 1]
    assert gaps[0].value == pytest.approx(metrics.roc_auc_score(truth == "yes", without))
    assert gaps[0].loss > 0.2  # type: ignore[operator]
    assert abs(gaps[1].loss) < 0.02  # type: ignore[arg-type]
    losses = robustness(model, given, truth, objective("log_loss"), numbers("binary"), ["a"], **options)
    assert losses[-1].loss > 0  # type: ignore[operator]  # worse is positive for errors too


def borne(
    model: Rule, given: pd.DataFrame, preparation: Preparation, columns: Sequence[str] = (), **more: Any
) -> tuple[Robustness, ...]:
    """Of a model whose truth is the column a."""
    options = {"weights": None, "seed": 0, **more}
    return robustness(
        model, given, given["a"].to_numpy(), objective("rmse", classes=False), preparation, columns, **options
    )


def test_noise_is_as_large_as_it_says_in_the_spread_of_the_column() -> None:
    given = table(2000) * 10
    found = borne(Rule(lambda rows: rows["a"]), given, numbers())
    assert [one.value for one in found] == pytest.approx([size * given["a"].std() for size in NOISE], rel=0.05)


def test_rows_count_by_their_weight() -> None:
    given = table(2000)
    wrong = np.arange(2000) % 2 == 1
    given.loc[wrong, "b"] = 1.0
    model = Rule(lambda rows: rows["a"].where(rows["b"] != 1.0, 1e6))
    gone = borne(model, given, numbers(), ["c"], weights=np.where(wrong, 0.0, 1.0))[-1]
    assert gone.value == pytest.approx(0)


def test_dates_get_no_noise_and_a_text_goes_missing_as_one() -> None:
    given = table().assign(said="words")
    date = PreparedColumn(name="a", source="date", rule=NUMERIC, reason="")
    text = PreparedColumn(name="said", source="data", rule=ColumnPreparation(type="text"), reason="")
    number = PreparedColumn(name="b", source="data", rule=NUMERIC, reason="")
    preparation = Preparation(features=(date, number, text), target_kind="regression")
    model = Rule(lambda rows: rows["a"] + (rows["said"] == MISSING))
    *noise, gone = borne(model, given, preparation, ["said"])
    assert [one.value for one in noise] == [0.0] * len(NOISE)
    assert gone.value == pytest.approx(1)


def test_thirty_columns_go_missing_at_the_most() -> None:
    names = ["a", *(f"n{number}" for number in range(COLUMNS_GONE))]
    given = pd.DataFrame(np.random.default_rng(0).normal(size=(50, len(names))), columns=names)
    found = borne(Rule(lambda rows: rows["a"].fillna(0.0)), given, numbers(names=names), names)
    assert [one.column for one in found if one.change == "missing"] == names[:COLUMNS_GONE]


def test_where_the_metric_is_undefined_nothing_is_told() -> None:
    given = table()
    truth = np.array(["yes"] * len(given))
    model = LogisticRegression().fit(given, np.where(given["a"] > 0, "yes", "no"))
    asked = objective("roc_auc"), numbers("binary"), ["a"]
    assert robustness(model, given, truth, *asked, weights=None, seed=0) == ()


def test_an_answer_that_fails_on_some_noise_has_no_value() -> None:
    given, turns = table(), iter(range(100))

    def rule(rows: pd.DataFrame) -> pd.Series:
        if next(turns) == 2:  # as the rows are, then with noise for the second time
            raise ValueError("no")
        return rows["a"]

    found = borne(Rule(rule), given, numbers())
    assert [one.value is None for one in found] == [True, False, False]
    assert found[0].loss is None


def test_a_model_that_cannot_answer_gaps_says_so() -> None:
    given = table()
    truth = (given["a"] + given["b"]).to_numpy()
    found = robustness(
        LinearRegression().fit(given, truth),
        given,
        truth,
        objective("rmse", classes=False),
        numbers(),
        ["a"],
        weights=None,
        seed=0,
    )
    assert found[-1].column == "a"
    assert found[-1].value is None
    assert found[-1].loss is None
    assert found[0].value is not None


def test_a_whole_workflow_tells_of_both(tmp_path) -> None:
    text = BINARY + DATA + "train: {candidates: [{logistic_regression: {fixed: {C: 1.0}}}], search: {folds: 2}}\n"
    made = whole(tmp_path, text, until="evaluate")
    found, evaluation = made.document("evaluate", "details"), made.document("evaluate", "evaluation")
    leaned_on = [one["feature"] for one in evaluation["importance"]]
    assert [one["feature"] for one in found["dependence"]] == leaned_on[:COLUMNS]
    assert [one["column"] for one in found["robustness"] if one["change"] == "missing"] == leaned_on
    assert all(one["value"] is not None for one in found["robustness"])
    assert [one["feature"] for one in found["importance"]] == leaned_on
    for one, ends in zip(evaluation["importance"], found["importance"], strict=True):
        assert ends["low"] <= one["mean"] <= ends["high"]
    known = {name for name, field in Evaluation.model_fields.items() if field.exclude_if is None}
    assert set(evaluation) == known  # 0.1.0, which registers what this release evaluates, knows no other

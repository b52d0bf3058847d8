"""Several labels at once: what is refused, how rows are divided, what learns them, and a whole workflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.base import clone
from sklearn.model_selection import cross_validate
from sklearn.multioutput import MultiOutputClassifier

from orchestrator.contracts.data import SplitParams
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.evaluation import BeatsGate, FreshParams, GatesParams, NotWorseGate
from orchestrator.contracts.roles import Objective
from orchestrator.contracts.training import TrialParams
from tests.unit.label_case import DATA, LABELS, OBJECTIVE, tickets
from tests.unit.spec_case import SMALLEST, problems
from tests.unit.whole_case import Whole, whole
from workers.data.split import SplitOutputs, split
from workers.data.targets import target_of
from workers.evaluation.gates.rival import Rival, against_rival
from workers.evaluation.registered import Given, judge_registered
from workers.evaluation.sample import Sample
from workers.evaluation.units import by_row
from workers.labels import decoded, encoded, strata
from workers.packaging.bundle import Bundle
from workers.training.estimators import build
from workers.training.fitting import fit, takes_weights

SEVERAL = SMALLEST.replace("bought, task: classification", "[bought, city], task: multilabel")
TAGS = Objective(predict=LABELS, task="multilabel", metric="f1_micro")


# — what a spec may say


def test_a_multilabel_objective_has_the_candidates_and_the_split_of_a_classification_and_its_own_metric(tmp_path):
    assert problems(tmp_path, SEVERAL) == []
    assert problems(tmp_path, SEVERAL + "train: {candidates: thorough}\n") == []
    assert problems(tmp_path, SEVERAL.replace("multilabel", "multilabel, metric: f1_macro, goal: 0.8")) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("multilabel}", "classification}", "1:22: several columns are predicted by `task: multilabel`, not by classif"),
        ("[bought, city]", "bought", "1:22: task multilabel predicts several columns, each 0 or 1: `predict: [COLUMN"),
        ("[bought, city]", "[bought]", "1:22: a multilabel objective has 2 to 50 labels, not 1"),
        ("[bought, city]", "[bought, bought]", "1:31: the label 'bought' is given twice"),
        ("[bought, city]", "[bought, cyti]", "1:31: the data has no column 'cyti'"),
        ("multilabel}", "multilabel, metric: roc_auc}", "1:64: the metric roc_auc does not fit a multilabel classific"),
        ("multilabel}", "multilabel, positive: 1}", "1:66: `positive` is for classifications; objective.task is mult"),
        ("multilabel}", "multilabel, threshold: f1}", "1:56: `threshold` is for a target with two classes: take it "),
        ("multilabel}", "multilabel, costs: {false_positive: 2}}", "1:56: `costs` is for a target with two classes: t"),
        ("multilabel}", "multilabel, target: 0.8}", "1:56: `target` is not judged for several labels: write a `goal`"),
    ],
)
def test_what_is_no_set_of_labels_or_of_one_target_alone_is_refused_where_it_stands(tmp_path, old, new, expected):
    found = problems(tmp_path, SEVERAL.replace(old, new))
    assert any(line.startswith(expected) for line in found), found


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("train: {per: when}", "3:9: one model for each value of a column is not made for several labels"),
        ("train: {weights: balanced}", "3:9: there is no one class to balance: give a candidate `class_weight: bal"),
        ("evaluation: {top: [100]}", "3:14: a top is of rows that a model of two classes ranks; these are several"),
        ("gates: [{fairness: recall, groups: when, at_least: 0.8}]", "3:9: fairness compares rates of a target with"),
        (
            "train: {candidates: [{stacking: {of: [ridge, knn]}}]}",
            "3:22: stacking is not made for several labels: take voting, or bagging",
        ),
        ("gates: [accuracy >= 0.8]", "3:9: the metric accuracy does not fit a multilabel classification"),
        ("columns: {ignore: [city]}", "3:20: 'city' is what is predicted: it cannot be in `columns.ignore` too"),
        ("features: {derive: {x: city * 2}}", "3:24: 'x' would be made of 'city', which is what is predicted"),
        ("train: {candidates: [ridge_regression]}", "3:22: unknown estimator 'ridge_regression'"),
    ],
)
def test_what_is_not_done_for_several_labels_is_refused_by_name(tmp_path, more, expected):
    found = problems(tmp_path, SEVERAL + more + "\n")
    assert any(line.startswith(expected) for line in found), found


# — rows and their label sets


def _divided(table: pd.DataFrame, method: str = "stratified", **options: object) -> SplitOutputs:
    return split(table, params=SplitParams(method=method, objective=TAGS, **{"folds": 4, **options}))


@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    return tickets(tmp_path).rename_axis(index="row")


def test_a_label_set_is_one_number_and_back():
    given = np.random.default_rng(1).integers(0, 2, (40, 50))
    assert (decoded(encoded(given), 50) == given).all()
    assert encoded(np.array([[0, 1, 1]])).tolist() == [6]


def test_labels_are_read_from_numbers_and_booleans_and_rows_without_one_are_left_out(table):
    gaps = table.astype({"login": "Float64", "outage": "boolean"})
    gaps.loc[3, "login"] = pd.NA
    gaps.loc[5, "outage"] = pd.NA
    found = target_of(gaps, TAGS)
    assert set(table.index) - set(found.index) == {3, 5}
    expected = table.loc[found.index, list(LABELS)].astype(int).to_numpy()
    assert (decoded(found.to_numpy(), 3) == expected).all()


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("login", "yes", "the label 'login' is 'yes' in rows 1, 2, 3, 4, 5 and 295 more, and a label is 0 or 1"),
        ("login", 2, "the label 'login' is 2 in rows 1, 2, 3, 4, 5"),
        ("outage", True, "the label 'outage' is 1 in every row that has a value: there is nothing to tell apart"),
        ("billing", None, "not all of the columns 'billing, outage, login' have a value in any row"),
    ],
)
def test_what_is_no_label_is_refused_with_a_remedy(table, column, values, words):
    with pytest.raises(DataError) as caught:
        target_of(table.assign(**{column: values}), TAGS)
    assert words in str(caught.value)


def test_a_stratified_split_keeps_the_shares_of_label_sets_in_the_test_and_in_every_fold(table):
    rows = _divided(table).rows
    sets = pd.Series(target_of(table, TAGS), index=rows.index)
    frequent = sets.value_counts().loc[lambda counts: counts >= 20].index
    for name, part in [("test", rows["part"] == "test"), *((str(k), rows["fold"] == k) for k in range(4))]:
        for one in frequent:
            expected = float((sets == one).mean() * part.sum())
            assert abs(int((sets[part] == one).sum()) - expected) <= 1.5, (name, one)


def test_rare_label_sets_go_by_their_rarest_label_and_the_split_says_so(table):
    codes = np.array([1] * 40 + [2] * 40 + [7] * 5 + [6] * 6 + [8] * 3 + [9] * 7 + [0] * 2)
    found = strata(codes, 4, fewest=8, most=50)
    both = [set(found[codes == one]) for one in (6, 7)]
    assert len(both[0]) == 1
    assert both[0] == both[1]  # by the third label, which is the rarer one of both
    assert set(found[codes == 8]) == set(found[codes == 9]) != both[0]  # by the fourth
    assert set(found[codes == 0]) == set(found[codes == 1])  # too few even by themselves: with the most frequent
    assert len(np.unique(strata(codes, 4, fewest=8, most=2))) == 1
    noted = _divided(table).summary.notes
    assert any("are too rare to keep their shares: they go by rarest label" in note for note in noted), noted
    twelve = pd.DataFrame(np.random.default_rng(2).integers(0, 2, (60, 3)), columns=list(LABELS))
    plain = _divided(twelve.rename_axis(index="row"), folds=2, test=0.1).summary.notes
    assert any("too many to keep the shares of: the split is at random" in note for note in plain), plain


def test_a_label_that_is_missing_from_the_test_or_from_what_a_fold_trains_on_is_refused(table):
    rare = table.assign(login=[1] + [0] * 299)
    with pytest.raises(DataError, match=r"label 'login', that 1 of 300 rows have, is . in all rows of") as caught:
        _divided(rare)
    assert "or take the label out" in str(caught.value)


# — what learns them


def _built(path: str) -> object:
    params = TrialParams(candidate="c", estimator=path, index=1, objective=TAGS, seed=5)
    return build(params)


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.tree.DecisionTreeClassifier",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.ensemble.ExtraTreesClassifier",
        "sklearn.neighbors.KNeighborsClassifier",
        "sklearn.neural_network.MLPClassifier",
    ],
)
def test_estimators_that_learn_all_labels_at_once_are_taken_as_they_are(path):
    assert type(_built(path)).__name__ == path.rpartition(".")[2]


@pytest.mark.parametrize("path", ["sklearn.linear_model.LogisticRegression", "lightgbm.LGBMClassifier"])
def test_others_are_fitted_once_for_each_label_with_the_seed_of_the_trial(path):
    built = _built(path)
    assert isinstance(built, MultiOutputClassifier)
    assert built.estimator.random_state == 5
    assert type(built.estimator).__name__ == path.rpartition(".")[2]


@pytest.mark.parametrize(
    ("weighs", "name"), [(True, "linear_model.LogisticRegression"), (False, "neighbors.NearestCentroid")]
)
def test_weights_are_handed_on_to_those_that_take_them(weighs, name):
    assert takes_weights(_built(f"sklearn.{name}")) is weighs


def test_a_vote_is_fitted_without_weights_for_each_label_by_itself():
    one = {"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier", "params": {}}
    params = {"of": [one, one | {"name": "other"}]}
    path = "sklearn.ensemble.VotingClassifier"
    made = build(TrialParams(candidate="c", estimator=path, index=1, params=params, objective=TAGS))
    assert not takes_weights(made)
    rows, labels = np.arange(40.0).reshape(20, 2), np.tile([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0]], (5, 1))
    fit(made, rows, labels, np.ones(20))
    assert made.predict(rows).shape == (20, 3)


# — a whole workflow


def test_a_workflow_of_several_labels_from_raw_rows_to_answers(tmp_path):
    table = tickets(tmp_path)
    made = whole(
        tmp_path,
        f"name: tags\n{OBJECTIVE}{DATA}columns: {{ignore: customer}}\n"
        "train: {candidates: [logistic_regression, {random_forest: {fixed: {n_estimators: 10}}}], search: {folds: 3}}\n"
        "evaluation: {slices: [product], weakest: 1}\n"
        "gates: [f1_micro >= 0.3, 'beats: dummy']\n",
    )
    predictions, evaluation = made.table("evaluate", "predictions"), made.document("evaluate", "evaluation")
    truth, guess, chance = (_part(predictions, part) for part in ("truth", "prediction", "probability"))
    assert (truth == table.loc[predictions.index, list(LABELS)].astype(int).to_numpy()).all()
    found = {name: one["value"] for name, one in evaluation["metrics"].items()}
    assert found["f1_micro"] == pytest.approx(metrics.f1_score(truth, guess, average="micro"))
    assert found["jaccard"] == pytest.approx(metrics.jaccard_score(truth, guess, average="samples", zero_division=0))
    assert found["roc_auc_macro"] == pytest.approx(metrics.roc_auc_score(truth, chance))
    assert [one["label"] for one in evaluation["labels"]] == list(LABELS)
    assert evaluation["dummy"]["subset_accuracy"] == pytest.approx((truth == 0).all(axis=1).mean())
    assert {one["slice"] for one in evaluation["slices"]} == {"product=app", "product=till", "product=web"}
    assert len(evaluation["importance"]) == 3
    verdicts = made.document("gates", "verdicts")
    assert verdicts["passed"], json.dumps(verdicts)
    _scored_as_scikit_learn_scores(made)
    _answers_like_the_run(made.bundle(), table, predictions)
    _compared_with_itself(made, table)
    _judged_again_on_fresh_rows(tmp_path, made)


def _part(predictions: pd.DataFrame, part: str) -> np.ndarray:
    return predictions[[f"{part}_{label}" for label in LABELS]].to_numpy(dtype=float)


def _scored_as_scikit_learn_scores(made: Whole) -> None:
    """As docs/verify.md says it."""
    frame, rows, model = made.table("features", "frame"), made.table("split", "rows"), made.bundle().pipeline
    fold = rows.loc[frame.index, "fold"]
    train = frame[fold >= 0]
    target = (train["__target__"].to_numpy()[:, None] >> np.arange(len(LABELS))) & 1
    fold = fold[fold >= 0]
    folds = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(3)]
    scores = cross_validate(clone(model), train[model.feature_names_in_], target, cv=folds, scoring="f1_micro")
    assert scores["test_score"] == pytest.approx(made.document("select", "ranking")["champion"]["scores"], abs=1e-9)


def _answers_like_the_run(bundle: Bundle, table: pd.DataFrame, predictions: pd.DataFrame) -> None:
    asked = table.loc[predictions.index].drop(columns=list(LABELS))
    answers = bundle.predict(asked)
    assert bundle.signature.output == "labels"
    assert [column.name for column in bundle.signature.inputs] == ["length", "hour", "product"]
    assert list(answers) == [f"{part}_{label}" for part in ("prediction", "probability") for label in LABELS]
    pd.testing.assert_frame_equal(answers, predictions[list(answers)], check_names=False)
    assert list(bundle.predict([])) == [f"prediction_{label}" for label in LABELS]


def _compared_with_itself(made: Whole, table: pd.DataFrame) -> None:
    """A rival by its bundle: on rows that neither has trained on, no better than itself, and not worse by much."""
    path, rows = made.store.fetch(made.outputs["package"]["bundle"]), made.table("split", "rows")
    predictions = made.table("evaluate", "predictions")
    truth, guess, chances = (_part(predictions, part) for part in ("truth", "prediction", "probability"))
    sample = Sample("multilabel", truth, guess, chances, by_row(len(truth)), None, LABELS)
    rival = Rival(path, rows, table, rows, predictions.index)
    gates = (BeatsGate(text="", beats="tags@1"), NotWorseGate(text="", not_worse_than="tags@1", margin=0.2))
    found, evidence = against_rival(rival, sample, 0.95, 300, GatesParams(gates=gates, objective=TAGS))
    assert evidence["rows"] == len(truth)
    assert found is not None
    assert found.value == 0
    other = Sample("multilabel", truth[:, :2], guess[:, :2], chances[:, :2], by_row(len(truth)), None, LABELS[:2])
    none, why = against_rival(rival, other, 0.95, 300, GatesParams(gates=gates, objective=TAGS))
    assert none is None
    assert "with other classes or of another kind" in why["why"]


def _judged_again_on_fresh_rows(folder: Path, made: Whole) -> None:
    """What `cyclery evaluate` does; rows of the training are left out, and so are those that lack a label."""
    known, fresh = pd.read_csv(folder / "tickets.csv"), tickets(folder, 120, "june.csv", seed=8)
    rows = made.table("split", "rows")
    table = pd.concat([fresh.astype({"outage": object}), known.loc[rows.index[rows["part"] == "train"]]])
    table = table.reset_index(drop=True).rename_axis(index="row").astype({"login": "Int64"})
    table.loc[0, "login"] = pd.NA
    table["outage"] = table["outage"].astype(bool)
    params = FreshParams(objective=TAGS, model="tags@1", data="june.csv", resamples=200)
    given = Given(
        bundle=made.store.fetch(made.outputs["package"]["bundle"]), table=table, trained=rows, before=None,
        frame=made.table("features", "frame"), params=params,
    )  # fmt: skip
    found = judge_registered(given)
    assert found.evaluation.rows == 119
    assert "1 rows are left out: they have no billing, outage, login" in found.evaluation.notes
    assert [one.label for one in found.evaluation.labels] == list(LABELS)
    assert found.evaluation.dummy["f1_micro"] is not None
    with pytest.raises(DataError, match=r"june.csv: column 'login' is missing, which tags@1 is judged with"):
        judge_registered(replace(given, table=table.drop(columns="login")))

"""A registered version on rows from elsewhere: judged as in training, on what it never saw, or refused in a line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.contracts.documents.evaluation import Evaluation
from orchestrator.contracts.errors import CycleryError, DataError
from orchestrator.contracts.evaluation import FreshParams
from orchestrator.contracts.roles import Columns
from tests.unit.whole_case import BINARY, DATA, Whole, people, whole
from workers.evaluation.registered import Given, judge_in_own_process, judge_registered

QUANTILE = "objective: {predict: spent, task: regression, quantile: 0.9}\n"
TRAIN = "train: {candidates: [{logistic_regression: {fixed: {C: 1.0}}}], search: {folds: 2}}\n"


@dataclass(frozen=True)
class Made:
    """A packaged model with what its run left."""

    run: Whole
    source: pd.DataFrame

    def given(self, table: pd.DataFrame, **changed: object) -> Given:
        stage = self.run.document("evaluate", "evaluation")
        params = {"objective": self.objective, "model": "flow@1", "data": "june.csv", "resamples": 200}
        outputs = self.run.outputs
        return Given(
            bundle=self.run.store.fetch(outputs["package"]["bundle"]),
            table=table.rename_axis(index="row"),
            trained=self.run.table("split", "rows"),
            before=Evaluation.model_validate(stage),
            frame=self.run.table("features", "frame"),
            params=FreshParams(**{**params, **changed}),
        )

    @property
    def objective(self):
        return self.run.bundle().manifest.objective

    @property
    def test(self) -> pd.DataFrame:
        rows = self.run.table("split", "rows")
        return self.source.loc[rows.index[rows["part"] == "test"]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    run = whole(folder, BINARY + DATA + TRAIN + "prepare: {rename: {income: Income}}\n")
    return Made(run, pd.read_csv(folder / "people.csv"))


def test_the_test_rows_of_its_training_give_the_evaluation_of_its_training(made: Made) -> None:
    found = judge_registered(made.given(made.source, resamples=2000)).evaluation
    then = Evaluation.model_validate(made.run.document("evaluate", "evaluation"))
    assert found.model == "flow@1"
    assert found.before == then.metrics
    assert found.rows == then.rows
    for name, one in then.metrics.items():
        assert found.metrics[name].value == pytest.approx(one.value, rel=1e-9), name
        assert found.metrics[name].low == pytest.approx(one.low, rel=1e-6), name
    assert found.dummy == pytest.approx(then.dummy, nan_ok=True)
    assert found.notes[0] == "240 rows are left out: flow@1 was trained on them"


def test_rows_that_it_was_trained_on_alone_are_refused(made: Made) -> None:
    seen = made.source.drop(index=made.test.index)
    with pytest.raises(DataError, match=r"^june\.csv: all 240 rows with a target are rows that flow@1 was trained on"):
        judge_registered(made.given(seen.reset_index(drop=True)))


def test_an_id_tells_who_was_trained_on_where_the_rest_has_changed(tmp_path: Path) -> None:
    table = people(tmp_path).assign(who=[f"p{number}" for number in range(300)])
    table.to_csv(tmp_path / "people.csv", index=False)
    made = Made(whole(tmp_path, "columns: {id: who}\n" + BINARY + DATA + TRAIN), table)
    older = table.assign(age=table["age"] + 1)
    assert judge_registered(made.given(older, roles=Columns(id="who"))).evaluation.rows == 60
    without = judge_registered(made.given(older.assign(who=older["who"] + "b"), roles=Columns(id="who"))).evaluation
    assert without.rows == 300


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="age"), "june.csv: column 'age' is missing, which flow@1 is judged with (there are:"),
        (lambda t: t.drop(columns=["income", "bought"]), "june.csv: columns 'income', 'bought' are missing, which"),
        (
            lambda t: t.assign(age=t["age"].astype(str).where(t.index != 3, "old")),
            "june.csv: row 4, column 'age': 'old' is not a number",
        ),
        (lambda t: t.assign(bought=t["bought"].where(t.index != 2, "maybe")), "'bought' is 'maybe' in row 3; flow@1 "),
        (lambda t: t.assign(bought=None), "the column 'bought' has no value in any row"),
    ],
)
def test_data_that_does_not_fit_is_refused_in_one_line(made: Made, change, said: str) -> None:
    with pytest.raises(CycleryError) as refused:
        judge_registered(made.given(change(made.source)))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_new_rows_without_a_target_are_left_out_and_one_class_alone_says_what_is_undefined(made: Made) -> None:
    fresh = made.source.assign(age=made.source["age"] + 0.01)
    fresh["bought"] = fresh["bought"].where(fresh["bought"] == "no")
    found = judge_registered(made.given(fresh)).evaluation
    assert found.rows == (made.source["bought"] == "no").sum()
    assert found.metrics["roc_auc"].value is None
    assert found.metrics["accuracy"].value is not None
    assert any("have no bought" in note for note in found.notes)


def test_numbers_where_the_training_had_texts_are_read_as_texts(tmp_path: Path) -> None:
    table = people(tmp_path)
    table["code"] = np.where(np.arange(300) % 50 == 0, "?", (table["age"] // 10).astype(int).astype(str))
    table.to_csv(tmp_path / "people.csv", index=False)
    made = Made(whole(tmp_path, BINARY + DATA + TRAIN), table)
    numbers = made.test[made.test["code"] != "?"]
    as_texts = judge_registered(made.given(numbers)).evaluation
    as_numbers = judge_registered(made.given(numbers.assign(code=numbers["code"].astype(int)))).evaluation
    assert as_texts.metrics == as_numbers.metrics


def test_labels_are_those_of_the_training_however_they_are_written_and_no_row_is_filtered_out(tmp_path: Path) -> None:
    table = people(tmp_path)
    table["bought"] = (table["bought"] == "yes").astype(int)
    table.to_csv(tmp_path / "people.csv", index=False)
    text = BINARY.replace("'yes'", "1") + DATA + TRAIN + "prepare: {filter: age < 70}\n"
    made = Made(whole(tmp_path, text), table)
    trained_on = made.run.table("split", "rows").query("part == 'train'").index
    asked = made.source.drop(index=trained_on)
    as_numbers = judge_registered(made.given(asked)).evaluation
    as_texts = judge_registered(made.given(asked.assign(bought=asked["bought"].astype(str)))).evaluation
    assert as_texts.metrics == as_numbers.metrics
    assert as_numbers.rows == len(asked) > (asked["age"] < 70).sum()
    assert "rows that `prepare` filtered out for training are judged here, as they would be served" in as_numbers.notes


def test_groups_weights_and_slices_are_those_of_the_training(tmp_path: Path) -> None:
    text = "columns: {group: household, weight: weight}\nsplit: {method: group}\n" + BINARY + DATA + TRAIN
    text += "prepare: {rename: {home: household}}\n"
    made = Made(whole(tmp_path, text + "evaluation: {slices: [city]}\n"), people(tmp_path))
    asked = made.given(made.source, roles=Columns(group="household", weight="weight"), slices=({"column": "city"},))
    found = judge_registered(asked).evaluation
    then = Evaluation.model_validate(made.run.document("evaluate", "evaluation"))
    assert [(one.slice, one.rows) for one in found.slices] == [(one.slice, one.rows) for one in then.slices]
    assert found.metrics["accuracy"].value == pytest.approx(then.metrics["accuracy"].value)
    assert any("groups: intervals resample whole groups" in note for note in found.notes)
    with pytest.raises(DataError, match="column 'home' is missing"):
        judge_registered(replace(asked, table=asked.table.drop(columns="home")))


def test_a_quantile_in_time_is_judged_as_one_in_the_order_of_time(tmp_path: Path) -> None:
    text = "columns: {time: day, ignore: bought}\nsplit: {method: time}\n" + QUANTILE + DATA
    made = Made(whole(tmp_path, text + "train: {candidates: [quantile], search: {folds: 2}}\n"), people(tmp_path))
    shuffled = made.source.sample(frac=1.0, random_state=3).reset_index(drop=True)
    found = judge_registered(made.given(shuffled, roles=Columns(time="day")))
    days = pd.to_datetime(shuffled.loc[found.predictions.index, "day"])
    assert days.is_monotonic_increasing
    assert any("blocks of" in note for note in found.evaluation.notes)
    assert found.evaluation.rows == 60
    then = Evaluation.model_validate(made.run.document("evaluate", "evaluation"))
    values = {name: one.value for name, one in then.metrics.items()}
    assert (found.evaluation.quantile, set(values)) == (0.9, {"pinball", "d2_pinball", "coverage"})
    assert {name: one.value for name, one in found.evaluation.metrics.items()} == pytest.approx(values)
    assert found.evaluation.dummy == pytest.approx(then.dummy)


def test_a_process_of_its_own_finds_the_same_and_refuses_in_the_same_line(made: Made, tmp_path: Path) -> None:
    given = made.given(made.source)
    here, alone = judge_registered(given), judge_in_own_process(given, tmp_path)
    assert alone.evaluation == here.evaluation
    pd.testing.assert_frame_equal(alone.predictions, here.predictions, check_names=False)
    with pytest.raises(DataError, match=r"^june\.csv: column 'age' is missing"):
        judge_in_own_process(replace(given, table=given.table.drop(columns="age")), tmp_path)


def test_without_the_training_rows_there_is_no_dummy(made: Made) -> None:
    found = judge_registered(replace(made.given(made.source), frame=None, before=None)).evaluation
    assert found.dummy == {}
    assert found.before == {}
    assert any("there is no dummy" in note for note in found.notes)

"""The split: parts and folds of every method, what they promise, and what is refused."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit, train_test_split

from orchestrator.contracts.data import SplitParams
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.roles import Columns, Objective
from workers.data.split import SplitOutputs, split


def table(**columns: Any) -> pd.DataFrame:
    made = pd.DataFrame(columns)
    made.index = pd.RangeIndex(len(made), name="row")
    return made


def people(count: int = 200, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return table(
        id=[f"p{number}" for number in range(count)],
        y=np.where(random.random(count) < 0.3, "yes", "no"),
        x=random.normal(size=count),
        house=random.integers(0, 40, count),
        when=pd.Timestamp("2024-01-01") + pd.to_timedelta(random.permutation(count), unit="h"),
    )


def made(data: pd.DataFrame, method: str, *, task: str = "classification", **options: Any) -> SplitOutputs:
    roles = {name: options.pop(name) for name in ("id", "group", "time") if name in options}
    objective = Objective(predict=options.pop("predict", "y"), task=task, metric="m")
    params = SplitParams(method=method, objective=objective, columns=Columns(**roles), **options)
    return split(data, params=params)


def refusal(data: pd.DataFrame, method: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        made(data, method, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_rows_are_what_the_architecture_says() -> None:
    data = people()
    rows, summary = made(data, "stratified", id="id")
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == {
        "identity": "uint64",
        "part": "str",
        "fold": "int16",
        "order": "int64",
    }
    assert rows.index.name == "row"
    assert rows.index.equals(data.index)
    assert set(rows["part"]) == {"train", "test"}
    assert (rows["fold"] == -1).equals(rows["part"] == "test")
    assert (summary.train_rows, summary.test_rows, sum(summary.fold_rows)) == (160, 40, 160)
    assert (summary.scheme, summary.folds, summary.left_out) == ("partition", 5, 0)


@pytest.mark.parametrize("method", ["random", "stratified"])
def test_folds_are_those_of_scikit_learn(method: str) -> None:
    data = people()
    rows = made(data, method, seed=7).rows
    labels = data["y"].to_numpy()
    train, test = train_test_split(
        np.arange(200), test_size=0.2, random_state=7, stratify=labels if method == "stratified" else None
    )
    splitter = (StratifiedKFold if method == "stratified" else KFold)(5, shuffle=True, random_state=7)
    assert sorted(rows.index[rows["part"] == "test"]) == sorted(test)
    for fold, (_, validation) in enumerate(splitter.split(train, labels[train])):
        assert sorted(rows.index[rows["fold"] == fold]) == sorted(train[validation])


def test_grouped_folds_are_those_of_scikit_learn() -> None:
    data = people()
    rows = made(data, "group", group="house", seed=3).rows
    train = data.loc[rows["part"] == "train"]
    assert not set(train["house"]) & set(data["house"][rows["part"] == "test"])
    found = made(data.assign(house=data["house"].map(lambda number: f"h{number:02}")), "group", group="house", seed=3)
    assert found.rows["fold"].equals(rows["fold"])
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=3)
    shuffled = {
        frozenset(train.index[validation]) for _, validation in splitter.split(train, train["y"], train["house"])
    }
    assert {frozenset(part.index) for fold, part in rows.groupby("fold") if fold >= 0} == shuffled


def test_folds_in_time_are_those_of_scikit_learn() -> None:
    data = people()
    rows, summary = made(data, "time", task="regression", predict="x", time="when", gap=4)
    ordered = data["when"].sort_values().index
    assert rows.loc[ordered[-40:], "part"].eq("test").all()
    assert summary.left_out == 4
    assert not set(ordered[-44:-40]) & set(rows.index)
    training = ordered[:-44]
    for fold, (train, validation) in enumerate(TimeSeriesSplit(5, gap=4).split(training), 1):
        block = rows["fold"] == fold
        earlier = (rows["fold"] >= 0) & (rows["order"] < rows.loc[block, "order"].min() - 4)
        assert set(rows.index[block]) == set(training[validation])
        assert set(rows.index[earlier]) == set(training[train])
    assert (summary.scheme, summary.folds, summary.fold_rows) == ("expanding", 5, (26,) * 5)


@settings(deadline=None, max_examples=50)
@given(times=st.lists(st.integers(0, 30), min_size=40, max_size=120), gap=st.integers(0, 3))
def test_rows_of_one_time_are_never_on_both_sides(times: list[int], gap: int) -> None:
    data = table(y=np.arange(len(times)) % 7, t=times)
    try:
        rows = made(data, "time", task="regression", time="t", gap=gap, folds=2).rows
    except DataError:
        return
    kept = data.loc[rows.index]
    assert (kept.groupby("t")["t"].transform("size") > 0).all()
    assert rows.groupby(kept["t"])["fold"].nunique().max() == 1
    assert kept["t"][rows["part"] == "train"].max() <= kept["t"][rows["part"] == "test"].min()
    blocks = rows[rows["fold"] >= 0].assign(t=kept["t"]).groupby("fold")["t"]
    assert (blocks.max().to_numpy()[:-1] < blocks.min().to_numpy()[1:]).all()


@settings(deadline=None, max_examples=50)
@given(
    groups=st.lists(st.integers(0, 12), min_size=30, max_size=80),
    seed=st.integers(0, 5),
    task=st.sampled_from(["classification", "regression"]),
)
def test_a_group_is_never_on_both_sides(groups: list[int], seed: int, task: str) -> None:
    data = table(y=np.arange(len(groups)) % 2, g=groups)
    try:
        rows = made(data, "group", task=task, group="g", folds=2, seed=seed).rows
    except DataError:
        return
    assert rows.groupby(data["g"])["fold"].nunique().max() == 1


@settings(deadline=None, max_examples=50)
@given(ids=st.lists(st.integers(0, 1000), min_size=60, max_size=150), more=st.lists(st.integers(0, 2000), max_size=40))
def test_by_hash_a_row_stays_where_it_is_when_others_come(ids: list[int], more: list[int]) -> None:
    before = table(k=ids, y=[float(each) for each in ids])
    after = table(k=[*more, *ids], y=[float(each) for each in [*more, *ids]])
    for roles in ({"id": "k"}, {}):
        try:
            first = made(before, "hash", task="regression", folds=2, **roles).rows
            second = made(after, "hash", task="regression", folds=2, **roles).rows
        except DataError:
            continue
        tail = second.tail(len(ids))
        for name in ("identity", "part", "fold"):
            assert first[name].tolist() == tail[name].tolist()
        assert first.groupby("identity")["fold"].nunique().max() == 1


def test_identities_are_the_same_for_ever() -> None:
    data = table(
        id=["a", "b", None, "d"] * 5,
        n=[1.0, 2.5, None, 4.0] * 5,
        b=[True, False, True, True] * 5,
        d=[pd.Timestamp("2024-01-01")] * 20,
        y=list(range(20)),
    )
    identities = made(data, "random", task="regression", id="id", folds=2).rows["identity"].tolist()

    def hashed(text: str, column: str = "") -> int:
        key = blake2b(column.encode(), digest_size=32).digest()
        return int.from_bytes(blake2b(text.encode(), digest_size=8, key=key).digest(), "big")

    assert identities[:2] == [hashed("a"), hashed("b")]
    content = hashed("true", "b") + hashed("2024-01-01", "d") + hashed("2", "y")  # and no value in `n`
    assert identities[2] == content % 2**64
    assert identities[0] == 17889736759099540746


def test_identities_do_not_hang_on_gaps_elsewhere_or_the_order_of_columns() -> None:
    data = people().assign(n=range(200))
    gap = data.astype({"n": "float64"})
    gap.loc[0, "n"] = np.nan
    gap["new"] = pd.Series([None] * 200, dtype="str")
    first = made(data, "random").rows["identity"]
    second = made(gap[list(reversed(gap.columns))], "random").rows["identity"]
    assert first[0] != second[0]
    assert first[1:].equals(second[1:])


def test_rows_without_a_target_are_in_no_part() -> None:
    data = people()
    data.loc[[3, 9], "y"] = [None, " "]
    rows, summary = made(data, "stratified")
    assert set(data.index) - set(rows.index) == {3, 9}
    assert summary.left_out == 2
    assert summary.notes == ("2 rows have no 'y': they are neither trained on nor tested",)


def test_the_same_id_on_both_sides_is_told() -> None:
    data = people().assign(id=[f"p{number % 20}" for number in range(200)])
    assert (
        "values of 'id' are both in the training rows and in the test" in made(data, "random", id="id").summary.notes[0]
    )
    assert made(data.assign(y=["yes", "no"] * 100), "hash", id="id", folds=2).summary.notes == ()


def test_a_fold_that_lacks_a_class_is_told_and_a_test_that_lacks_one_is_refused() -> None:
    early = table(y=[0, 1] * 30 + [0] * 60 + [0, 1] * 30, t=range(180))
    notes = made(early, "time", time="t").summary.notes
    assert any("class 1 of 'y' is missing from fold 3" in note for note in notes)
    late = table(y=[0] * 150 + [1] * 30, t=range(180))
    assert "class 0 of 'y', in 150 of 180 rows, is missing from the test" in refusal(late, "time", time="t", test=0.1)


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("stratified", {"task": "regression", "predict": "x"}, "stratified is for classes, not for regression"),
        ("group", {}, "the method needs a group column (set columns: {group: …})"),
        ("group", {"group": "hous"}, "group: there is no column 'hous' (did you mean 'house'?)"),
        ("group", {"group": "few"}, "4 groups in 'few' are too few for a test of 0.2 and 5 folds"),
        ("group", {"group": "gap"}, "the group column 'gap' has no value in row 2"),
        ("time", {"time": "id"}, "the time column 'id' holds 'p0', which is no date and no number"),
        ("time", {"time": "same"}, "nearly all rows have the same time"),
        ("time", {"time": "when", "gap": 100}, "(lower"),
        ("random", {"predict": "z"}, "there is no column 'z' to predict"),
        ("random", {"predict": "one"}, "'one' is 1 in every row that has a value"),
        ("random", {"predict": "none"}, "the column 'none' has no value in any row"),
        ("random", {"predict": "x"}, "'x' has 200 different numbers, too many for classes: use task: regression"),
        (
            "random",
            {"predict": "id", "task": "regression"},
            "regression needs numbers in 'id', but it holds 'p0', 'p1'",
        ),
        ("stratified", {"predict": "rare"}, "class 'b' of 'rare' has too few rows to train on: 4, fewer than the 5"),
        ("random", {"test": 0.0}, "test must lie between 0 and 1"),
        ("random", {"folds": 199}, "are too few for a test and 199 folds"),
    ],
)
def test_what_cannot_be_split_is_said_with_a_remedy(method: str, options: dict[str, Any], expected: str) -> None:
    data = people().assign(few=lambda all_: all_["house"] % 4, one=1, same=5, none=np.nan)
    data["gap"] = data["house"].astype("float64").where(data.index != 1)
    data["rare"] = ["b"] * 5 + ["a"] * 195
    assert expected in refusal(data, method, **options)

"""Codecs: values come back from the store as they were, and what cannot be kept is refused in words."""

from __future__ import annotations

import datetime
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.documents.training import RankedTrial, Ranking
from orchestrator.contracts.errors import DataError
from orchestrator.store.artifacts import ArtifactStore
from workers.runtime.codecs import Artifact, Desk, load, save
from workers.runtime.documents import Unstorable, read_document, write_document
from workers.runtime.signature import Slot
from workers.runtime.tables import read_table, write_table


class Inner(BaseModel):
    score: float
    when: datetime.date = datetime.date(2026, 1, 2)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 1 << 30), lambda: tmp_path)


def wide(rows: int = 3) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "text": pd.Series(["a", None, "ü"], dtype="str"),
            "category": pd.Categorical(["x", None, "y"], categories=["z", "y", "x"], ordered=True),
            "numbers": pd.Categorical([3, 1, None], categories=[5, 3, 1]),
            "zoned": pd.to_datetime(["2020-01-01", None, "2020-02-01"]).tz_localize("Europe/Berlin"),
            "date": pd.to_datetime(["2020-01-01", None, "2020-02-01"]),
            "int": np.array([1, 2, 3]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "boolean": pd.array([True, None, False], dtype="boolean"),
            "bool": [True, False, True],
            "float": [1.5, np.nan, 2.0],
            "small": np.array([1, 2, 3], dtype="int16"),
            "hash": np.array([2**63 + 1, 1, 2], dtype="uint64"),
            "nothing": pd.Series([None, None, None], dtype="object"),
            "no text": pd.Series([None, None, None], dtype="str"),
            "all nan": [np.nan] * 3,
        }
    ).set_axis(pd.Index([7, 0, 4], name="row"))
    return frame.iloc[:rows]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_table_comes_back_as_it_was(tmp_path: Path, rows: int) -> None:
    frame = wide(rows)
    assert write_table(frame, tmp_path / "t.parquet") == rows
    assert_frame_equal(read_table(tmp_path / "t.parquet"), frame)


def test_equal_tables_have_equal_bytes_in_another_process(tmp_path: Path) -> None:
    write_table(wide(), tmp_path / "a.parquet")
    code = (
        "import sys; from pathlib import Path; from workers.runtime.tables import read_table, write_table;"
        "a, b = map(Path, sys.argv[1:]); write_table(read_table(a).copy(), b)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.parquet", tmp_path / "b.parquet"], check=True)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert b"pandas_version" not in (tmp_path / "a.parquet").read_bytes()


def test_a_counted_index_is_not_written_and_comes_back_as_row(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"x": [1, 2]}), tmp_path / "t.parquet")
    back = read_table(tmp_path / "t.parquet")
    assert list(back.columns) == ["x"]
    assert back.index.name == "row"
    assert list(back.index) == [0, 1]


def test_rows_survive_a_lost_index_name(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"x": [1, 2]}, index=[4, 9]), tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet").index) == [4, 9]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"x": [1]}, index=pd.Index(["a"], name="city")), r"index \(city\) would be lost.*reset_index"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns named 'a'"),
        (pd.DataFrame(index=[0, 1]), "rows and no column"),
        (pd.DataFrame(index=pd.Index([0, 1], name="row")), "rows and no column"),
        (pd.DataFrame([[1, 2]]), "column name 0 is no text"),
        (pd.DataFrame({"x": [1, "a"]}), "column 'x' holds int and str values"),
        (pd.DataFrame({"x": [object()]}), "column 'x' holds object values"),
        (pd.DataFrame({"__row__": [1]}), "reserved"),
        (pd.DataFrame({"x": [1, 2]}, index=pd.Index([4, 4], name="row")), r"row 5 of the source stands.*reset_index"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "several levels"),
    ],
)
def test_what_a_table_cannot_keep_is_said(tmp_path: Path, frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_table(frame, tmp_path / "t.parquet")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: "\\ud" not in repr(value))


@given(json_values)
def test_documents_come_back(value: Any) -> None:
    assert read_document(write_document(value), Any) == value


def test_documents_take_what_means_json() -> None:
    given = {
        "n": np.float64(0.5),
        "a": np.arange(3),
        "t": (1, 2),
        "m": Inner(score=1.0),
        "d": datetime.date(2026, 1, 2),
    }
    back = read_document(write_document(given), dict)
    assert back == {"n": 0.5, "a": [0, 1, 2], "t": [1, 2], "m": {"score": 1.0, "when": "2026-01-02"}, "d": "2026-01-02"}
    assert read_document(write_document({1: "x"}), dict[int, str]) == {1: "x"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {"b": [1.0, math.nan]}}, r"a\.b\.1 is nan"),
        (Inner(score=math.inf), "score is inf"),
        ({"a": {1, 2}}, "a is of type set"),
        ({"a": np.array([math.nan])}, r"a\.0 is nan"),
        ({1.5: "x"}, "key 1.5 of type float"),
    ],
)
def test_documents_refuse_by_key(value: Any, message: str) -> None:
    with pytest.raises(Unstorable, match=message):
        write_document(value)


def test_every_kind_goes_through_the_store(desk: Desk, tmp_path: Path) -> None:
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    path = tmp_path / "some.bin"
    path.write_bytes(b"abc")
    for value, kind in ((wide(), Kind.TABLE), (model, Kind.MODEL), ({"a": 1}, Kind.JSON), (path, Kind.FILE)):
        assert save(value, Slot("x"), desk).kind is kind
    assert load(save(wide(), Slot("x"), desk), Slot("x", pd.DataFrame), desk).equals(wide())
    assert load(save(model, Slot("x"), desk), Slot("x", LogisticRegression), desk).coef_ == pytest.approx(model.coef_)
    assert load(save(path, Slot("x"), desk), Slot("x", Path), desk).read_bytes() == b"abc"
    inner = load(save(Inner(score=2), Slot("x"), desk), Slot("x", Inner), desk)
    assert inner == Inner(score=2)


def test_handles_load_nothing_and_are_stored_as_what_they_are(desk: Desk) -> None:
    ref = save(wide(), Slot("x"), desk)
    handle = load(ref, Slot("x", Artifact), desk)
    assert handle.ref == ref
    assert read_table(handle.path()).equals(wide())
    assert save(handle, Slot("x", Artifact), desk) == ref


def test_gathered_inputs_are_lists(desk: Desk) -> None:
    refs = tuple(save(Inner(score=n), Slot("x"), desk) for n in (1, 2))
    assert load(refs, Slot("x", list[Inner]), desk) == [Inner(score=1), Inner(score=2)]
    assert [handle.ref for handle in load(refs, Slot("x", list[Artifact]), desk)] == list(refs)
    assert load(save([1, 2], Slot("x"), desk), Slot("x", list[int]), desk) == [1, 2]
    assert load((), Slot("x", list[Inner]), desk) == []


def test_another_kind_than_promised_is_refused(desk: Desk) -> None:
    ref = save({"a": 1}, Slot("x"), desk)
    with pytest.raises(DataError, match="it is a document where the function asks for a table"):
        load(ref, Slot("x", pd.DataFrame), desk)
    with pytest.raises(Unstorable, match="where a table was promised"):
        save({"a": 1}, Slot("x", pd.DataFrame), desk)
    with pytest.raises(Unstorable, match=r"it is of type .*function.*what can be kept is a DataFrame"):
        save(lambda: None, Slot("x"), desk)


def test_a_missing_artifact_is_no_silent_none(desk: Desk) -> None:
    gone = ArtifactRef(kind=Kind.JSON, digest="sha256:" + "0" * 64, size=2)
    with pytest.raises(Exception, match="is not in the store"):
        load(gone, Slot("x", dict), desk)


def test_what_says_nothing_to_an_earlier_release_is_left_out_of_a_document() -> None:
    trial = RankedTrial(rank=1, candidate="a", index=1, params={}, mean=1.0, std=0.0, scores=(1.0,))
    ranking = Ranking(
        metric="r2", greater_is_better=True, rule="best", trials=(trial,), champion=trial, estimator="a", reason="best"
    )
    assert not {"threshold", "weights", "search", "stopped"} & json.loads(write_document(ranking)).keys()
    weighted = ranking.model_copy(update={"weights": "balanced"})
    assert json.loads(write_document(weighted))["weights"] == "balanced"
    assert read_document(write_document(weighted), Ranking) == weighted

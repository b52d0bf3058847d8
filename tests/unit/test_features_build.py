"""Features: the automatic rule of every column, overrides, the frame, and one row the same as many."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.contracts.data import ColumnPreparation, FeaturesParams
from orchestrator.contracts.documents.data import Preparation
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.values import canonical
from workers.features.build import FeaturesOutputs, build
from workers.features.rowwise import featurize, sources

ROWS = 120
WORDS = ["the", "cat", "sat", "on", "a", "mat", "with", "an", "old", "hat"]


def mixed() -> pd.DataFrame:
    """A table of every type of column, with a target."""
    random = np.random.default_rng(0)
    made = pd.DataFrame(
        {
            "number": random.normal(size=ROWS),
            "gappy": np.where(np.arange(ROWS) % 5 == 0, np.nan, random.normal(size=ROWS)),
            "count": random.integers(0, 9, ROWS),
            "flag": random.random(ROWS) < 0.5,
            "maybe": pd.array([None, True, False] * (ROWS // 3), dtype="boolean"),
            "city": pd.array(["Rome", "Oslo", None, " "] * (ROWS // 4), dtype="str"),
            "shop": pd.array([f"shop {number % 31}" for number in range(ROWS)], dtype="str"),
            "when": pd.Timestamp("2024-03-01") + pd.to_timedelta(np.arange(ROWS) * 7, unit="h"),
            "constant": [3] * ROWS,
            "empty": [np.nan] * ROWS,
            "line": np.arange(ROWS) + 100,
            "userID": random.permutation(ROWS) * 17,
            "code": pd.array([f"{number:x}" for number in range(ROWS)], dtype="str"),
            "words": pd.array(
                [f"{number} " + " ".join(random.choice(WORDS, 6)) for number in range(ROWS)], dtype="str"
            ),
            "y": pd.array(["yes", "no"] * (ROWS // 2), dtype="str"),
        }
    )
    made.index = pd.RangeIndex(ROWS, name="row")
    return made


def rows_of(table: pd.DataFrame, test: int = 15) -> pd.DataFrame:
    part = np.where(np.arange(len(table)) >= len(table) - test, "test", "train")
    return pd.DataFrame({"part": part, "fold": np.where(part == "test", -1, 0)}, index=table.index)


def made(table: pd.DataFrame, *, rows: pd.DataFrame | None = None, **options: Any) -> FeaturesOutputs:
    objective = Objective(
        predict=options.pop("predict", "y"),
        task=options.pop("task", "classification"),
        metric="m",
        positive=options.pop("positive", None),
    )
    roles = Columns(**options.pop("roles", {}))
    params = FeaturesParams(objective=objective, roles=roles, **options)
    return build(table, rows_of(table) if rows is None else rows, params=params)


def rule_of(preparation: Preparation, name: str) -> ColumnPreparation:
    return next(column.rule for column in preparation.features if column.name == name)


def refusal(table: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        made(table, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_column_gets_a_rule_or_a_reason() -> None:
    frame, preparation = made(mixed())
    assert [column.name for column in preparation.features] == [
        *("number", "gappy", "count", "flag", "maybe", "city", "shop"),
        *("when_day", "when_weekday", "when_hour"),  # all in one month
    ]
    assert {name: reason.split(":")[0].split(",")[0] for name, reason in preparation.dropped.items()} == {
        "constant": "the same value in all training rows",
        "empty": "no value in the training rows",
        "line": "it numbers the rows",
        "userID": "an identifier",
        "code": "an identifier rather than a category",
        "words": "free text",
    }
    assert rule_of(preparation, "number").missing == "median"
    assert rule_of(preparation, "gappy").missing == "indicator"
    assert rule_of(preparation, "flag") == ColumnPreparation(
        type="boolean", missing="most_frequent", encode="none", scale="none"
    )
    assert rule_of(preparation, "city").encode == "onehot"
    assert rule_of(preparation, "shop").encode == "ordinal"
    assert rule_of(preparation, "when_hour").parts == ("hour",)
    assert all(column.reason for column in preparation.features)
    assert "20.0% missing" in next(column.reason for column in preparation.features if column.name == "gappy")
    assert preparation.booleans == ("flag", "maybe")
    assert (preparation.target_kind, preparation.classes, preparation.positive) == ("binary", ("no", "yes"), "yes")
    assert [*frame.columns] == [*(column.name for column in preparation.features), "__target__"]


def test_the_frame_holds_floats_and_texts_and_the_roles() -> None:
    table = mixed().assign(w=1.5, g=lambda all_: all_["count"])
    frame, _ = made(table, roles={"weight": "w", "group": "g", "time": "when", "id": "code", "ignore": ["number"]})
    assert {
        str(dtype) for name, dtype in frame.items() for dtype in [dtype.dtype] if not str(name).startswith("__")
    } == {
        "float64",
        "str",
    }
    assert {name: str(frame[name].dtype) for name in frame if name.startswith("__")} == {
        "__target__": "str",
        "__weight__": "float64",
        "__group__": "str",
        "__time__": "datetime64[us]",
    }
    assert not {"number", "when_hour", "w", "g"} & set(frame.columns)
    assert frame["maybe"].fillna(-1).tolist()[:3] == [-1.0, 1.0, 0.0]
    assert frame["city"].isna().tolist()[:4] == [False, False, True, True]
    assert frame.index.equals(table.index)


def test_rules_come_from_training_rows_alone() -> None:
    table = mixed()
    changed = table.copy()
    test = table.index[-15:]
    changed.loc[test, "number"] = np.nan
    changed.loc[test, "constant"] = 9
    changed.loc[test, "city"] = [f"town {number}" for number in range(15)]
    changed.loc[test, "empty"] = 1.0
    assert made(changed).preparation == made(table).preparation


def test_infinite_and_huge_numbers_are_missing() -> None:
    table = mixed()
    table.loc[[0, 1, 2], "number"] = [np.inf, -np.inf, 1.7e308]
    assert made(table).frame["number"].isna().sum() == 3


def test_columns_can_be_overridden() -> None:
    given = {
        "count": ColumnPreparation(encode="onehot", rare=0),
        "gappy": ColumnPreparation(missing="constant", fill=0, scale="robust"),
        "words": ColumnPreparation(type="text"),
        "code": ColumnPreparation(type="categorical"),
        "when": ColumnPreparation(parts=("elapsed",)),
        "flag": ColumnPreparation(type="drop"),
        "line": ColumnPreparation(type="numeric"),
    }
    frame, preparation = made(mixed(), columns=given)
    assert rule_of(preparation, "count").type == "categorical"
    assert frame["count"].iloc[0] == str(mixed()["count"].iloc[0])
    assert rule_of(preparation, "gappy").fill == 0.0
    assert rule_of(preparation, "words").type == "text"
    assert rule_of(preparation, "code").encode == "ordinal"
    assert preparation.dates == {"when": ("elapsed",)}
    assert frame["when_elapsed"].diff().iloc[1] == pytest.approx(7 / 24)
    assert preparation.dropped["flag"] == "left out by features.columns"
    assert "line" in frame


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("numbr", {}, "no column 'numbr' (did you mean 'number'?)"),
        ("y", {}, "'y' is the target or has a role"),
        ("number", {"rare": 5}, "rare means nothing for a numeric column"),
        ("city", {"encode": "none"}, "a category cannot enter a model as it is"),
        ("city", {"missing": "median"}, "categories have no median"),
        ("city", {"rare": 1.5}, "rare is a share between 0 and 1, or a whole number of rows"),
        ("number", {"missing": "constant"}, "missing: constant needs a number in fill"),
        ("number", {"fill": 3}, "fill means nothing for missing: automatic"),
        ("number", {"missing": "none", "scale": "robust"}, "a scale needs all values"),
        ("number", {"parts": ["year"]}, "parts means nothing for a numeric column"),
        ("words", {"type": "text", "scale": "standard"}, "scale means nothing for a text column"),
        ("city", {"type": "numeric"}, "column 'city': 'Rome' is not a number"),
        ("city", {"type": "boolean"}, "column 'city': 'Rome' is not a truth"),
        ("city", {"type": "date"}, "'Rome' is not a date"),
    ],
)
def test_an_override_that_cannot_be_is_refused(name: str, given: dict[str, Any], expected: str) -> None:
    assert expected in refusal(mixed(), columns={name: ColumnPreparation(**given)})


def test_derived_columns_may_use_one_another_in_any_order() -> None:
    derive = {"a": "b * 2", "b": "number + 1", "useless": "constant + 1", "late": "hour(when) > 12"}
    frame, preparation = made(mixed(), derive=derive)
    assert frame["a"].tolist() == ((mixed()["number"] + 1) * 2).tolist()
    assert next(column.source for column in preparation.features if column.name == "a") == "derived"
    assert preparation.derive == {name: derive[name] for name in ("a", "b", "late")}
    assert "when" in sources(preparation)
    assert not {"constant", "a", "b"} & set(sources(preparation))


@pytest.mark.parametrize(
    ("derive", "expected"),
    [
        ({"number": "count + 1"}, "'number' is a column already"),
        ({"a": "length(y)"}, "'a' uses 'y', which is not known when predicting"),
        ({"a": "b + 1", "b": "a + 1"}, "a, b use one another in a circle"),
        ({"a": "count +"}, "derive: a: the expression cannot be read"),
        ({"a": "cont + 1"}, "there is no column 'cont' (did you mean 'count'?)"),
        ({"__a__": "count + 1"}, "'__a__' is Cyclery's own name"),
    ],
)
def test_a_derived_column_that_cannot_be_is_refused(derive: dict[str, str], expected: str) -> None:
    assert expected in refusal(mixed(), derive=derive)


def test_targets() -> None:
    table = mixed().assign(
        flagged=lambda all_: all_["flag"], score=[0.0, 1.0] * (ROWS // 2), kind=list("abc") * (ROWS // 3)
    )
    truth = made(table, predict="flagged").preparation
    assert (truth.classes, truth.positive) == ((False, True), True)
    number = made(table, predict="score", positive="0").preparation
    assert (number.classes, number.positive) == ((0, 1), 0)
    assert str(made(table, predict="score").frame["__target__"].dtype) == "int64"
    many = made(table, predict="kind").preparation
    assert (many.target_kind, many.classes, many.positive) == ("multiclass", ("a", "b", "c"), None)
    assert made(table, predict="count", task="regression").preparation.target_kind == "regression"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"positive": "Yes"}, "'y' has no 'Yes' (there are: 'no', 'yes')"),
        ({"predict": "kind", "positive": "a"}, "positive is for two classes, and 'kind' has 3"),
        ({"predict": "number"}, "120 different numbers, too many for classes: use task: regression"),
        (
            {"predict": "y", "task": "regression"},
            "regression needs numbers in 'y', but it holds 'yes', 'no' (rows 1, 2",
        ),
        ({"predict": "when", "task": "regression"}, "regression needs numbers in 'when'"),
        ({"roles": {"weight": "gappy"}}, "'gappy' must be a number of 0 or more"),
        ({"roles": {"weight": "w"}}, "weight: there is no column 'w'"),
        ({"roles": {"ignore": ["cty"]}}, "ignore: there is no column 'cty' (did you mean 'city'?)"),
    ],
)
def test_a_target_or_role_that_does_not_serve_is_refused(options: dict[str, Any], expected: str) -> None:
    assert expected in refusal(mixed().assign(kind=list("abc") * (ROWS // 3)), **options)


def test_rows_without_a_target_never_get_here() -> None:
    table = mixed()
    table.loc[5, "y"] = None
    assert "1 rows of the split are not in the table, or have no 'y'" in refusal(table)
    used = rows_of(table).drop(index=[5])
    assert 5 not in made(table, rows=used).frame.index


def test_text_is_used_after_all_where_there_is_nothing_else() -> None:
    _, preparation = made(mixed()[["words", "code", "y"]])
    assert [column.name for column in preparation.features] == ["words"]
    assert rule_of(preparation, "words").type == "text"
    assert "no column is left to predict from (code: an identifier" in refusal(mixed()[["code", "y"]])


def test_what_is_missing_or_wrong_in_a_raw_row_is_named() -> None:
    preparation = made(mixed()).preparation
    row = mixed().loc[[7]].reset_index(drop=True)
    with pytest.raises(DataError, match="row 1: the column 'city' is missing, which the model needs"):
        featurize(row.drop(columns="city"), preparation)
    with pytest.raises(DataError, match="row 1, column 'number': 'many' is not a number"):
        featurize(row.astype({"number": object}).assign(number="many"), preparation)


@cache
def as_the_bundle_reads_it() -> Preparation:
    columns = {"words": ColumnPreparation(type="text"), "count": ColumnPreparation(encode="onehot")}
    derive = {"ratio": "number / count", "late": "hour(when) > 12", "tag": "upper(city)"}
    preparation = made(mixed(), columns=columns, derive=derive).preparation
    return Preparation.model_validate_json(canonical(preparation.model_dump(mode="json")))


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=5),
    gaps=st.sets(st.sampled_from(["number", "count", "flag", "city", "shop", "when", "words"])),
    unseen=st.text(max_size=4),
)
def test_a_row_gives_the_same_features_alone_as_among_others(rows: list[int], gaps: set[str], unseen: str) -> None:
    preparation = as_the_bundle_reads_it()
    table = mixed().loc[rows].reset_index(drop=True).drop(columns="y")
    table["city"] = table["city"].where(table.index != 0, unseen)
    together = featurize(table, preparation)
    for position in range(len(rows)):
        alone = featurize(table.iloc[[position]], preparation)
        pd.testing.assert_frame_equal(alone, together.iloc[[position]], check_exact=True)
    record = {name: None if name in gaps else value for name, value in table.iloc[0].to_dict().items()}
    raw = featurize(pd.DataFrame([record]), preparation)
    same = [name for name in together if name not in gaps and not gaps & {"number", "count", "when", "city"}]
    pd.testing.assert_frame_equal(raw[same], together.iloc[[0]][same], check_exact=True)
    assert [*raw.dtypes] == [*together.dtypes]

"""Files become tables in types that lose nothing, or are refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.contracts.data import IngestParams
from orchestrator.contracts.documents.data import ColumnProfile
from orchestrator.contracts.errors import DataError
from workers.data.ingest import IngestOutputs, ingest


def read(folder: Path, content: str | bytes, format_: str = "csv", **options: Any) -> IngestOutputs:
    file = folder / "object"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return ingest(file, params=IngestParams(source="s", filename=f"data.{format_}", format=format_, **options))


def table(folder: Path, content: str | bytes, format_: str = "csv", **options: Any) -> pd.DataFrame:
    return read(folder, content, format_, **options).table


def refusal(folder: Path, content: str | bytes, format_: str = "csv", **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, content, format_, **options)
    message = str(caught.value)
    assert message.startswith(f"data.{format_}")
    assert "\n" not in message
    return message


def test_each_type_is_taken_only_where_every_value_has_it(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        "i,f,b,t,d,zip,mixed,whole_gap,big,bool_gap\n"
        "1,1.5,true,x,2024-01-31,01234,1,7,9007199254740993,True\n"
        "2,2,False,y,2024-02-01 10:30,99999,a,,1,\n",
    )
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == {
        "i": "int64",
        "f": "float64",
        "b": "bool",
        "t": "str",
        "d": "datetime64[us]",
        "zip": "str",
        "mixed": "str",
        "whole_gap": "float64",
        "big": "int64",
        "bool_gap": "boolean",
    }
    assert found["zip"].tolist() == ["01234", "99999"]
    assert found["big"].tolist() == [9007199254740993, 1]
    assert found["d"].tolist() == [pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01 10:30")]
    assert found.index.name == "row"
    assert found.index.tolist() == [0, 1]


@pytest.mark.parametrize(
    "values",
    [
        ["9007199254740993", ""],  # beside a gap it would be a float, and another number
        ["99999999999999999999", "1"],
        ["9007199254740993", "0.5"],
        ["2024-02-30", "2024-02-01"],
        ["2024-01-01", "01.02.2024"],
        ["1e999", "1"],
        ["007", "7"],
        ["٣", "4"],
    ],
)
def test_text_stays_text_where_a_type_would_lose_something(tmp_path: Path, values: list[str]) -> None:
    found = table(tmp_path, "c,d\n" + "".join(f"{value},x\n" for value in values))
    assert str(found["c"].dtype) == "str"
    assert found["c"].fillna("").tolist() == values


def test_missing_words_are_missing_and_blank_text_is_kept_for_the_cast(tmp_path: Path) -> None:
    out = read(tmp_path, 'a,b\nNA,1.5\n" ",2\n"",3\nx,null\n')
    assert out.table["a"].isna().tolist() == [True, False, True, False]
    assert out.table["a"][1] == " "
    assert [column.missing for column in out.profile.columns] == [3, 1]
    assert table(tmp_path, "a,b\n-,1\nNA,2\n", missing=["-"])["a"].tolist()[1] == "NA"


def test_a_column_without_any_value_is_empty(tmp_path: Path) -> None:
    out = read(tmp_path, "a,b\n1,\n2,\n")
    assert out.profile.columns[1] == ColumnProfile(name="b", type="empty", missing=2, distinct=0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_their_marks(tmp_path: Path, encoding: str) -> None:
    options = {} if encoding == "utf-8-sig" else {"encoding": encoding}
    assert table(tmp_path, "ö,b\nä,1\n".encode(encoding), **options).columns.tolist() == ["ö", "b"]


def test_delimiter_decimal_quote_and_names(tmp_path: Path) -> None:
    german = table(tmp_path, "a;b\n1,5;x\n-2,25;y\n", delimiter=";", decimal=",")
    assert german["a"].tolist() == [1.5, -2.25]
    quotes = table(tmp_path, 'ham\tsay "hi\nspam\t"free\n', "tsv", quote=None, header=False, names=["label", "text"])
    assert quotes["text"].tolist() == ['say "hi', '"free']
    assert table(tmp_path, "1,2\n3,4\n", header=False).columns.tolist() == ["column_1", "column_2"]
    assert table(tmp_path, "a,b\n1,2\n", names=["x", "y"]).columns.tolist() == ["x", "y"]
    assert table(tmp_path, 'a,b\n"x, and\n""y""",2\n')["a"].tolist() == ['x, and\n"y"']
    assert table(tmp_path, "a, b\n1, +2\n")["b"].tolist() == [2]
    assert table(tmp_path, "\n\na,b\n\n1,2\n").to_dict("list") == {"a": [1], "b": [2]}


@pytest.mark.parametrize("header", ['"date","t"', ',"date","t"', '"","date","t"'])
def test_row_names_without_a_name_in_the_header_are_called_index(tmp_path: Path, header: str) -> None:
    found = table(tmp_path, f'{header}\n"1",2024-01-01,2.5\n"2",2024-01-02,3\n')
    assert found.columns.tolist() == ["index", "date", "t"]
    assert found["index"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("a,b\n1,2\n3,4,5\n6\n", {}, "row 2: 3 fields where the header has 2 (and 1 more such rows)"),
        ("a,b\n1,2\n3\n", {}, "row 2: 1 field where the header has 2"),
        ('a,b\n"x\ny",2\n3\n', {}, "row 2: 1 field where the header has 2"),
        ("1,2\n3\n", {"header": False}, "row 2: 1 field where the first row has 2"),
        ("a,a\n1,2\n", {}, "'a' is there twice, as 1 and 2 (give all names with names:)"),
        ("", {}, "the file is empty"),
        ("a,b\n", {}, "no rows below the header"),
        ("a;b\n1;2\n", {}, "only one column, 'a;b' (set delimiter: ';')"),
        ("a,b\n1,2\n", {"delimiter": ";"}, "(set delimiter: ',')"),
        ("# made by hand\na,b\n1,2\n", {}, "row 1: 2 fields where the header has 1 (give all names with names:)"),
        ("a,,c\n1,2,3\n", {}, "field 2 of the header is empty"),
        ("a,b\n1,2,\n", {}, "row 1: 3 fields where the header has 2"),
        ("a,b\n1,2\n", {"names": ["x"]}, "1 names are given, but row 1 has 2 fields"),
        ('a,b\n1,"x\n2,y\n', {}, "a quote is opened and never closed (set quote: null"),
        (b"a,b\n1,x\n2,\xe4\n", {}, "line 3, column 3: byte 0xe4 is not utf-8 (set encoding:"),
        ("a,b\n1,2\n".encode("utf-16"), {}, "text in utf-16 (set encoding: utf-16)"),
        (b"PAR1....", {}, "Parquet (set format: parquet)"),
        ("a,b\n1,2\n", {"encoding": "klingon"}, "no encoding 'klingon'"),
        ("a,__row__\n1,2\n", {}, "'__row__' is Cyclery's own"),
    ],
)
def test_what_cannot_be_read_is_said_with_row_and_remedy(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], expected: str
) -> None:
    assert expected in refusal(tmp_path, content, **options)


def test_quotes_that_swallow_rows_of_a_tsv_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, 'ham\t"a\nspam\tb"\nham\tc\n', "tsv", header=False)
    assert "row 1: one value in quotes goes over several rows (set quote: null" in message


def test_json_keeps_its_types_and_ragged_keys_are_missing(tmp_path: Path) -> None:
    content = (
        '{"i": 1, "f": 1, "s": "01", "b": true, "d": "2024-01-01", "m": 1}\n\n'
        '{"i": 2, "f": 2.5, "s": "2", "b": false, "d": "2024-01-02", "m": "x", "n": {"b": [1, 2], "a": 0}}\n'
        '{"f": null, "s": "NA", "x": null}\n'
    )
    found = table(tmp_path, content, "jsonl")
    assert [str(dtype) for dtype in found.dtypes] == [
        *("float64", "float64", "str", "boolean", "datetime64[us]", "str", "str", "float64")
    ]
    assert found["s"].fillna("-").tolist() == ["01", "2", "-"]
    assert found["m"].fillna("-").tolist() == ["1", "x", "-"]
    assert found["n"][1] == '{"a": 0, "b": [1, 2]}'


def test_json_records_are_found_by_their_path(tmp_path: Path) -> None:
    content = '{"data": {"rows": [{"a": 1}, {"a": 2}]}, "n": 2}'
    assert table(tmp_path, content, "json", records="data.rows")["a"].tolist() == [1, 2]
    assert table(tmp_path, '[{"a": 10000000000000000000000}]', "json")["a"].tolist() == ["10000000000000000000000"]


@pytest.mark.parametrize(
    ("content", "format_", "options", "expected"),
    [
        ('{"rows": [{"a": 1}]}', "json", {}, "(set records: rows)"),
        ('{"rows": 1}', "json", {"records": "data.rows"}, "no 'data' in the document (there are: rows)"),
        ('[{"a": 1}, 3]', "json", {}, "row 2: an object is needed, not a number"),
        ('{"a": 1}\n{"a": 2}', "json", {}, "one record on each line is format: jsonl"),
        ('{"a": 1}\n{"a": }', "jsonl", {}, "line 2: no valid JSON"),
        ('[{"a": 1, "a": 2}]', "json", {}, "the key 'a' is there twice"),
        ("[]", "json", {}, "holds no rows"),
        (" ", "json", {}, "the file is empty"),
        (b"\xff{}", "jsonl", {}, "not utf-8"),
    ],
)
def test_json_that_is_no_table_is_refused(
    tmp_path: Path, content: str | bytes, format_: str, options: dict[str, Any], expected: str
) -> None:
    assert expected in refusal(tmp_path, content, format_, **options)


def test_parquet_types(tmp_path: Path) -> None:
    source = pa.table(
        {
            "small": pa.array([1, 2], pa.int8()),
            "gap": pa.array([1, None], pa.int64()),
            "huge": pa.array([2**60, None], pa.int64()),
            "unsigned": pa.array([2**63, 1], pa.uint64()),
            "single": pa.array([1.5, None], pa.float32()),
            "text": pa.array(["a", None], pa.large_string()),
            "category": pa.array(["a", "b"]).dictionary_encode(),
            "day": pa.array([0, None], pa.date32()),
            "zone": pa.array([0, 3_600_000_000], pa.timestamp("us", tz="Europe/Berlin")),
            "truth": pa.array([True, None]),
            "list": pa.array([[1, 2], None]),
            "none": pa.nulls(2),
        }
    )
    file = tmp_path / "object"
    pq.write_table(source, file)
    found = ingest(file, params=IngestParams(source="s", filename="data.parquet", format="parquet")).table
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == {
        "small": "int64",
        "gap": "float64",
        "huge": "str",
        "unsigned": "str",
        "single": "float64",
        "text": "str",
        "category": "str",
        "day": "datetime64[us]",
        "zone": "datetime64[us]",
        "truth": "boolean",
        "list": "str",
        "none": "float64",
    }
    assert found["huge"][0] == str(2**60)
    assert found["zone"].tolist() == [pd.Timestamp("1970-01-01"), pd.Timestamp("1970-01-01 01:00")]
    assert found["list"][0] == "[1, 2]"


def test_parquet_that_is_none_or_holds_bytes_is_refused(tmp_path: Path) -> None:
    assert "look at format:" in refusal(tmp_path, "a,b\n1,2\n", "parquet")
    pq.write_table(pa.table({"a": pa.array([b"x"])}), tmp_path / "object")
    assert "'a' holds bytes" in refusal(tmp_path, (tmp_path / "object").read_bytes(), "parquet")


def test_the_profile_says_what_the_columns_hold(tmp_path: Path) -> None:
    profile = read(tmp_path, "n,t,d\n1,b,2024-01-01\n3,a,2024-01-02\n3,a,2024-01-02\n,b,\n").profile
    assert profile.rows == 4
    number, text, date = profile.columns
    assert (number.type, number.missing, number.distinct, number.min, number.max) == ("integer", 1, 2, 1, 3)
    assert number.mean == pytest.approx(7 / 3)
    assert text.top == (("a", 2), ("b", 2))
    assert (date.min, date.max, date.top) == ("2024-01-01", "2024-01-02", (("2024-01-02", 2),))

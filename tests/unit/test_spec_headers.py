"""Column names from the head of each kind of file, without pandas; broken files are said to be so."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.contracts.errors import DataError
from orchestrator.spec.headers import columns_of, format_of
from orchestrator.spec.models import Source
from orchestrator.spec.parquet import parquet_columns


def columns(folder: Path, name: str, content: str | bytes, **more: object) -> tuple[str, ...] | None:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return columns_of(Source(file=name, **more), file)


@pytest.mark.parametrize(
    ("name", "content", "more", "expected"),
    [
        ("a.csv", "a,b\n1,2\n", {}, ("a", "b")),
        ("a.csv", "\ufeffa,b\n", {}, ("a", "b")),
        ("a.csv", '\n\n"a ""x""","b,\nc"\n', {}, ('a "x"', "b,\nc")),
        ("a.csv", "a;b\n", {"delimiter": ";"}, ("a", "b")),
        ("a.csv", '"a",b\n', {"quote": None}, ('"a"', "b")),
        ("a.csv", "größe,b\n".encode("latin-1"), {"encoding": "latin-1"}, ("größe", "b")),
        ("a.csv", "1,2\n", {"header": False, "names": ("x", "y")}, ("x", "y")),
        ("a.tsv", "a b\tc\n", {}, ("a b", "c")),
        ("a.dat", "a\tb\n", {"format": "tsv"}, ("a", "b")),
        ("a.csv", "1,2\n", {"header": False}, ("column_1", "column_2")),
        ("a.csv", " a , b\n1,2\n", {}, ("a", "b")),
        ("a.csv", ",a\n0,1\n", {}, ("index", "a")),
        ("a.csv", "a,b\n0,1,2\n", {}, ("index", "a", "b")),
        ("a.csv", "only\n1\n", {}, ("only",)),
        ("a.jsonl", '{"a": 1}\n\n{"b": 2, "a": 3}\n', {}, ("a", "b")),
        ("a.json", '[{"a": 1, "b": [2]}]', {}, ("a", "b")),
        ("a.json", '{"data": {"rows": [{"a": 1}]}}', {"records": "data.rows"}, ("a",)),
        ("a.json", '[{"a": {"b": 1}}]', {}, ("a",)),
        ("a.bin", "x", {}, None),
    ],
)
def test_columns_are_read_from_the_head(tmp_path, name, content, more, expected):
    assert columns(tmp_path, name, content, **more) == expected


@pytest.mark.parametrize(
    ("name", "content", "more", "words"),
    [
        ("a.csv", "", {}, "the file is empty"),
        ("a.csv", "a;b;c\n", {}, 'set `delimiter: ";"`'),
        ("a.tsv", "a,b\n", {}, 'set `delimiter: ","`'),
        ("a.csv", "größe,b\n".encode("latin-1"), {}, "line 1, column 3: byte 0xf6 is not utf-8 (set encoding:"),
        ("a.csv", "a,b\n", {"encoding": "utf-99"}, "there is no encoding 'utf-99'"),
        ("a.csv", "a" * 1_100_000, {}, "this is no table"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', {}, "line 2 is not JSON"),
        ("a.json", "{", {}, "the file is not JSON"),
        ("a.json", "[" * 100_000, {}, "the file is not JSON"),
        ("a.json", '{"rows": [{"a": 1}]}', {}, "set `records: rows`"),
        ("a.json", '{"rows": 1}', {"records": "row"}, "there is no 'row' in the document"),
        ("a.json", "[1, 2]", {}, "each record must be an object"),
        ("a.json", "[]", {}, "there are no records"),
        ("a.parquet", b"PAR1", {}, "too small"),
        ("a.parquet", b"a" * 50, {}, "not Parquet"),
        ("a.parquet", b"PAR1" + struct.pack("<I", 9999) + b"PAR1", {}, "cut off"),
        ("a.parquet", b"PAR1" + b"\xff" * 20 + struct.pack("<I", 20) + b"PAR1", {}, "cannot be read"),
    ],
)
def test_files_that_cannot_be_read_say_what_to_do(tmp_path, name, content, more, words):
    with pytest.raises(DataError) as caught:
        columns(tmp_path, name, content, **more)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.CSV", "csv"), ("a.tab", "tsv"), ("a.ndjson", "jsonl"), ("a.pq", "parquet"), ("a.xlsx", None), ("a", None)],
)
def test_the_ending_tells_the_format(name, expected):
    assert format_of(Source(file=name)) == expected


def test_what_is_said_counts_more_than_the_ending():
    assert format_of(Source(file="a.csv", format="tsv")) == "tsv"


def test_parquet_columns_are_the_ones_that_pandas_wrote(tmp_path):
    table = pd.DataFrame({f"column {number}": [number, None] for number in range(300)} | {"größe": ["a", "b"]})
    table.to_parquet(tmp_path / "a.parquet")
    assert parquet_columns(tmp_path / "a.parquet") == tuple(table.columns)
    nested = pd.DataFrame({"a": [{"b": {"c": 1, "d": 2}, "e": [1]}], "f": [1], "g": [[{"h": 1}]], "i": ["x"]})
    nested.to_parquet(tmp_path / "b.parquet")
    assert parquet_columns(tmp_path / "b.parquet") == ("a", "f", "g", "i")


def test_a_damaged_footer_ends_in_names_or_a_data_error(tmp_path):
    pd.DataFrame({"a": [1], "b": ["x"]}).to_parquet(tmp_path / "a.parquet")
    raw = (tmp_path / "a.parquet").read_bytes()
    length = struct.unpack("<I", raw[-8:-4])[0]
    for seed in range(400):
        drawn = random.Random(seed)
        footer = bytearray(raw[-8 - length : -8])
        for _ in range(drawn.randint(1, 6)):
            footer[drawn.randrange(len(footer))] = drawn.randrange(256)
        (tmp_path / "b.parquet").write_bytes(b"PAR1" + footer + raw[-8:])
        try:
            names = parquet_columns(tmp_path / "b.parquet")
        except DataError:
            continue
        assert all(isinstance(name, str) for name in names)

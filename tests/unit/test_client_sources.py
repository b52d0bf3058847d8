"""Digests of sources: a file is read again where it may have changed, and not otherwise."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from orchestrator.client.sources import Sources


def old(path: Path, text: str) -> Path:
    path.write_text(text)
    os.utime(path, ns=(time.time_ns() - 10**11,) * 2)
    return path


def test_an_unchanged_file_is_not_read_again(tmp_path):
    path = old(tmp_path / "a.csv", "one")
    first = Sources(tmp_path / "home").digest(path)
    mark = path.stat()
    with path.open("r+") as same_file:
        same_file.write("two")
    os.utime(path, ns=(mark.st_atime_ns, mark.st_mtime_ns))
    assert Sources(tmp_path / "home").digest(path) == first


def test_a_file_that_was_just_written_is_read_each_time(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("one")
    first = Sources(tmp_path / "home").digest(path)
    mark = path.stat()
    with path.open("r+") as same_file:
        same_file.write("two")
    os.utime(path, ns=(mark.st_atime_ns, mark.st_mtime_ns))
    assert Sources(tmp_path / "home").digest(path) != first


@pytest.mark.parametrize("change", ["size", "time", "file"])
def test_any_sign_of_a_change_is_enough(tmp_path, change):
    path = old(tmp_path / "a.csv", "one")
    first = Sources(tmp_path / "home").digest(path)
    mark = path.stat()
    if change == "size":
        path.write_text("longer")
    elif change == "file":
        (tmp_path / "b.csv").write_text("two")
        (tmp_path / "b.csv").replace(path)
    else:
        path.write_text("two")
    if change != "time":
        os.utime(path, ns=(mark.st_atime_ns, mark.st_mtime_ns))
    assert Sources(tmp_path / "home").digest(path) != first


def test_a_damaged_list_of_digests_only_costs_time(tmp_path):
    path = old(tmp_path / "a.csv", "one")
    first = Sources(tmp_path / "home").digest(path)
    (tmp_path / "home" / "digests.json").write_text('{"cut')
    assert Sources(tmp_path / "home").digest(path) == first

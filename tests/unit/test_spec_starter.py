"""Starter projects: real data to the byte, files that load, nothing overwritten."""

from __future__ import annotations

from importlib import resources

import pytest

from orchestrator.contracts.errors import InvalidInput
from orchestrator.spec.loading import load
from orchestrator.spec.starter import EXAMPLES, write_starter
from tests.unit.starter_data import FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-4:]))
def test_the_data_is_scikit_learns_to_the_byte(path):
    assert path.read_bytes() == FILES[path](), "run: python -m tests.unit.starter_data"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_starter_loads_where_it_is_written(tmp_path, name):
    written = write_starter(tmp_path / "new" / "folder", name)
    assert [path.relative_to(tmp_path / "new" / "folder").as_posix() for path in written] == [
        f"{name}.yaml",
        f"data/{name}.csv",
    ]
    assert load(written[0], environment={}).name == name


def test_every_folder_of_starters_is_offered():
    folders = {path.name for path in resources.files("orchestrator").joinpath("starters").iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == set(EXAMPLES)


def test_cancer_is_the_default(tmp_path):
    assert write_starter(tmp_path, None)[0].name == "cancer.yaml"


@pytest.mark.parametrize("existing", ["wine.yaml", "data/wine.csv"])
def test_nothing_is_overwritten_and_nothing_half_written(tmp_path, existing):
    (tmp_path / existing).parent.mkdir(exist_ok=True)
    (tmp_path / existing).write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidInput, match="exists already"):
        write_starter(tmp_path, "wine")
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / existing).read_text(encoding="utf-8") == "mine"


def test_an_unknown_example_and_a_folder_that_cannot_be_are_said(tmp_path):
    with pytest.raises(InvalidInput, match="did you mean 'wine'"):
        write_starter(tmp_path, "wines")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_starter(tmp_path / "file", "wine")

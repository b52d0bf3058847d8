"""Signatures are read from source that is never run."""

from __future__ import annotations

import pytest

from orchestrator.spec.signatures import NotFoundError, Parameter, class_parameters, function_signature, module_file

STAGES = """
raise RuntimeError("this module must not be run")
from typing import NamedTuple
import pandas as pd
from workers import stage
from .deep import shared as borrowed
from pack.deep import Base, Elsewhere
from sklearn.linear_model import Ridge

class Parts(NamedTuple):
    good: pd.DataFrame
    bad: "pd.DataFrame"

@stage("geo", queue="train", rowwise=True, requires=["numpy>=2"])
def geo(customers: pd.DataFrame, other: "dict | None" = None, *, radius_km: float = 5, unit: str) -> pd.DataFrame: ...

def two(table, **anything) -> Parts: ...

async def later(table): ...

@stage("x", queue=QUEUE)
def computed(table): ...

class Plain:
    pass

class Own(Base):
    pass

class OfSklearn(Ridge):
    pass

class Open:
    def __init__(self, depth, *, width=3, **more): ...

class Mixed(ClassifierMixin, BaseEstimator):
    def __init__(self, depth=1, *, width=3): ...
"""
DEEP = """
def shared(table, *, floor=1): ...
class Base:
    def __init__(self, alpha=1.0, beta=2): ...
"""


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "first").mkdir()
    package = tmp_path / "second" / "pack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .stages import geo\n", encoding="utf-8")
    (package / "stages.py").write_text(STAGES, encoding="utf-8")
    (package / "deep.py").write_text(DEEP, encoding="utf-8")
    (package / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (package / "ring.py").write_text("from pack.ring import f\n", encoding="utf-8")
    return [tmp_path / "first", tmp_path / "second"]


def test_a_function_tells_inputs_keywords_and_decorator(folders):
    found = function_signature(folders, "pack.stages:geo")
    assert found.inputs == (Parameter("customers", "pd.DataFrame"), Parameter("other", "dict | None", required=False))
    assert found.keywords == (Parameter("radius_km", "float", required=False), Parameter("unit", "str"))
    assert found.decorator == {"name": "geo", "queue": "train", "rowwise": True, "requires": ["numpy>=2"]}
    assert (found.returns, found.outputs, found.any_keyword) == ("pd.DataFrame", ("result",), False)


def test_a_named_tuple_tells_its_outputs(folders):
    found = function_signature(folders, "pack.stages:two")
    assert (found.outputs, found.output_annotations) == (("good", "bad"), ("pd.DataFrame", "pd.DataFrame"))
    assert found.any_keyword


def test_imports_from_module_to_module_are_followed(folders):
    assert function_signature(folders, "pack:geo").inputs[0].name == "customers"
    assert function_signature(folders, "pack.stages:borrowed").keywords[0].name == "floor"
    assert function_signature(folders, "pack.stages:borrowed").file.name == "deep.py"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("pack.stages:Plain", ()),
        ("pack.stages:Own", ("alpha", "beta")),
        ("pack.stages:OfSklearn", None),
        ("pack.stages:Open", None),
        ("pack.stages:Mixed", ("depth", "width")),
    ],
)
def test_a_class_tells_its_parameters_where_its_source_does(folders, entry, expected):
    assert class_parameters(folders, entry) == expected


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("gone:f", "there is no module 'gone'"),
        ("pack.gone:f", "there is no module 'pack.gone'"),
        ("pack.stages:gone", "pack.stages has no 'gone' (stages.py does not define it)"),
        ("pack.stages:later", "is not a plain function"),
        ("pack.stages:Plain", "is not a plain function"),
        ("pack.stages:computed", "`queue` of @stage must be a plain value"),
        ("pack.broken:f", "broken.py:1: "),
        ("pack.ring:f", "without an end"),
    ],
)
def test_what_is_not_there_is_said(folders, entry, words):
    with pytest.raises(NotFoundError) as caught:
        function_signature(folders, entry)
    assert words in str(caught.value)


def test_the_first_folder_that_has_a_module_counts(folders):
    (folders[0] / "pack").mkdir()
    (folders[0] / "pack" / "stages.py").write_text("def geo(mine): ...\n", encoding="utf-8")
    assert function_signature(folders, "pack.stages:geo").inputs[0].name == "mine"
    assert module_file(folders, "pack") == folders[1] / "pack" / "__init__.py"


def test_odd_escapes_in_a_teams_code_are_no_warnings_of_ours(tmp_path):
    (tmp_path / "odd.py").write_text('DIGITS = "\\d"\n\ndef stage(table): ...\n')
    assert function_signature([tmp_path], "odd:stage").keywords == ()

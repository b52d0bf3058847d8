"""Workflow files, `--set` overrides, settings and expressions."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from orchestrator.cli.connecting import read_settings
from orchestrator.client.planning import plan_checked
from orchestrator.client.workflow import Workflow
from orchestrator.contracts.calls import Plan
from orchestrator.contracts.expressions import parse
from orchestrator.settings import Settings
from tests.fuzz import place
from tests.fuzz.contract import Broken, pieces, target
from workers.data.expressions import evaluate

VARIABLES = {"NAME": "age", "NUMBER": "3", "LIST": "[1, 2]", "EMPTY": "", "BAD": "\x1b[31m", "WIDE": "𝔘\u2028"}
PEOPLE = "id,age,income,city,when,bought\n1,30,12.5,Ulm,2024-01-31,yes\n2,,8,Bern,2024-02-01,no\n"
CODE = '''"""A team's own code."""
from sklearn.base import BaseEstimator

def enrich(people: "pd.DataFrame", *, radius: float = 1.0, token: str = "") -> "pd.DataFrame":
    """A table."""
    return people

class Ours(BaseEstimator):
    """A model."""
    def __init__(self, depth: int = 3) -> None:
        self.depth = depth
'''
SMALLEST = """\
objective: {predict: bought, task: classification, positive: yes}
data: {sources: {people: people.csv}}
train: {candidates: [ridge_classifier, {logistic_regression: {fixed: {C: 1.0}}}]}
"""
OWN = """\
objective: {predict: bought, task: classification}
data: {sources: {people: people.csv}}
stages: [{name: geo, call: 'fuzzed:enrich', after: ingest, with: {radius: 2}}]
train: {candidates: ['fuzzed:Ours': {fixed: {depth: 2}}]}
"""


@cache
def project() -> Path:
    """A folder with data and code that specs may name."""
    folder = place.folder() / "project"
    folder.mkdir()
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "ours.py").write_text(CODE)
    return folder


def planned(text: bytes, overrides: list[str]) -> Plan:
    """The plan of a workflow file with these bytes."""
    path = project() / "flow.yaml"
    path.write_bytes(text)
    workflow = Workflow.load(path, overrides, VARIABLES)
    return plan_checked(workflow, Settings(home=place.folder() / "home"))


@target
def spec(data: bytes) -> None:
    """A workflow file, then overrides, one on a line → a plan that its own JSON gives back."""
    text, overrides = pieces(data, 2)
    plan = planned(text, overrides.decode("utf-8", "replace").split("\n") if overrides else [])
    written = plan.model_dump_json()
    if Plan.model_validate_json(written).model_dump_json() != written:
        raise Broken("the plan is not what its JSON says")


@target
def override(data: bytes) -> None:
    """Overrides of a sound workflow file, one on a line."""
    planned(SMALLEST.encode(), data.decode("utf-8", "surrogateescape").split("\n"))


@target
def team_code(data: bytes) -> None:
    """The source of a team's own module, with a stage and a model in it; it is read, never run."""
    (project() / "fuzzed.py").write_bytes(data)
    planned(OWN.encode(), [])


@target
def settings(data: bytes) -> None:
    """A `cyclery.toml`, then an `.env`, in the working directory."""
    folder = place.folder() / "settings"
    folder.mkdir(exist_ok=True)
    for name, part in zip(("cyclery.toml", ".env"), pieces(data, 2), strict=True):
        (folder / name).write_bytes(part)
    before = Path.cwd()
    os.chdir(folder)
    try:
        found = read_settings()
        _ = found.store_url, found.cache_path
    finally:
        os.chdir(before)


@cache
def table() -> pd.DataFrame:
    """Columns of each kind, with gaps and what no arithmetic likes."""
    return pd.DataFrame(
        {
            "age": [30.0, np.nan, -1.0, 2.0**60],
            "whole": [1, 0, -(2**62), 7],
            "city": pd.Series(["Ulm", None, " ", "٣"], dtype="str"),
            "when": pd.to_datetime(pd.Series(["2024-02-29", None, "1677-09-22", "9999-12-31"])).astype(
                "datetime64[us]"
            ),
            "paid": pd.Series([True, None, False, True], dtype="boolean"),
            "sure": [True, False, True, True],
            "none": [np.nan] * 4,
        }
    )


@target
def expression(data: bytes) -> None:
    """An expression → a column of as many rows as the table, the same for a row alone."""
    text = data.decode("utf-8", "surrogateescape")
    parse(text)
    whole = evaluate(text, table())
    if len(whole) != len(table()):
        raise Broken(f"{len(whole)} values for {len(table())} rows")
    _compare_rows(text, whole)


def _compare_rows(text: str, whole: pd.Series) -> None:
    """A constant column has no kind of its own, so that a row alone may be refused where the column was not."""
    from orchestrator.contracts.errors import DataError

    for row in range(len(whole)):
        with contextlib.suppress(DataError):
            alone = evaluate(text, table().iloc[[row]])
            if not alone.isna().iloc[0] and not whole.isna().iloc[row] and alone.iloc[0] != whole.iloc[row]:
                raise Broken(f"row {row} alone is {alone.iloc[0]!r}, among others {whole.iloc[row]!r}")

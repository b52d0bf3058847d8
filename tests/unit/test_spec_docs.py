"""Every YAML example in the documentation loads and fits the JSON Schema; every key is documented."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel

from orchestrator.contracts.expressions import FUNCTIONS
from orchestrator.contracts.metrics import METRICS
from orchestrator.spec import models, train
from orchestrator.spec.loading import load
from orchestrator.spec.problems import Problems
from orchestrator.spec.reading import read
from orchestrator.spec.schema import schema
from orchestrator.spec.written import Place

ROOT = Path(__file__).parents[2]
COLUMNS = [
    *("customerID", "tenure", "Contract", "MonthlyCharges", "TotalCharges"),
    *("SignedUp", "Household", "Weight", "Churn"),
]
OUR_CODE = {
    "enrich.py": "def geo(customers, *, radius_km=1, token): ...\n\n\ndef audit(ranking): ...\n",
    "gates.py": "def profit(evaluation, predictions, *, least): ...\n",
    "models.py": "class Loyalty:\n    def __init__(self, power=1): ...\n",
}


SECTIONS = {**vars(models), **vars(train)}
MODELS = [value for value in SECTIONS.values() if isinstance(value, type) and issubclass(value, BaseModel)]


def _examples() -> list[tuple[str, str]]:
    found = []
    for page in ("README.md", "docs/spec.md"):
        text = (ROOT / page).read_text(encoding="utf-8") if (ROOT / page).exists() else ""
        for block in re.finditer(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, block.start()) + 2
            if re.search(r"^objective:", block[1], re.MULTILINE):
                found.append((f"{page}:{line}", block[1]))
    return found


def _workflows() -> list[Path]:
    return sorted([*ROOT.glob("orchestrator/starters/*/*.yaml"), *ROOT.glob("examples/*/*.yaml")])


@pytest.fixture
def folder(tmp_path):
    rows = f"{','.join(COLUMNS)}\n{','.join('1' * len(COLUMNS))}\n"
    (tmp_path / "data").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "our_code").mkdir()
    (tmp_path / "data" / "telco.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "data" / "europe.txt").write_text(rows.replace(",", ";"), encoding="utf-8")
    (tmp_path / "data" / "stores.csv").write_text("store,price,promotion,sold\n1,2,0,3\n", encoding="utf-8")
    (tmp_path / "data" / "tickets.csv").write_text("billing,outage,login,product\n1,0,0,web\n", encoding="utf-8")
    (tmp_path / "data" / "bare.csv").write_text("1,2,3\n", encoding="utf-8")
    (tmp_path / "data" / "export.json").write_text('{"data": {"customers": [{"Churn": 1}]}}', encoding="utf-8")
    for name, text in OUR_CODE.items():
        (tmp_path / "our_code" / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("where", "text"), _examples(), ids=[where for where, _ in _examples()])
def test_every_example_in_the_documentation_loads(folder, where, text):
    (folder / "flow.yaml").write_text(text, encoding="utf-8")
    load(folder / "flow.yaml", environment={})
    assert _schema_problems(text) == []


@pytest.mark.parametrize("path", _workflows(), ids=lambda path: path.name)
def test_every_workflow_that_is_shipped_loads_and_fits_the_schema(path):
    load(path, environment={})
    assert _schema_problems(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "objective: {predict: a, tsk: classification}\ndata: {sources: {a: b.csv}}\n",
        "objective: {predict: a, task: clustering}\ndata: {sources: {a: b.csv}}\n",
        "data: {sources: {a: b.csv}}\n",
        "objective: {predict: a, task: regression}\ndata: {sources: {a: b.csv}}\ntrain: {search: {folds: many}}\n",
    ],
)
def test_the_schema_refuses_what_is_wrong(wrong):
    assert _schema_problems(wrong) != []


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert "name" not in schema()["required"]


def _schema_problems(text: str) -> list[str]:
    problems = Problems()
    document = read(text, lambda line, column: Place("x", line + 1, column + 1), {}, problems)
    assert document is not None
    value = json.loads(json.dumps(document.plain()))
    return [error.message for error in jsonschema.Draft202012Validator(schema()).iter_errors(value)]


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_documented(model):
    page = (ROOT / "docs" / "spec.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[A-Za-z_]+", " ".join(re.findall(r"`([^`\n]+)`", page))))
    internal = {"text", "name"}  # a gate's own words; the name of a candidate is its key
    assert _keys(model) - words - internal == set()


def test_every_metric_and_function_is_documented():
    page = (ROOT / "docs" / "spec.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[a-z_0-9]+", page))
    assert set(METRICS) | set(FUNCTIONS) <= words

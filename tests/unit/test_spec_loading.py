"""Workflow files: YAML 1.2 scalars, defaults, short forms and the one form that they stand for."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.spec import scalars
from orchestrator.spec.loading import load
from orchestrator.spec.models import Spec
from tests.unit.spec_case import SMALLEST, loaded, write


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("12", 12),
        ("-7", -7),
        ("0x1F", 31),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("010", "010"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("2024-01-02", "2024-01-02"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1e", "1e"),
        (".", "."),
    ],
)
def test_scalars_are_yaml_1_2(text, value):
    assert scalars.resolve(text) == value
    assert type(scalars.resolve(text)) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.inf", ".nan", "1e999", "1" * 41])
def test_numbers_that_json_cannot_hold_are_refused(text):
    with pytest.raises(ValueError, match="number"):
        scalars.resolve(text)


def test_eight_lines_are_a_workflow(tmp_path):
    spec = load(
        write(
            tmp_path,
            "name: shop\nobjective:\n  predict: bought\n  task: classification\n"
            "data:\n  sources:\n    people:\n      file: people.csv\n",
        ),
        environment={},
    )
    assert [candidate.estimator for candidate in spec.train.candidates] == [
        "sklearn.linear_model.LogisticRegression",
        "sklearn.ensemble.HistGradientBoostingClassifier",
    ]
    assert (spec.split.method, spec.objective.metric, spec.directory) == ("stratified", "balanced_accuracy", tmp_path)


@pytest.mark.parametrize(
    ("objective", "metric", "method"),
    [
        ("{predict: bought, task: classification}", "balanced_accuracy", "stratified"),
        ("{predict: bought, task: classification, positive: 1}", "roc_auc", "stratified"),
        ("{predict: bought, task: regression}", "rmse", "random"),
        ("{predict: bought, task: regression, metric: mae}", "mae", "random"),
    ],
)
def test_defaults_follow_the_objective(tmp_path, objective, metric, method):
    spec = load(write(tmp_path, SMALLEST.replace("{predict: bought, task: classification}", objective)), environment={})
    assert (spec.objective.metric, spec.split.method) == (metric, method)


def test_the_name_is_the_files_by_default(tmp_path):
    assert loaded(tmp_path).name == "flow"
    (tmp_path / "my shop (2).yaml").write_text(SMALLEST, encoding="utf-8")
    assert load(tmp_path / "my shop (2).yaml", environment={}).name == "my-shop-2"


def test_seed_is_everywhere_unless_said_otherwise(tmp_path):
    spec = loaded(tmp_path, "seed: 5\nsplit: {seed: 9}\n")
    assert (spec.seed, spec.split.seed, spec.train.search.seed) == (5, 9, 5)
    assert loaded(tmp_path, "", "seed=3").split.seed == 3


def test_short_forms_stand_for_the_long_ones(tmp_path):
    short = loaded(
        tmp_path,
        "prepare: {drop: city, cast: {age: float}, deduplicate: true, filter: age > 1}\n"
        "features: {columns: {income: numeric}}\ngates: [balanced_accuracy >= 70%, 'beats: dummy']\napprove: true\n"
        "train: {candidates: [svm, {dummy: {}}], timeout: 2m, memory: 1GB}\n",
    )
    long = loaded(
        tmp_path,
        "prepare: {drop: [city], cast: {age: {to: float}}, deduplicate: {}, filter: [age > 1]}\n"
        "features: {columns: {income: {type: numeric}}}\napprove: {}\n"
        "gates: [{text: balanced_accuracy >= 70%, metric: balanced_accuracy, at_least: 0.7}, {beats: dummy}]\n"
        "train: {candidates: [{name: svm, estimator: svc}, {dummy: {estimator: dummy}}], timeout: 120, memory: 1024}\n",
    )
    assert short == long


@pytest.mark.parametrize("word", ["beats", "not_worse_than"])
def test_a_margin_is_written_behind_the_rival_or_by_itself(tmp_path, word):
    forms = (
        f"'{word}: shop@2 by 1%'",
        f"'{word} shop@2 by 0.01'",
        f"{word}: shop@2 by 0.01",
        f"{{{word}: shop@2, margin: 0.01}}",
    )
    gates = [loaded(tmp_path, f"gates: [{form}]\n").gates[0] for form in forms]
    assert {(gate.rival, gate.margin) for gate in gates} == {("shop@2", 0.01)}
    assert gates[-1].text == f"{word}: shop@2 by 0.01"


def test_slices_are_a_column_its_bins_or_its_values(tmp_path):
    asked = "id, {age: [0, 30, 60.5]}, {city: [Ulm, Kiel]}, {column: income, values: [30]}"
    found = loaded(tmp_path, f"evaluation: {{slices: [{asked}], weakest: 3}}\n").evaluation
    assert [(one.column, one.bins, one.values) for one in found.slices] == [
        ("id", None, None),
        ("age", (0, 30, 60.5), None),
        ("city", None, ("Ulm", "Kiel")),
        ("income", None, (30,)),
    ]
    assert found.weakest == 3


def test_a_gate_says_on_which_rows_it_is_judged(tmp_path):
    asked = "{metric: accuracy, at_least: 0.5, slice: city=Ulm}, {not_worse_than: a@1 by 0.1, slices: city}"
    texts = [gate.text for gate in loaded(tmp_path, f"gates: [{asked}]\n").gates]
    assert texts == ["accuracy >= 0.5 on city=Ulm", "not_worse_than: a@1 by 0.1 on each city"]


def test_a_document_reads_back_as_itself(tmp_path):
    gates = "gates: [accuracy >= 0.5, beats: shop@1 by 0.1]\nevaluation: {slices: [{age: [1, 2]}]}\n"
    spec = loaded(tmp_path, f"{gates}prepare: {{cast: {{age: float}}}}\napprove: {{deadline: 7d}}\n")
    assert Spec.model_validate(spec.document()).placed(spec.directory) == spec


def test_text_that_yaml_1_1_would_turn_stays_text(tmp_path):
    checks = "checks: {city: {allowed: [no, on, 12:30, 010, 1e-4]}}"
    text = SMALLEST.replace("{file: people.csv}}", "{file: people.csv}}, " + checks)
    assert load(write(tmp_path, text), environment={}).data.checks["city"].allowed == ("no", "on", "12:30", "010", 1e-4)


def test_keys_are_text_whatever_they_look_like(tmp_path):
    text = SMALLEST.replace("people.csv}}", "people.csv}}, checks: {1: {min: 0}, no: {min: 0}, 010: {min: 0}}")
    spec = load(write(tmp_path, text, header="1,no,010,bought"), environment={})
    assert list(spec.data.checks) == ["1", "no", "010"]


def test_a_section_left_empty_is_a_left_out_one(tmp_path):
    assert loaded(tmp_path, "gates:\nprepare:\n") == loaded(tmp_path)


def test_an_anchor_may_be_used_again(tmp_path):
    spec = loaded(
        tmp_path,
        "train:\n  candidates:\n    - svc: {grid: &g {C: [1, 2]}}\n    - dummy\n"
        "    - {linear: {estimator: linear_svc, grid: *g}}\n",
    )
    assert spec.train.candidates[2].grid == spec.train.candidates[0].grid


def test_loading_is_quick_and_light(tmp_path):
    path = write(tmp_path, SMALLEST)
    load(path, environment={})
    began = time.process_time()
    load(path, environment={})
    assert time.process_time() - began < 0.1  # about 2 ms; the bound bears a busy machine
    code = (
        "import sys; import orchestrator.spec.loading, orchestrator.spec.schema, orchestrator.spec.starter;"
        "print(sorted({'click', 'celery', 'redis', 'pandas', 'numpy', 'sklearn', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"

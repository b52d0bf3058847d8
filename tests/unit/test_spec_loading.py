"""YAML 1.2 scalars, places, configuration and overrides; hostile files end in one quick line."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.contracts.errors import InvalidInput, SpecError
from orchestrator.spec import scalars
from orchestrator.spec.loading import load
from orchestrator.spec.models import Spec
from orchestrator.spec.reading import MAX_BYTES
from tests.unit.spec_case import SMALLEST, found, loaded, problems, write


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


def test_all_problems_are_said_at_once_in_the_order_of_the_file(tmp_path):
    assert problems(
        tmp_path,
        "objective: {predict: bougt, task: clasification}\n"
        "data: {sources: {people: {file: people.csv}}, checks: {agee: {min: x}}}\n"
        "prepare:\n  drop: [city]\n  drop: [age]\n  filter: [incme > 0]\n"
        "train: {canidates: [ridge], search: {folds: five}}\n"
        "deploy: {endpoint: x}\n",
    ) == [
        "1:22: the data has no column 'bougt' (did you mean 'bought'?)",
        (
            "1:35: objective.task should be 'classification', 'regression' or 'multilabel', not 'clasification' "
            "(did you mean 'classification'?)"
        ),
        "2:56: the data has no column 'agee' (did you mean 'age'?)",
        "2:68: 'x' is neither a number nor a date (write dates as '2024-12-31')",
        "5:3: duplicate key 'drop' (first on line 4)",
        "6:12: the data has no column 'incme' (did you mean 'income'?)",
        "7:9: unknown key 'canidates' in train (did you mean 'candidates'?)",
        "7:45: train.search.folds should be a whole number, not 'five'",
        "8:1: `deploy` is not yet available in this version",
    ]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("splt: {}", "3:1: unknown key 'splt' (did you mean 'split'?)"),
        ("split: 3", "3:8: split should be a mapping, not 3"),
        ("split: {test: a fifth}", "3:15: 'a fifth' is not a share (write 0.01, 1% or '<= 1%')"),
        ("split: {test: 2}", "3:15: split.test should be less than 1, not 2"),
        ("split: {seed: true}", "3:15: split.seed should be a whole number, not true"),
        ("split: {seed: 1.5}", "3:15: split.seed should be a whole number, not 1.5"),
        ("split: {folds: 3}", "3:9: unknown key 'folds' in split (the number of folds is `train.search.folds`)"),
        ("columns: {id: [age]}", "3:15: columns.id should be text (quote it), not a list"),
        (
            "prepare: {cast: {age: flot}}",
            (
                "3:23: prepare.cast.age should be 'float', 'integer', 'text', 'boolean' "
                "or 'date', not 'flot' (did you mean 'float'?)"
            ),
        ),
        (
            "train: {candidates: ridge}",
            "3:21: candidates are a list or a preset, and 'ridge' is none (there are: fast, balanced, thorough)",
        ),
        ("train: {search: {folds: 1}}", "3:25: train.search.folds should be at least 2, not 1"),
        ("train: {timeout: soon}", "3:18: 'soon' is not a length of time (write 90s, 10m, 2h or 7d)"),
        ("train: {memory: 5kg}", "3:17: '5kg' is not an amount of memory (write 500MB or 2GB)"),
        ("gates: [accuracy > 0.5]", "3:9: a gate is '>=' or '<=', not '>': 'accuracy > 0.5'"),
        ("gates: [good]", "3:9: 'good' is not a gate (write 'roc_auc >= 0.8' or 'beats: dummy')"),
        (
            "gates: [{metric: accuracy, at_leest: 1}]",
            "3:28: unknown key 'at_leest' in gates (did you mean 'at_least'?)",
        ),
        ("run: {max_parallel: 0}", "3:21: run.max_parallel should be at least 1, not 0"),
        ("name: a b", "3:7: name should be letters, digits, - and _, not 'a b'"),
        ("split: {seed: .inf}", "3:15: .inf is not a finite number (leave the bound out instead)"),
        ("split: !!int {}", "3:8: the YAML tag tag:yaml.org,2002:int has no meaning here"),
        ("split: {? [a] : 1}", "3:11: a key must be text"),
        ("split: {test: 0.2", "4:1: not readable as YAML: did not find expected ',' or '}'"),
        ("split:\n\ttest: 0.2", "4:1: a tab cannot stand here in YAML: indent with blanks"),
        ("---\na: 1", "3:1: a workflow file holds one document: take out '---'"),
    ],
)
def test_each_mistake_is_said_in_words_at_its_place(tmp_path, more, expected):
    lines = found(tmp_path, more + "\n")
    assert expected in lines, lines


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("monitor: {every: 1h}", "3:1: `monitor` is not yet available in this version"),
        ("retrain: {when: [drift]}", "3:1: `retrain` is not yet available in this version"),
        ("features: {search: {tolerance: 1}}", "3:12: `features.search` is not yet available in this version"),
        ("gates: [{stability: 3}]", "3:9: the gate `stability` is not yet available in this version"),
        (
            "approve: {not_author: true}",
            ("3:11: `approve.not_author` needs verified identities, which are not yet available in this version"),
        ),
    ],
)
def test_what_comes_later_is_refused_by_name(tmp_path, more, expected):
    assert found(tmp_path, more + "\n") == [expected]


def test_other_kinds_of_source_are_refused_by_name(tmp_path):
    text = SMALLEST.replace("{file: people.csv}", "{database: postgres, query: select 1}")
    assert problems(tmp_path, text) == [
        "2:27: sources of kind `database` are not yet available in this version (write file: PATH)"
    ]


def test_a_section_left_empty_is_a_left_out_one(tmp_path):
    assert loaded(tmp_path, "gates:\nprepare:\n") == loaded(tmp_path)


def test_variables_are_filled_in_with_the_type_they_would_have_been_written_with(tmp_path):
    spec = loaded(
        tmp_path,
        'train: {search: {folds: "${FOLDS}"}}\nname: ${WHO}-$$1x\n'.replace("-$$1x", "-x"),
        FOLDS="3",
        WHO="ann",
    )
    assert (spec.train.search.folds, spec.name) == (3, "ann-x")
    note = loaded(tmp_path, "approve: {note: 'costs $$5, ${WHO}'}\n", WHO="ann").approve
    assert note is not None
    assert note.note == "costs $5, ann"


def test_a_variable_that_is_not_set_is_one_problem_at_its_place(tmp_path):
    assert found(tmp_path, 'train: {search: {folds: "${FOLDS}"}}\n') == [
        "3:25: the variable FOLDS is not set in the environment"
    ]
    assert found(tmp_path, "split: {test: ${SHARE}}\n", SHARE="0.5") == [
        '3:16: inside {…} and […] quote the variable: "${NAME}"'
    ]


def test_secrets_stand_only_in_with(tmp_path):
    (tmp_path / "own.py").write_text("def f(table, *, token, deep=None): ...\n", encoding="utf-8")
    stage = (
        "stages: [{name: a, call: 'own:f', after: prepare, with: {token: {secret: API_TOKEN}, deep: [{secret: X}]}}]\n"
    )
    assert loaded(tmp_path, stage).stages[0].with_["token"] == {"secret": "API_TOKEN"}
    assert found(tmp_path, "train: {candidates: [{svc: {fixed: {C: {secret: X}}}}]}\n") == [
        '3:40: C of svc should be a number > 0, not {"secret": "X"}',
        "3:41: a secret has no place here (only in `with:` of a stage)",
    ]
    assert found(tmp_path, stage.replace("API_TOKEN", "'a b'")) == [
        "3:74: a secret is named like an environment variable: {secret: API_TOKEN}"
    ]


def test_set_takes_the_place_of_what_the_file_says(tmp_path):
    spec = loaded(
        tmp_path,
        "train:\n  candidates:\n    - svc: {grid: {C: [1]}}\n    - ridge\n",
        "train.search.folds=3",
        "train.candidates.svc.grid.C=[1, 2]",
        "train.candidates[1]=dummy",
        "train.candidates.dummy.fixed.strategy=prior",
        "gates=[accuracy >= 0.5]",
        "split.test=1e-1",
        "prepare.drop=city",
    )
    assert spec.train.search.folds == 3
    assert spec.train.candidates[0].grid["C"].choices == (1, 2)
    assert (spec.train.candidates[1].name, spec.train.candidates[1].fixed) == ("dummy", {"strategy": "prior"})
    assert (len(spec.gates), spec.split.test, spec.prepare.drop) == (1, 0.1, ("city",))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("train.search.folds=x", "--set train.search.folds=x: train.search.folds should be a whole number, not 'x'"),
        ("train.serch.folds=3", "--set train.serch.folds=3: unknown key 'serch' in train (did you mean 'search'?)"),
        ("trian.search.folds=3", "--set trian.search.folds=3: unknown key 'trian' (did you mean 'train'?)"),
        ("train.search", "--set train.search: write it as PATH=VALUE: --set train.search.folds=3"),
        ("=3", "--set =3: write it as PATH=VALUE: --set train.search.folds=3"),
        ("gates[2]=x", "--set gates[2]=x: gates has no '2': it has 1 entries (accuracy >= 0.5)"),
        ("seed.x=3", "--set seed.x=3: seed is 1, which holds no 'x' (set seed as a whole)"),
        ("split={test: [}", "--set split={test: [}: not readable as YAML: did not find expected node content"),
        ("split.test=${X}", "--set split.test=${X}: the variable X is not set in the environment"),
    ],
)
def test_a_wrong_set_is_a_problem_of_that_option(tmp_path, option, expected):
    lines = found(tmp_path, "seed: 1\ngates: [accuracy >= 0.5]\n", option)
    assert lines == [expected]


def test_files_that_are_none_are_said_so(tmp_path):
    for path, words in [
        (tmp_path / "nope.yaml", "no such file"),
        (tmp_path, "is a folder"),
    ]:
        with pytest.raises(InvalidInput, match=words):
            load(path, environment={})
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        load(tmp_path / "latin.yaml", environment={})
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InvalidInput, match="larger"):
        load(tmp_path / "big.yaml", environment={})


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("[1, 2]\n", "a mapping of sections"),
        ("just text\n", "a mapping of sections"),
        ("objective: {}\n", "'data' is missing"),
        ("a: &a [*a]\n", "aliases"),
        ("a: " + "[" * 5000, "levels deep"),
        ("a: \x07", "not readable"),
        (BOMB, "aliases"),
    ],
)
def test_hostile_and_empty_files_are_refused_quickly(tmp_path, text, words):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    began = time.process_time()  # a busy machine is no fault of the file's
    with pytest.raises(SpecError, match=words):
        load(path, environment={})
    assert time.process_time() - began < 2


def test_an_anchor_may_be_used_again(tmp_path):
    spec = loaded(
        tmp_path,
        "train:\n  candidates:\n    - svc: {grid: &g {C: [1, 2]}}\n    - dummy\n"
        "    - {linear: {estimator: linear_svc, grid: *g}}\n",
    )
    assert spec.train.candidates[2].grid == spec.train.candidates[0].grid


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80) | st.text(alphabet="ab:{}[]-?,&*!#|>'\"%@` \n\t0.1$", max_size=80))
def test_any_text_is_a_spec_or_a_list_of_problems(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "x.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidInput):
        load(path, environment={})


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

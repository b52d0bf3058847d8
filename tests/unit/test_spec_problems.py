"""What is wrong with a workflow file: all of it at once, in words, at its place; hostile files too."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.contracts.errors import InvalidInput, SpecError
from orchestrator.spec.loading import load
from orchestrator.spec.reading import MAX_BYTES
from tests.unit.spec_case import SMALLEST, found, problems


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80) | st.text(alphabet="ab:{}[]-?,&*!#|>'\"%@` \n\t0.1$", max_size=80))
def test_any_text_is_a_spec_or_a_list_of_problems(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "x.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidInput):
        load(path, environment={})

"""What a workflow file leaves open: variables, secrets, and `--set`."""

from __future__ import annotations

import pytest

from tests.unit.spec_case import found, loaded


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

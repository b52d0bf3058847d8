"""Gates that are no statistic of the predictions: size, checks, drift, and functions of a team's own."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.client.code import team_code
from orchestrator.contracts.calls import ArtifactRef, Code, Kind
from orchestrator.contracts.documents.data import Finding, Findings
from orchestrator.contracts.documents.evaluation import LOOKS, Spending, Verdict
from orchestrator.contracts.evaluation import ChecksGate, DriftGate, Gate, GatesParams, OwnGate, SizeGate
from orchestrator.plan.fingerprints import Rival
from orchestrator.store.artifacts import ArtifactStore
from tests.unit.evaluation_samples import objective
from tests.unit.plan_case import call, ids, plan_of, ref
from tests.unit.spec_case import found, loaded
from tests.unit.test_evaluation_paired import at_most
from tests.unit.test_gates import CLASSES
from workers.evaluation.gates.stability import difference, stability
from workers.evaluation.gates.verdicts import gates
from workers.runtime.codecs import Artifact

RNG = np.random.default_rng(41)


def verdict(gate: Gate, frame: pd.DataFrame | None = None, **given: object) -> Verdict:
    evaluation, predictions, known, rows = CLASSES
    params = GatesParams(gates=(gate,), objective=objective("accuracy", positive=1), resamples=300)
    judged = known if frame is None else frame
    again = GatesParams.model_validate(params.model_dump(mode="json"))  # as a plan keeps it
    assert again == params
    (one,) = gates(evaluation, predictions, judged, rows, params=again, **given).verdicts.verdicts  # type: ignore[arg-type]
    return one


# — size


@pytest.mark.parametrize(("size", "passed"), [(2048, True), (2049, False)])
def test_a_model_is_as_large_as_its_file(tmp_path: Path, size: int, passed: bool) -> None:
    model = Artifact(
        ArtifactRef(kind=Kind.MODEL, digest="sha256:0", size=size), ArtifactStore(str(tmp_path), tmp_path, 1)
    )
    one = verdict(SizeGate(text="size <= 2KB", size=2048), model=model)
    assert (one.passed, one.evidence["value"], one.evidence["at_most"]) == (passed, size, 2048)
    assert one.sentence.startswith("the model's file has 2")
    assert one.sentence.endswith("and at most 2 KB is asked" if passed else "but at most 2 KB is asked")


def test_what_was_not_at_hand_is_inconclusive() -> None:
    for gate in (SizeGate(text="s", size=1), ChecksGate(text="c")):
        one = verdict(gate)
        assert (one.passed, one.evidence["inconclusive"]) == (False, True)


# — checks

WARNED = Finding(column="age", check="min", expected=">= 0", passed=False, on_failure="warn", failing=3)
KEPT = Finding(column="city", check="missing", expected="<= 1%", passed=True, on_failure="stop")


def test_checks_that_only_warned_refuse_where_a_gate_asks_for_them() -> None:
    known = Findings(findings=(WARNED, KEPT))
    one = verdict(ChecksGate(text="checks: all"), findings=known)
    assert not one.passed
    assert one.sentence == "1 of 2 checks of the data found something: age is not >= 0 in 3 rows"
    assert verdict(ChecksGate(text="checks: city", checks=("city",)), findings=known).passed
    assert not verdict(ChecksGate(text="checks: age", checks=("age",)), findings=known).passed
    nothing = verdict(ChecksGate(text="checks: sex", checks=("sex",)), findings=known)
    assert nothing.evidence["inconclusive"]


# — drift


def columns(rows: int, shift: float = 0.0, share: float = 0.3, missing: float = 0.05) -> pd.DataFrame:
    numbers = pd.Series(RNG.normal(shift, 1, rows)).where(RNG.random(rows) > missing)
    texts = pd.Series(np.where(RNG.random(rows) < share, "a", RNG.choice(["b", "c"], rows)), dtype="str")
    return pd.DataFrame({"number": numbers, "text": texts.where(RNG.random(rows) > 0.1)})


def test_the_stability_index_is_zero_of_the_same_rows_and_known_of_two_values() -> None:
    train = columns(2000)
    assert stability(train["number"], train["number"]) == stability(train["text"], train["text"]) == 0
    before, after = (pd.Series(np.repeat(["a", "b"], counts)) for counts in ([5000, 5000], [8000, 2000]))
    known = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert stability(before, after) == pytest.approx(known, rel=1e-3)


@pytest.mark.parametrize("name", ["number", "text"])
def test_drift_is_seen_in_numbers_values_and_what_is_missing(name: str) -> None:
    train, same = columns(3000), columns(1000)
    for other in (columns(1000, shift=0.7, share=0.6), same.mask(RNG.random((1000, 2)) < 0.4)):
        assert stability(train[name], other[name]) > 0.1 > stability(train[name], same[name])
        assert difference(train[name], other[name]) < 1e-6 < difference(train[name], same[name])


def test_new_and_empty_values_are_counted() -> None:
    train, test = pd.Series(["a"] * 50), pd.Series(["b"] * 50)
    assert stability(train, test) > 1
    assert difference(train, test) < 1e-6
    numbers = pd.Series(np.arange(1000.0))
    assert stability(numbers, numbers.where(numbers >= 100)) > 0.1  # no longer small, but missing
    empty = pd.Series([np.nan] * 50)
    assert stability(empty, empty) == 0
    assert difference(empty, empty) == 1
    assert difference(pd.Series(["a"] * 50), pd.Series(["a"] * 50)) == 1


def test_without_drift_the_tests_find_some_no_more_often_than_they_say() -> None:
    tries, seen = 300, 0
    for _ in range(tries):
        train, test = columns(300), columns(100)
        seen += min(2 * difference(train[name], test[name]) for name in train) < 0.05
    assert seen <= at_most(0.05, tries)


def drifted(shift: float) -> pd.DataFrame:
    """The frame of the sample whose test rows lie elsewhere in one feature."""
    frame = CLASSES[2].copy()
    frame.loc[CLASSES[1].index, "f1"] += shift
    return frame


def test_a_bound_of_drift_names_the_column_that_breaks_it() -> None:
    gate = DriftGate(text="psi <= 0.3", drift="psi", at_most=0.3)
    kept, broken = verdict(gate), verdict(gate, drifted(1.5))
    assert (kept.passed, broken.passed) == (True, False)
    assert (broken.evidence["column"], broken.evidence["above"]) == ("f1", ["f1"])
    assert "f1 has the largest stability index" in broken.sentence
    assert verdict(gate.model_copy(update={"columns": ("f0", "f2")}), drifted(1.5)).passed


def test_drift_that_is_shown_refuses() -> None:
    gate = DriftGate(text="drift: ks", drift="ks", confidence=0.999)
    kept, broken = verdict(gate), verdict(gate, drifted(1.0))
    assert (kept.passed, broken.passed) == (True, False)
    assert broken.evidence["shown"] == ["f1"]
    assert broken.evidence["columns"]["f1"] == pytest.approx(3 * difference(*parts(drifted(1.0), "f1")))
    assert broken.sentence.startswith("1 of 3 columns are shown to differ between training and test rows (f1)")


def parts(frame: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    return frame.loc[~frame.index.isin(CLASSES[1].index), name], frame.loc[CLASSES[1].index, name]


def test_drift_of_what_is_no_feature_cannot_be_told() -> None:
    one = verdict(DriftGate(text="d", drift="ks", columns=("f0", "gone")))
    assert (one.passed, one.evidence["inconclusive"]) == (False, True)
    assert "gone is no feature" in one.sentence


def against(reference: str = "churn@3", **changed: object) -> DriftGate:
    return DriftGate(text="d", drift="psi", at_most=0.3, against=reference).model_copy(update=changed)


def test_training_rows_are_compared_with_those_of_a_registered_version() -> None:
    frame, rows = CLASSES[2], CLASSES[3]
    trained = frame.loc[~frame.index.isin(CLASSES[1].index)]
    then = frame.assign(f2=frame["f2"] + 2)
    then.loc[CLASSES[1].index, "f0"] += 9  # test rows of that version are not what it was trained on
    given = {"rival_frame": then, "rival_rows": rows}
    one = verdict(against(), **given)
    assert (one.passed, one.evidence["above"], one.evidence["against"]) == (False, ["f2"], "churn@3")
    assert one.evidence["columns"]["f2"] == stability(then.loc[trained.index, "f2"], trained["f2"])
    assert (one.evidence["before_rows"], one.evidence["train_rows"]) == (len(trained), len(trained))
    assert "between the training rows of churn@3 and these f2 has the largest stability index" in one.sentence
    assert verdict(against(columns=("f0", "f1")), **given).passed


@pytest.mark.parametrize(
    ("then", "why"),
    [
        (None, "the training rows of churn@3 are no longer at hand"),
        (CLASSES[2].drop(columns="f1"), "f1 was no such feature then"),
        (CLASSES[2].assign(f1="a"), "f1 was no such feature then"),
    ],
)
def test_rows_that_cannot_be_compared_are_inconclusive(then: pd.DataFrame | None, why: str) -> None:
    one = verdict(against(), rival_frame=then, rival_rows=CLASSES[3])
    assert (one.passed, one.evidence["inconclusive"], one.evidence["against"]) == (False, True, "churn@3")
    assert why in one.sentence


def test_with_nothing_in_production_there_is_nothing_to_drift_from() -> None:
    one = verdict(against("production"))
    assert (one.passed, one.evidence) == (True, {"first_release": True})


# — functions of a team's own

OURS = """
def profit(evaluation, predictions, *, least):
    earned = int((predictions["truth"] == predictions["prediction"]).sum())
    assert evaluation["metrics"]["accuracy"]["low"] < 1
    predictions["truth"] = 0
    evaluation.clear()
    return earned >= least, f"it earns {earned}"

def breaks(evaluation, predictions):
    raise ValueError("no price list")

def leaves(evaluation, predictions):
    raise SystemExit(0)

def truthy(evaluation, predictions):
    return "passed", "yes"

def number(evaluation, predictions):
    return 1, "yes"

def silent(evaluation, predictions):
    return True, ""

def bare(evaluation, predictions):
    return True
"""


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"our_gates_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(OURS)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def own(module: str, function: str, **options: object) -> OwnGate:
    return OwnGate.model_validate({"text": function, "call": f"{module}:{function}", "with": options})


def test_a_function_judges_the_evaluation_and_copies_of_the_predictions(ours: str) -> None:
    before = CLASSES[1].copy()
    right = int((before["truth"] == before["prediction"]).sum())
    kept, refused = (verdict(own(ours, "profit", least=least)) for least in (right, right + 1))
    assert (kept.passed, refused.passed) == (True, False)
    assert kept.sentence == f"it earns {right}"
    pd.testing.assert_frame_equal(CLASSES[1], before)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("breaks", "ValueError: no price list"),
        ("leaves", "SystemExit: 0"),
        ("truthy", "TypeError: a gate answers"),
        ("number", "TypeError: a gate answers"),
        ("silent", "TypeError: a gate answers"),
        ("bare", "TypeError: a gate answers"),
        ("gone", "AttributeError: module"),
    ],
)
def test_a_function_that_fails_is_a_gate_that_did_not_pass(ours: str, function: str, told: str) -> None:
    one = verdict(own(ours, function))
    assert not one.passed
    assert one.evidence["error"].startswith(told)
    assert told in one.sentence


def test_on_spent_rows_a_function_is_not_asked_and_a_size_is(ours: str, tmp_path: Path) -> None:
    spent = Spending(objective="y", rows=9, judgements=5, looks=LOOKS, runs=("churn-1",))
    asked = verdict(own(ours, "breaks"), spending=spent)
    assert (asked.passed, asked.evidence) == (False, {"looks": LOOKS, "judgements": 5, "spent": True})
    model = Artifact(ArtifactRef(kind=Kind.MODEL, digest="sha256:0", size=1), ArtifactStore(str(tmp_path), tmp_path, 1))
    assert verdict(SizeGate(text="s", size=2048), model=model, spending=spent).passed


# — what is written, and what is planned


def test_each_form_says_what_it_means(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(OURS)
    lines = [
        "size <= 2MB", "{size: 3KB}", "psi <= 0.2", "{drift: psi, at_most: 0.1, columns: [age]}", "{drift: ks}",
        "psi <= 0.2 against production", "{drift: psi, at_most: 0.2, against: people@3}",
        "{checks: all}", "{checks: age}", "{call: 'ours:profit', with: {least: 3}}",
    ]  # fmt: skip
    more = f"gates: [{', '.join(lines)}]\n"
    spec = loaded(tmp_path, more, "data.checks={age: {min: 0}, city: {missing: 0}}")
    assert spec.gates == (
        SizeGate(text="size <= 2MB", size=2 * 2**20),
        SizeGate(text="size <= 3KB", size=3 * 2**10),
        DriftGate(text="psi <= 0.2", drift="psi", at_most=0.2),
        DriftGate(text="drift: psi <= 0.1 of age", drift="psi", at_most=0.1, columns=("age",)),
        DriftGate(text="drift: ks", drift="ks"),
        DriftGate(text="psi <= 0.2 against production", drift="psi", at_most=0.2, against="production"),
        DriftGate(text="drift: psi <= 0.2 against people@3", drift="psi", at_most=0.2, against="people@3"),
        ChecksGate(text="checks: all"),
        ChecksGate(text="checks: age", checks=("age",)),
        OwnGate.model_validate({"text": "ours:profit", "call": "ours:profit", "with": {"least": 3}}),
    )
    code = team_code(spec, None).gates
    assert code is not None
    assert code.entry == "ours:profit"


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("{call: 'ours:profit'}", "3:9: ours:profit needs 'least': give it in `with:`"),
        ("{call: 'ours:profit', with: {last: 3}}", "3:38: ours:profit has no keyword parameter 'last' (did you mean"),
        ("{call: 'ours:alone'}", "3:16: ours:alone must take two values by position: evaluation and predictions"),
        ("psi <= 0.2 against people", "3:9: rows drift from those of `production` or NAME@VERSION, not 'people'"),
        ("{drift: ks, against: production}", "3:30: training rows of two versions are often the same"),
        ("{call: 'ours:nothing'}", "3:16: ours has no 'nothing'"),
    ],
)
def test_functions_that_cannot_be_called_are_problems(tmp_path: Path, gate: str, expected: str) -> None:
    (tmp_path / "ours.py").write_text(f"{OURS}\ndef alone(evaluation): ...\n")
    problems = found(tmp_path, f"gates: [{gate}]\n")
    assert any(line.startswith(expected) for line in problems), problems


GRID = {"candidates": ({"ridge_classifier": {"grid": {"alpha": (1, 10)}}}, "dummy")}


def test_gates_are_given_what_they_judge() -> None:
    plain = plan_of(train=GRID, gates=("size <= 2MB", "psi <= 0.2"))
    assert "spend" not in ids(plain)  # neither looks at a label of the test rows
    assert call(plain, "gates").inputs["model"].stage == "select"
    data = {"sources": {"customers": "c.csv"}, "checks": {"age": {"min": 0}}}
    checked = plan_of(train=GRID, gates=({"checks": "all"}, "accuracy >= 0.5"), data=data)
    assert call(checked, "gates").inputs["findings"].stage == "check"
    assert call(checked, "gates").inputs["spending"].stage == "spend"
    assert "model" not in call(checked, "gates").inputs
    code = Code(snapshot=ref("gates"), entry="ours:profit")
    own_one = plan_of(train=GRID, gates=({"call": "ours:profit"},), prints={"gate_code": code})
    assert call(own_one, "gates").code == code
    assert "spend" in ids(own_one)


def test_gates_on_drift_bring_the_rows_of_the_version_and_nothing_else_of_it() -> None:
    rivals = {"churn@3": Rival(ref("bundle"), ref("rows"), ref("frame"))}
    asked = {"rivals": rivals, "live": "churn@3"}
    plan = plan_of(train=GRID, gates=("psi <= 0.2 against production",), prints=asked)
    assert call(plan, "gates").inputs["rival_frame"] == ref("frame")
    assert call(plan, "gates").inputs["rival_rows"] == ref("rows")
    assert call(plan, "gates").params["live"] == "churn@3"
    assert {"rival_bundle", "table"}.isdisjoint(call(plan, "gates").inputs)
    assert "spend" not in ids(plan)
    scored = plan_of(train=GRID, gates=("psi <= 0.2 against production", "accuracy >= 0.5"), prints=asked)
    assert "rival_rows" not in call(scored, "spend").inputs  # no test row is judged by that version

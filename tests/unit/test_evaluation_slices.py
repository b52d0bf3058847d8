"""Slices: which rows they hold, intervals that allow for how many there are, and gates that each must keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from orchestrator.contracts.documents.evaluation import Evaluation, Verdict
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.evaluation import EvaluateParams, FairnessGate, Gate, GatesParams, MetricGate, Slicing
from orchestrator.contracts.roles import Columns as Roles
from orchestrator.contracts.values import canonical
from tests.unit.evaluation_samples import frame_of, many, objective, preparation_of, ranked, rows_of, values
from workers.evaluation.evaluate import EvaluateOutputs, evaluate
from workers.evaluation.gates.verdicts import gates
from workers.evaluation.intervals import names_for
from workers.evaluation.sample import Sample
from workers.evaluation.slices import Columns, divided, slice_evidence, weakest_slices

RNG = np.random.default_rng(41)
ROWS = 900
FEATURES = RNG.normal(size=(ROWS, 3))
REGION = np.array(["north", "south", "west"])[np.arange(ROWS) % 3]
AGE = RNG.integers(18, 80, ROWS).astype(float)
# In the north the answer is noise.
NOISE = np.where(REGION == "north", 8.0, 0.3)
TARGET = [int(value > 0) for value in FEATURES[:, 0] + NOISE * RNG.normal(size=ROWS)]
TEST = np.arange(ROWS) % 10 < 6
FRAME = frame_of(FEATURES, TARGET)
SPLIT = rows_of(FRAME, TEST)
PREPARED = pd.DataFrame(
    {"id": np.arange(ROWS), "region": REGION, "age": AGE, "target": TARGET}, index=FRAME.index
).assign(empty=np.where(np.arange(ROWS) % 7 < 3, None, "x"))


def run(*slices: Slicing, weakest: int = 0) -> EvaluateOutputs:
    names = ["f0", "f1", "f2"]
    model = LogisticRegression().fit(FRAME.loc[~TEST, names], FRAME.loc[~TEST, "__target__"])
    goal = objective("accuracy", positive=1).model_copy(update={"predict": "target"})
    params = EvaluateParams(objective=goal, roles=Roles(id="id"), resamples=300, slices=slices, weakest=weakest)
    return evaluate(model, FRAME, SPLIT, preparation_of(FRAME, (0, 1), 1), PREPARED, params=params)


@pytest.fixture(scope="module")
def plain() -> EvaluateOutputs:
    return run()


def judged(plain: EvaluateOutputs, *asked: Gate, slices: tuple[Slicing, ...] = ()) -> tuple[Verdict, ...]:
    params = GatesParams(gates=asked, objective=objective("accuracy", positive=1), resamples=300, slices=slices)
    found = gates(plain.evaluation, plain.predictions, FRAME, SPLIT, prepared=PREPARED, params=params)
    canonical(found.verdicts.model_dump(mode="json"))
    return found.verdicts.verdicts


def at_least(bound: float, **where: str) -> MetricGate:
    return MetricGate(text="g", metric="accuracy", at_least=bound, **where)


def test_values_are_written_as_people_write_them_and_a_missing_one_is_a_value() -> None:
    found = divided(pd.Series([1.0, 2.5, None, 1.0]), Slicing(column="a"))
    assert {label: mask.tolist() for label, mask in found.items()} == {
        "a=1": [True, False, False, True],
        "a=2.5": [False, True, False, False],
        "a=missing": [False, False, True, False],
    }
    assert list(divided(pd.Series([True, False]), Slicing(column="a"))) == ["a=false", "a=true"]
    chosen = divided(pd.Series(["x", "y", "z"]), Slicing(column="a", values=("z", "w")))
    assert {label: int(mask.sum()) for label, mask in chosen.items()} == {"a=z": 1, "a=w": 0}


def test_a_bin_holds_its_lower_edge_and_the_last_one_both() -> None:
    found = divided(pd.Series([0, 30, 59.9, 60, 120, 121, None]), Slicing(column="age", bins=(0, 30, 60, 120)))
    assert {label: np.flatnonzero(mask).tolist() for label, mask in found.items()} == {
        "age=0 to 30": [0],
        "age=30 to 60": [1, 2],
        "age=60 to 120": [3, 4],
    }
    with pytest.raises(InvalidInput, match="city does not hold numbers"):
        divided(pd.Series(["Ulm"]), Slicing(column="city", bins=(0, 1)))


def test_a_column_of_very_many_values_wants_bins() -> None:
    with pytest.raises(InvalidInput, match="id has 51 values: name `values` or `bins` of it"):
        divided(pd.Series(range(51)), Slicing(column="id"))
    notes = run(Slicing(column="id"), Slicing(column="region")).evaluation
    assert len(notes.slices) == 3
    assert "id has 540 values" in notes.notes[-1]


def test_named_slices_have_every_metric_at_a_confidence_that_allows_for_their_number() -> None:
    found = run(Slicing(column="region"), Slicing(column="age", bins=(18, 40, 80))).evaluation
    assert [one.slice for one in found.slices] == [
        "region=north", "region=south", "region=west", "age=18 to 40", "age=40 to 80"
    ]  # fmt: skip
    assert sum(one.rows for one in found.slices[:3]) == found.rows
    for one in found.slices:
        assert set(one.metrics) == set(names_for("binary"))
        assert [interval.confidence for interval in one.metrics.values()] == pytest.approx([0.99] * len(one.metrics))
    north, south = (one.metrics["accuracy"] for one in found.slices[:2])
    assert (north.high or 0) < (south.low or 0)
    assert Evaluation.model_validate_json(found.model_dump_json()) == found


def test_the_weakest_slice_is_found_among_all_and_its_interval_allows_for_all() -> None:
    found = run(weakest=2).evaluation
    assert found.weakest[0].slice == "region=north"
    assert found.searched == 5  # three regions, empty or not; id, age and the target are not looked at
    assert found.weakest[0].metrics["accuracy"].confidence == pytest.approx(1 - 0.05 / 5)
    assert len(found.weakest) == 2


def test_without_any_weak_slice_the_intervals_hold_the_truth() -> None:
    """Forty searches among slices of noise: the weakest one's interval misses the true accuracy in at most 2.5 %."""
    missed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sample = ranked(rng, 600)
        wrong = rng.random(600) < 0.3
        sample = replace(sample, prediction=np.where(wrong, 1 - sample.truth, sample.truth))
        table = pd.DataFrame({name: rng.integers(0, 5, 600) for name in "abcd"})
        options = {"leave_out": (), "confidence": 0.95, "resamples": 200, "seed": 0}
        (weakest,), searched = weakest_slices(sample, Columns(table), "accuracy", 1, **options)  # type: ignore[arg-type]
        assert searched == 20
        missed += (weakest.metrics["accuracy"].high or 0) < 0.7
    assert missed <= 4


@pytest.mark.parametrize("sample", [ranked(RNG, 40), many(RNG, 40), values(RNG, 40)], ids=lambda one: one.kind)
@pytest.mark.parametrize("rows", [1, 2, 3, 0])
def test_slices_of_hardly_any_rows_have_no_interval_and_no_error(sample: Sample, rows: int) -> None:
    mask = np.arange(40) < rows
    options = {"names": names_for(sample.kind), "confidence": 0.95, "among": 3, "resamples": 50, "seed": 0}
    (found,) = slice_evidence(sample, {"a=b": mask}, **options)  # type: ignore[arg-type]
    assert found.rows == rows
    canonical(found.model_dump(mode="json"))


def test_a_gate_on_one_slice_is_judged_on_its_rows(plain: EvaluateOutputs) -> None:
    south, north, whole = judged(
        plain, at_least(0.75, slice="region=south"), at_least(0.75, slice="region = north"), at_least(0.6)
    )
    assert (south.passed, north.passed, whole.passed) == (True, False, True)
    assert south.evidence["rows"] == 180
    assert north.evidence["low"] < north.evidence["value"] < 0.75


def test_each_slice_of_a_column_must_keep_the_bound(plain: EvaluateOutputs) -> None:
    refused, kept = judged(plain, at_least(0.75, slices="region"), at_least(0.3, slices="region"))
    assert (refused.passed, kept.passed) == (False, True)
    assert refused.evidence["slice"] == "region=north"
    assert refused.sentence.startswith("2 of 3 slices keep it; on region=north: accuracy is")
    assert {name: one["passed"] for name, one in refused.evidence["slices"].items()} == {
        "region=north": False, "region=south": True, "region=west": True
    }  # fmt: skip


def test_gates_divide_a_column_as_the_evaluation_does(plain: EvaluateOutputs) -> None:
    bins = (Slicing(column="age", bins=(18, 40, 80)),)
    every, one = judged(plain, at_least(0.3, slices="age"), at_least(0.3, slice="age=18 to 40"), slices=bins)
    assert list(every.evidence["slices"]) == ["age=18 to 40", "age=40 to 80"]
    assert one.passed


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ({"slice": "region=east"}, "no test row has region=east"),
        ({"slices": "town"}, "the prepared table has no column 'town'"),
        ({"slices": "id"}, "id has 540 values"),
    ],
)
def test_a_slice_that_cannot_be_judged_refuses(plain: EvaluateOutputs, where: dict[str, str], why: str) -> None:
    (verdict,) = judged(plain, at_least(0.1, **where))
    assert not verdict.passed
    assert verdict.evidence["inconclusive"] is True
    assert why in verdict.sentence


@pytest.mark.parametrize(("bound", "passed"), [(0.3, True), (0.97, False)])
def test_a_gate_compares_groups_of_rows(plain: EvaluateOutputs, bound: float, passed: bool) -> None:
    gate = FairnessGate(text="f", fairness="accuracy", groups="region", at_least=bound)
    (verdict,) = judged(plain, gate)
    assert verdict.passed is passed, verdict.sentence
    assert verdict.evidence["lowest"] == "region=north"
    assert verdict.evidence["rows"] == {"region=north": 180, "region=south": 180, "region=west": 180}
    assert verdict.sentence.startswith("the accuracy of region=north is")


def test_groups_of_few_rows_are_inconclusive(plain: EvaluateOutputs) -> None:
    gate = FairnessGate(text="f", fairness="recall", groups="age", at_least=0.5)
    (verdict,) = judged(plain, gate, slices=(Slicing(column="age", bins=(18, 20, 80)),))
    assert not verdict.passed
    assert verdict.evidence["inconclusive"] is True
    assert "test rows, 30 are needed" in verdict.sentence

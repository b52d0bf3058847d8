"""Gates on speed and memory: bounds by order statistics of what was measured, and the measuring itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.documents.evaluation import Verdict
from orchestrator.contracts.documents.release import Measurements, Round
from orchestrator.contracts.evaluation import Gate, MemoryGate, SpeedGate
from orchestrator.spec.models import Spec
from tests.unit.bundle_case import Flow
from tests.unit.plan_case import call, document, ids, plan_of
from tests.unit.spec_case import found, loaded
from tests.unit.test_evaluation_paired import at_most as expected_at_most
from tests.unit.test_gates_other import verdict
from workers.evaluation.gates.order import at_most, covered, median_at_most
from workers.packaging.alone import rounds_in_own_process
from workers.packaging.bundle import described, write_bundle
from workers.packaging.measure import measure
from workers.runtime.codecs import Artifact
from workers.runtime.tables import write_table

RNG = np.random.default_rng(7)
ALPHA = 0.025


# — bounds


@pytest.mark.parametrize(("quantile", "fewest"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_a_quantile_needs_as_many_values_as_the_binomial_says(quantile: float, fewest: int) -> None:
    # n values bound it by their largest one where quantile ** n <= alpha; clusters of one value are a simple sample
    values = np.arange(1.0, fewest + 1)
    assert at_most([[one] for one in values], quantile, ALPHA) == fewest
    assert at_most([[one] for one in values[:-1]], quantile, ALPHA) is None


def test_a_median_is_bounded_by_the_sign_test() -> None:
    assert median_at_most(list(range(1, 21)), ALPHA) == 15  # Conover's table: 20 values, 2.5 % above
    assert median_at_most([1.0] * 5, ALPHA) is None
    assert covered(20, ALPHA) ** 20 == pytest.approx(ALPHA)


@pytest.mark.parametrize("between", [0.0, 0.15])
@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_a_bound_is_too_low_as_seldom_as_it_says(between: float, quantile: float) -> None:
    """Long-tailed timings, in rounds that have something in common or nothing; what cannot be told is no error."""
    tries, low, told = 400, 0, 0
    shift, wide = RNG.normal(0, between, 200_000), RNG.lognormal(0, 0.4, 200_000)
    truth = float(np.quantile(np.exp(shift) * wide, quantile))
    for _ in range(tries):
        times = np.exp(RNG.normal(0, between, (20, 1))) * RNG.lognormal(0, 0.4, (20, 60))
        high = at_most(list(times), quantile, ALPHA)
        low += high is not None and high < truth
        told += high is not None
    assert low <= expected_at_most(ALPHA, tries)
    assert told == tries


def test_rounds_that_have_all_in_common_count_as_one_value_each() -> None:
    # 20 values, however often repeated, cannot bound what 95 % stay below
    assert at_most([[float(one)] * 100 for one in range(20)], 0.95, ALPHA) is None


# — verdicts


def measurements(scale: float = 1.0, peak: int = 10 * 2**20, **changed: object) -> Measurements:
    """Twenty rounds whose p95 is 9.5 ms times the scale, of batches of 100 rows in 10 ms times the scale."""
    one = Round(
        load_bytes=2**20,
        predict_bytes=peak - 2**20,
        row_ms=tuple(scale * np.arange(1, 101) / 10),
        batch_ms=(scale * 10,) * 3,
    )
    known = {"host": "node-7", "cores": 8, "threads": 2, "measured": "2026-11-21T12:00:00+00:00", "batch_rows": 100}
    return Measurements.model_validate({"rounds": (one,) * 20} | known | changed)


def judged(gate: Gate, **given: object) -> Verdict:
    return verdict(gate, measurements=measurements(**given))


P95 = SpeedGate(text="row_p95_ms <= 9.8", speed="row_p95_ms", at_most=9.8)


def test_latency_is_judged_on_the_safe_end() -> None:
    kept, close, slow = judged(P95), judged(P95.model_copy(update={"at_most": 9.5})), judged(P95, scale=2)
    assert (kept.passed, close.passed, slow.passed) == (True, False, False)
    assert kept.evidence["value"] == 9.5 < kept.evidence["high"] <= 9.8
    assert (kept.evidence["host"], kept.evidence["cores"], kept.evidence["threads"]) == ("node-7", 8, 2)
    assert (kept.evidence["rows"], kept.evidence["rounds"], kept.evidence["alpha"]) == (2000, 20, ALPHA)
    assert slow.sentence == (
        f"95 % of single rows are answered within 19 ms, with confidence within {slow.evidence['high']:.3g} ms, "
        "but at most 9.8 ms is asked (measured on node-7, 2 of 8 cores)"
    )


def test_rows_a_second_are_judged_on_the_lower_end() -> None:
    gate = SpeedGate(text="rows_per_s >= 10000", speed="rows_per_s", at_least=10_000)
    assert judged(gate).passed  # 100 rows in 10 ms are 10,000 a second, in each round
    assert not judged(gate, scale=1.01).passed
    slow = measurements(scale=3).rounds[0]
    some = measurements(rounds=(*(measurements().rounds[:13]), *(slow,) * 7))
    one = verdict(gate, measurements=some)
    assert (one.evidence["value"], one.passed) == (10_000, False)  # the typical round is fast; it is not shown to be
    assert one.evidence["low"] == pytest.approx(10_000 / 3, rel=1e-4)


def test_memory_is_judged_on_the_worst_round() -> None:
    gate = MemoryGate(text="memory <= 10MB", memory=10 * 2**20)
    worse = measurements().rounds[0].model_copy(update={"load_bytes": 2**20 + 1})
    assert judged(gate).passed
    one = verdict(gate, measurements=measurements(rounds=(*measurements().rounds[:-1], worse)))
    assert (one.passed, one.evidence["high"]) == (False, 10 * 2**20 + 1)
    assert one.evidence["covers"] == pytest.approx(0.8316)
    untold = measurements().rounds[0].model_copy(update={"predict_bytes": None})
    one = verdict(gate, measurements=measurements(rounds=(untold,)))
    assert "does not tell how much memory" in one.sentence


def test_what_was_not_measured_is_inconclusive() -> None:
    why = "it cannot be served from raw rows: own is not row-wise"
    for gate in (P95, MemoryGate(text="m", memory=1)):
        for given in ({}, {"measurements": Measurements(why=why)}):
            one = verdict(gate, **given)
            assert (one.passed, one.evidence["inconclusive"]) == (False, True)
    assert one.sentence.startswith(
        f"whether the gate is kept cannot be told: the packaged model was not measured, since {why}"
    )
    few = measurements(rounds=measurements().rounds[:1] * 3)
    assert verdict(SpeedGate(text="s", speed="row_p99_ms", at_most=99), measurements=few).evidence["inconclusive"]


# — measuring


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    return Flow(tmp_path_factory.mktemp("flow"))


def test_rounds_are_measured_by_themselves(flow: Flow, tmp_path: Path) -> None:
    raw = flow.source.loc[flow.predictions.index]
    found = rounds_in_own_process(flow.package().bundle, raw, tmp_path, 2)
    assert len(found) == 2
    for one in found:
        assert 1 <= len(one.row_ms) <= 100
        assert min(one.row_ms) > 0
        assert min(one.batch_ms) > 0
        assert 0 < one.load_bytes < 50 * 2**20  # a small model; not the libraries that it shares with others


def test_a_bundle_that_takes_no_raw_rows_says_so(flow: Flow, tmp_path: Path) -> None:
    bundle = flow.package().bundle
    manifest, _ = described(bundle)
    signature = manifest.signature.model_copy(update={"servable": False, "not_servable_because": "own is not row-wise"})
    other = tmp_path / "other.zip"
    write_bundle(other, manifest.model_copy(update={"signature": signature}), b"", {})
    rows = write_table(flow.source, tmp_path / "source.parquet")
    source = Artifact(flow.store.put_file(tmp_path / "source.parquet", Kind.TABLE, rows), flow.store)
    made = measure(other, source, flow.predictions, context=flow.context()).measurements
    assert made == Measurements(why="it cannot be served from raw rows: own is not row-wise")


# — what is written, and what is planned


def test_each_form_says_what_it_means(tmp_path: Path) -> None:
    lines = [
        "row_p95_ms <= 5", "row_ms <= 2", "predict_p99_ms <= 20", "rows_per_s >= 1e4", "memory <= 500MB",
        "{metric: row_p95_ms, at_most: 5, confidence: 0.99}", "{speed: rows_per_s, at_least: 100}", "{memory: 1GB}",
    ]  # fmt: skip
    assert loaded(tmp_path, f"gates: [{', '.join(lines)}]\n").gates == (
        SpeedGate(text="row_p95_ms <= 5", speed="row_p95_ms", at_most=5),
        SpeedGate(text="row_ms <= 2", speed="row_p50_ms", at_most=2),
        SpeedGate(text="predict_p99_ms <= 20", speed="row_p99_ms", at_most=20),
        SpeedGate(text="rows_per_s >= 1e4", speed="rows_per_s", at_least=1e4),
        MemoryGate(text="memory <= 500MB", memory=500 * 2**20),
        SpeedGate(text="row_p95_ms <= 5", speed="row_p95_ms", at_most=5, confidence=0.99),
        SpeedGate(text="rows_per_s >= 100", speed="rows_per_s", at_least=100),
        MemoryGate(text="memory <= 1GB", memory=2**30),
    )


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("row_p95_ms >= 5", "3:9: row_p95_ms is better when it is smaller: write 'row_p95_ms <= NUMBER'"),
        ("rows_per_s <= 5", "3:9: rows_per_s is better when it is greater: write 'rows_per_s >= NUMBER'"),
        ("row_p95_ms <= 0", "3:9: a bound of row_p95_ms is greater than 0, not 0"),
        ("p99_ms <= 20", "3:9: p99_ms is no metric: write what 95 % of single rows may take, row_p95_ms <= 20"),
        ("memory_mb <= 20", "3:9: memory_mb is no metric: write memory <= 500MB"),
        ("memory <= 20", "3:9: '20' is not an amount of memory (write 500KB, 50MB or 1GB)"),
        ("memory <= 0MB", "3:9: no model runs in a memory of 0"),
        ("{speed: fast, at_most: 3}", "3:9: 'fast' is no speed (write row_ms"),
        ("{latency: 20}", "3:9: a gate says which latency: 'row_p95_ms <= 20'"),
    ],
)
def test_what_cannot_be_meant_is_a_problem(tmp_path: Path, gate: str, expected: str) -> None:
    problems = found(tmp_path, f"gates: [{gate}]\n")
    assert len(problems) == 1, problems
    assert problems[0].startswith(expected), problems


def test_gates_on_speed_wait_for_the_measured_bundle_and_others_do_not() -> None:
    plain = plan_of(gates=("accuracy >= 0.5", "size <= 2MB"))
    assert "measure" not in ids(plain)
    assert ids(plain).index("gates") < ids(plain).index("package")
    both = plan_of(gates=("accuracy >= 0.5", "row_p95_ms <= 5"), approve=True)
    assert ids(both)[-5:] == ["package", "measure", "gates", "approve", "register"]
    assert call(both, "gates").inputs["measurements"].stage == "measure"
    assert call(both, "measure").inputs["bundle"].stage == "package"
    # measured once: another bound, or another gate, asks nothing else of the bundle
    other = plan_of(gates=("memory <= 1GB",))
    assert call(both, "measure").key == call(other, "measure").key is not None
    assert "spend" not in ids(other)  # no label of the test rows is looked at
    assert Spec.model_validate(document(gates=("row_ms <= 5",))).gates[0].text == "row_ms <= 5"

"""How large, heavy and fast a bundle is: measured facts that stand beside the outputs, never in them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from orchestrator.contracts.documents.release import Performance
from tests.unit.bundle_case import Flow
from workers.packaging import performance as measuring
from workers.packaging.alone import measure_in_own_process
from workers.packaging.own_process import in_own_process
from workers.packaging.performance import FEWEST, SINGLES, performance, times
from workers.runtime.process_tree import resident


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    return Flow(tmp_path_factory.mktemp("flow"))


def test_packaging_measures_the_bundle_beside_its_outputs(flow: Flow) -> None:
    context = flow.context()
    flow.context = lambda: context  # type: ignore[method-assign]
    made = flow.package()
    found = Performance.model_validate(context.measured["performance"])
    assert found.size_bytes == made.bundle.stat().st_size
    assert found.batch_rows == len(flow.predictions)
    assert FEWEST <= found.singles <= SINGLES
    assert 0 < found.row_ms <= found.row_p95_ms
    assert found.rows_per_s > 1000 / found.row_ms  # a batch shares what a single row pays alone
    assert found.load_bytes >= 0


def test_equal_bundles_are_equal_bytes_however_fast_they_were(flow: Flow) -> None:
    assert flow.package().bundle.read_bytes() == flow.package().bundle.read_bytes()


def test_a_large_model_takes_memory_and_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    large = Flow(tmp_path, estimator="sklearn.neighbors.KNeighborsClassifier")
    dice = np.random.default_rng(0)
    columns = large.model[:-1].transform(large.train[[c.name for c in large.preparation.features]]).shape[1]
    large.model[-1].fit(dice.normal(size=(200_000, columns)), dice.choice(["No", "Yes"], 200_000))
    large.predictions = large.predict()
    bundle, raw = large.package().bundle, large.source.loc[large.predictions.index]
    here, alone = performance(bundle, raw), measure_in_own_process(bundle, raw, tmp_path)
    least = 200_000 * columns * 8
    for one in (here, alone):
        assert least < one.load_bytes < 8 * least
        assert one.size_bytes == bundle.stat().st_size


def test_a_batch_that_needs_room_shows_it(flow: Flow) -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells the peak")
    bundle = flow.package().bundle
    one = flow.source.loc[flow.predictions.index]
    small, large = performance(bundle, one), performance(bundle, pd.concat([one] * 200, ignore_index=True))
    assert small.predict_bytes is not None
    assert large.predict_bytes is not None
    assert large.batch_rows == 200 * len(one)
    assert large.predict_bytes > 1_000_000
    assert small.predict_bytes < resident(os.getpid()) / 2  # what is resident anyway is no part of it


def test_what_is_told_of_timings_is_their_median_and_their_95th_of_a_hundred(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, raw = flow.package().bundle, flow.source.loc[flow.predictions.index]
    looks = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: next(looks) ** 2 / 1e6)  # the turn of number n takes 4n + 1 µs
    monkeypatch.setattr(measuring, "time", clock)
    found = performance(bundle, raw)
    assert found.rows_per_s == pytest.approx(len(raw) / 9e-6, rel=1e-6)  # the batch has the turns 0 to 4
    assert (found.singles, found.row_ms, found.row_p95_ms) == (100, 0.219, 0.401)  # single rows have 5 to 104


def test_no_more_rows_than_a_batch_are_asked_about_at_once(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "BATCH", 7)
    found = performance(flow.package().bundle, flow.source.loc[flow.predictions.index])
    assert found.batch_rows == 7


@pytest.mark.parametrize(
    ("each", "bounds", "turns"),
    [
        (0.125, {"most": 100}, 8),  # until the second is spent
        (0.125, {"most": 6}, 6),
        (4.0, {"most": 100}, 5),  # the fewest, however long they take
        (4.0, {"most": 100, "most_s": 8.0}, 2),  # but no longer than that
        (4.0, {"most": 3}, 3),
    ],
)
def test_turns_go_on_until_the_fewest_are_done_and_the_time_is_spent(
    each: float, bounds: dict, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def ask(turn: int) -> None:
        assert clock[0] == turn * each
        clock[0] += each

    assert times(ask, fewest=5, spend_s=1.0, **bounds) == [each] * turns


def test_files_in_the_folder_of_the_pool_do_not_stand_in_for_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "this.py").write_text("raise SystemExit('a file of the project was imported')")
    monkeypatch.chdir(tmp_path)
    in_own_process("this")  # one of Python's own

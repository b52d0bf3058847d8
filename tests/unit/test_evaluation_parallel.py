"""Intervals that several processes compute: the same numbers, errors as themselves, and nobody left behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pytest

from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.evaluation import Slicing
from tests.unit.evaluation_samples import many, ranked
from workers.evaluation import parallel
from workers.evaluation.intervals import intervals
from workers.evaluation.parallel import each, processes_for
from workers.evaluation.sample import Sample
from workers.evaluation.slices import Columns, named_slices
from workers.runtime.threads import VARIABLES, own_cores

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere one process computes all")


def numbers(sample: Sample) -> tuple[object, ...]:
    colours = pd.DataFrame({"colour": np.random.default_rng(2).choice(["red", "green", "blue"], len(sample))})
    columns = Columns(colours, (Slicing(column="colour"),))
    options = {"confidence": 0.95, "resamples": 100, "seed": 4}
    return intervals(sample, **options), named_slices(sample, columns, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [ranked, many])
def test_intervals_are_the_same_however_many_processes_compute_them(
    make: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = make(np.random.default_rng(1), 200)  # type: ignore[operator]
    alone = numbers(sample)
    asked: list[int] = []
    real = parallel._begin
    monkeypatch.setattr(parallel, "_begin", lambda *given: asked.append(given[0]) or real(*given))
    monkeypatch.setattr(parallel, "WORTH", 1)
    monkeypatch.setenv(VARIABLES[0], "2")
    assert numbers(sample) == alone
    assert asked == [0, 1, 0, 1, 2]  # half of the metrics each, and the slices


def test_what_a_process_draws_must_be_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLES[0], raising=False)
    assert own_cores() == processes_for(10**9) == 1  # outside of a pool
    monkeypatch.setenv(VARIABLES[0], "3")
    assert [processes_for(drawn) for drawn in (1000, 10**9)] == [1, 3]


def test_processes_are_others_and_never_more_at_once_than_asked_for(tmp_path: Path) -> None:
    def entered(number: int) -> list[int]:
        (tmp_path / str(number)).touch()
        time.sleep(0.05)  # so that those beside it are there
        seen = len(list(tmp_path.iterdir()))
        (tmp_path / str(number)).unlink()
        return [os.getpid(), number, seen]

    found = each(entered, list(range(9)), list[int], 3)
    pids, order, at_once = zip(*found, strict=True)
    assert len({*pids, os.getpid()}) == 10
    assert order == tuple(range(9))
    assert max(at_once) <= 3


def test_an_error_is_raised_as_itself_and_a_killed_process_is_made_up_for() -> None:
    def refused(number: int) -> int:
        if number == 2:
            raise InvalidInput("no such column")
        return number

    with pytest.raises(InvalidInput, match="no such column"):
        each(refused, [1, 2, 3], int, 2)
    here = os.getpid()

    def shot(number: int) -> int:
        if number == 1 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert each(shot, [0, 1, 2, 3], int, 2) == [0, 1, 2, 3]


def test_an_interrupted_stage_leaves_no_process_behind(tmp_path: Path) -> None:
    class Cut(Exception):
        pass

    def cut(*_: object) -> NoReturn:
        raise Cut

    def endless(number: int) -> int:
        (tmp_path / str(os.getpid())).touch()
        if len(list(tmp_path.iterdir())) == 2:
            os.kill(os.getppid(), signal.SIGALRM)
        while True:
            signal.pause()

    before = signal.signal(signal.SIGALRM, cut)
    try:
        with pytest.raises(Cut):
            each(endless, [1, 2], int, 2)
    finally:
        signal.signal(signal.SIGALRM, before)
    begun = [int(path.name) for path in tmp_path.iterdir()]
    assert len(begun) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in begun)

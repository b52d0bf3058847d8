"""The figures of searches: Cyclery's train pool beside scikit-learn's GridSearchCV, on the same matrix and folds.

A search of Cyclery's is timed from its submission, with the data stages cached and a pool that has just started, to the
record of its last trial: planning, messages and making the matrix of the host are in it, the start of the pool is not.
GridSearchCV is timed as its `fit` without the refit; its processes start within it, its imports do not count.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.conditions import PROCESSES, redis_server
from benchmarks.memory import watched
from benchmarks.rows import exported, generated
from benchmarks.train_pool import SEED, Searched, Table, TrainPool, parameters, train_pool
from orchestrator.client import Run
from orchestrator.contracts.documents.training import TrialResult

ROWS = 200_000  # that trials train on, × 30 columns
TINY_ROWS, TINY_TRIALS, TINY_FOLDS = 200, 10_000, 2
ASHA_ROWS, ASHA_VALUES, ASHA_BATCH = 4000, 9, 8
SVC = "sklearn.svm.SVC"
SMALLER = 20  # so much less of everything, to try whether it runs
CLOSE = 0.0005  # of ROC AUC: a search has reached the grid's best score when it lacks no more


@dataclass(frozen=True, slots=True)
class Grid:
    """24 candidates of one estimator, for both sides."""

    estimator: str
    params: Mapping[str, Any]
    grid: Mapping[str, list[Any]]

    def workflow(self, table: Table) -> Path:
        """As a spec says it."""
        return table.workflow("searched", self.estimator, {"fixed": self.params, "grid": self.grid}, {"method": "grid"})

    def scores(self, searched: Searched) -> dict[str, list[float]]:
        """Cyclery's, by what the grid varies."""
        varied = {trial.index: {name: trial.params[name] for name in self.grid} for trial in searched.trials}
        return {parameters(varied[trial.index]): list(trial.scores) for trial in searched.trials}


LOGISTIC = Grid("logistic_regression", {"max_iter": 200}, {"C": [round(10 ** (i / 4 - 4), 8) for i in range(24)]})
BOOSTING = Grid(
    "hist_gradient_boosting",
    {"max_iter": 50, "random_state": SEED},
    {"learning_rate": [0.03, 0.06, 0.1, 0.15, 0.2, 0.3], "max_leaf_nodes": [15, 31], "l2_regularization": [0.0, 1.0]},
)
GRIDS = {"search_logistic": LOGISTIC, "search_boosting": BOOSTING}


class Searches:
    """One stack, one generated table, and the turns of both sides on it."""

    def __init__(self, side: TrainPool, table: Table, arrays: Mapping[str, str]) -> None:
        self.side, self.table, self._arrays = side, table, arrays

    def cyclery(self, grid: Grid) -> Searched:
        """One search by a pool that has just started."""
        with self.side.processes(PROCESSES):
            return self._search(grid)

    def _search(self, grid: Grid) -> Searched:
        return self.side.search(grid.workflow(self.table))

    def scikit(self, grid: Grid) -> dict[str, Any]:
        """The same by GridSearchCV, in a process of its own."""
        return self._scikit(grid)[0]

    def _scikit(self, grid: Grid, *, watch: bool = False) -> tuple[dict[str, Any], float]:
        request = {"estimator": grid.estimator, "params": dict(grid.params), "grid": dict(grid.grid)}
        file = self.side.folder / "request.json"
        file.write_text(json.dumps({**self._arrays, **request, "jobs": PROCESSES}))
        command = [sys.executable, "-m", "benchmarks.grid_search", str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            if watch:
                with watched(process.pid) as peak:
                    answer, _ = process.communicate()
            else:
                answer, _ = process.communicate()
        finally:
            process.kill()
        return json.loads(answer), peak.mb if watch else 0.0

    def side_by_side(self, grid: Grid, rounds: int) -> dict[str, float]:
        """Medians over turns. ratio = Cyclery ÷ GridSearchCV; efficiency = fitting and scoring ÷ (wall × processes).

        The bench fails where a score of any candidate on any fold differs by a bit.
        """
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(self.cyclery(grid))
            theirs.append(self.scikit(grid))
            assert grid.scores(ours[-1]) == {parameters(params): row for params, row in theirs[-1]["scores"]}
        wall = statistics.median(one.wall_s for one in ours)
        reference = statistics.median(one["wall_s"] for one in theirs)
        return {
            "cyclery_s": round(wall, 3),
            "grid_search_s": round(reference, 3),
            "ratio": round(wall / reference, 3),
            "efficiency": round(statistics.median(one.fit_s / (one.wall_s * PROCESSES) for one in ours), 3),
            "cyclery_fit_s": round(statistics.median(one.fit_s for one in ours), 3),
            "grid_search_fit_s": round(statistics.median(one["fit_s"] for one in theirs), 3),
        }

    def memory(self, grid: Grid) -> dict[str, float]:
        """Peaks of the whole train pool with two processes and with four, and of GridSearchCV's tree with two; MiB."""
        peaks = {number: self._pool_peak(grid, number) for number in (PROCESSES, 2 * PROCESSES)}
        _, reference = self._scikit(grid, watch=True)
        two, four = peaks[PROCESSES], peaks[2 * PROCESSES]
        return {
            "cyclery_mb": round(two, 1),
            "cyclery_four_mb": round(four, 1),
            "grid_search_mb": round(reference, 1),
            "ratio": round(two / reference, 3),
            "four_to_two": round(four / two, 3),
        }

    def _pool_peak(self, grid: Grid, number: int) -> float:
        with self.side.processes(number) as pid, watched(pid) as peak:
            self._search(grid)
        return peak.mb


def tiny_trials(side: TrainPool, trials: int) -> dict[str, float]:
    """Decision stumps on 200 rows: (wall × processes − fitting and scoring) ÷ trials, in ms."""
    table = generated(side.folder, TINY_ROWS)
    side.prepare(table, TINY_FOLDS)
    weights = {"low": 1e-6, "high": 1e-3, "log": True}
    stump = {"fixed": {"max_depth": 1}, "range": {"min_impurity_decrease": weights}}
    search = {"method": "random", "trials": trials}
    workflow = table.workflow("tiny", "decision_tree", stump, search, TINY_FOLDS)
    with side.processes(PROCESSES):
        searched = side.search(workflow)
    overhead = (searched.wall_s * PROCESSES - searched.fit_s) / trials
    return {
        "trials": trials,
        "wall_s": round(searched.wall_s, 3),
        "fit_s": round(searched.fit_s, 3),
        "overhead_ms": round(1000 * overhead, 3),
    }


def asha(side: TrainPool, rows: int, values: int) -> dict[str, float]:
    """The worker-seconds after which ASHA has a trial in full as good as the grid's best, as a share of the grid's.

    Support vector machines, to which more rows help and whose time grows faster than their rows; C and gamma take so
    many values each. Both search the same settings: the grid lists what ASHA draws from. Where ASHA ends below,
    `reached` is 0 and the share is that of all that it took.
    """
    table = generated(side.folder, rows)
    side.prepare(table)
    given = {"C": _powers(-2, 2, values), "gamma": _powers(-4, 0, values)}
    ranges = {"range": {name: {"choices": listed} for name, listed in given.items()}}
    settings = values**2
    halving = {"method": "asha", "trials": settings, "resource": "rows", "min_resource": 1 / 27, "batch": ASHA_BATCH}
    with side.processes(PROCESSES):
        whole = side.search(table.workflow("grid", SVC, {"grid": given}, {"method": "grid"}))
        halved = side.search(table.workflow("asha", SVC, ranges, halving))
    best = max(trial.mean for trial in whole.trials)
    spent = list(_spent(halved, best))
    reached = next((seconds for seconds, there in spent if there), None)
    return {
        "grid_worker_s": round(whole.worker_s, 3),
        "asha_worker_s": round(halved.worker_s, 3),
        "grid_best": best,
        "asha_best": max(trial.mean for trial in halved.trials if _in_full(trial)),
        "reached": int(reached is not None),
        "share": round((halved.worker_s if reached is None else reached) / whole.worker_s, 3),
    }


def _powers(low: float, high: float, number: int) -> list[float]:
    """Powers of ten at equal distances."""
    return [round(10 ** (low + (high - low) * place / (number - 1)), 8) for place in range(number)]


def _spent(searched: Searched, best: float) -> Iterator[tuple[float, bool]]:
    """After each trial: the worker-seconds so far, and whether the best score is reached."""
    seconds, there = 0.0, False
    for trial, stage in zip(searched.trials, searched.stages, strict=True):
        seconds += stage.seconds or 0.0
        there = there or (_in_full(trial) and trial.mean >= best - CLOSE)
        yield seconds, there


def _in_full(trial: TrialResult) -> bool:
    return trial.rung is None or trial.rung.full


NAMES = (*GRIDS, "search_memory", "tiny_trials", "search_asha")


def searches(names: set[str], rounds: int, *, small: bool = False) -> dict[str, dict[str, float]]:
    """The figures by name; `small` only tries whether they can be had."""
    less = SMALLER if small else 1
    found: dict[str, dict[str, float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="cyclery-bench-") as folder,
        redis_server() as server,
        train_pool(server, Path(folder)) as side,
    ):
        if names & {*GRIDS, "search_memory"}:
            found |= _on_one_matrix(side, names, rounds, ROWS // less)
        if "tiny_trials" in names:
            found["tiny_trials"] = tiny_trials(side, TINY_TRIALS // less)
        if "search_asha" in names:
            found["search_asha"] = asha(side, ASHA_ROWS // (4 if small else 1), ASHA_VALUES // (2 if small else 1))
    return found


def _on_one_matrix(side: TrainPool, names: set[str], rounds: int, rows: int) -> dict[str, dict[str, float]]:
    table = generated(side.folder, rows)
    run: Run = side.prepare(table)
    both = Searches(side, table, exported(side, run))
    found = {name: both.side_by_side(grid, rounds) for name, grid in GRIDS.items() if name in names}
    if "search_memory" in names:
        found["search_memory"] = both.memory(LOGISTIC)
    return found

"""Searches through Cyclery: generated data, a real stack, a train pool that is started afresh for each search."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.conditions import Server, running, stack_of, until
from orchestrator.client import Client, Run, Workflow
from orchestrator.contracts.documents.training import TrialResult, TrialsResult
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.training import TRIALS
from orchestrator.settings import Settings

TEST = 0.2  # share of the generated rows that no trial sees
SEED = 0
FOLDS = 5
WAIT_S = 7200.0


@dataclass(frozen=True, slots=True)
class Table:
    """Generated data: a file whose columns need no preparation, so that both sides train on the very same numbers."""

    file: Path
    columns: int

    def workflow(
        self,
        name: str,
        estimator: str,
        given: Mapping[str, Any],
        search: Mapping[str, Any] | None = None,
        folds: int = FOLDS,
    ) -> Path:
        """A spec with one candidate beside the data; the candidate's name is new, so that no trial is found cached."""
        candidate = {"name": f"{name}_{secrets.token_hex(4)}", "estimator": estimator, **given}
        spec = {
            "name": name,
            "seed": SEED,
            "objective": {"predict": "y", "task": "classification", "positive": 1, "metric": "roc_auc"},
            "data": {"sources": {"rows": {"file": self.file.name}}},
            "split": {"test": TEST},
            "features": {"columns": {f"x{i}": {"missing": "none", "scale": "none"} for i in range(self.columns)}},
            "train": {"candidates": [candidate], "search": {"folds": folds, **(search or {})}},
        }
        target = self.file.with_name(f"{name}.yaml")
        target.write_text(json.dumps(spec))
        return target


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search took, from its submission to the record of its last trial; seconds."""

    wall_s: float
    fit_s: float  # summed over trials: fitting and scoring
    worker_s: float  # summed over trials: all that their stages took
    trials: tuple[TrialResult, ...]  # in the order in which they ended
    stages: tuple[StageRecord, ...]  # that held the trials, in the same order

    def scores(self) -> dict[str, list[float]]:
        """Of each fold, by the parameters that were tried."""
        return {parameters(trial.params): list(trial.scores) for trial in self.trials}


def parameters(params: Mapping[str, Any]) -> str:
    """The name that both sides give to a candidate."""
    return json.dumps(params, sort_keys=True)


class TrainPool:
    """A stack whose train pool comes and goes."""

    def __init__(self, settings: Settings, environment: dict[str, str], folder: Path) -> None:
        self.client = Client(settings)
        self.folder = folder
        self._environment = environment

    @contextmanager
    def processes(self, number: int) -> Iterator[int]:
        """A new pool of so many processes that has heard of nothing yet; the process id of its head."""
        shutil.rmtree(self.folder / "cache" / "derived", ignore_errors=True)  # the matrix and whatever is made of it
        command = ["workers.runtime.pools", f"train:{number}"]
        with running(command, self._environment, self.folder / "train.log") as pid:
            self._await({"train"})
            yield pid
        until(lambda: "train" not in self._queues())

    def prepare(self, table: Table, folds: int = FOLDS) -> Run:
        """Run everything before the trials, which later searches on these folds find cached."""
        with self.processes(1):
            run = self.client.submit(Workflow.load(table.workflow("prepare", "dummy", {}, folds=folds)), new=True)
            return _ended(run, "split", "features")

    def search(self, workflow: Path) -> Searched:
        """Submit a search and wait for its last trial; what follows the trials is cancelled."""
        loaded = Workflow.load(workflow)
        begun = time.time()
        run = self.client.submit(loaded, new=True)
        try:
            self._await_trials(run)
            record = run.record()
        finally:
            run.cancel()
            run.wait()
        return self._summary(record, begun)

    def await_others(self) -> None:
        """Wait for the pools that stay."""
        self._await({"prep", "evaluate", "ops"})

    def _summary(self, record: RunRecord, begun: float) -> Searched:
        stages = sorted(_trials(record), key=lambda stage: stage.finished or 0.0)
        assert all(stage.state == "done" and not stage.cached for stage in stages), record.run
        assert not any(stage.measured.get("failed") for stage in stages), record.run
        return Searched(
            wall_s=max(stage.finished or 0.0 for stage in stages) - begun,
            fit_s=sum(stage.measured["fit_seconds"] + stage.measured["score_seconds"] for stage in stages),
            worker_s=sum(stage.seconds or 0.0 for stage in stages),
            trials=tuple(trial for stage in stages for trial in self._results(stage)),
            stages=tuple(stages),
        )

    def _results(self, stage: StageRecord) -> tuple[TrialResult, ...]:
        read = self.client.session().store.read
        if "results" in stage.outputs:
            return TrialsResult.model_validate_json(read(stage.outputs["results"])).results
        return (TrialResult.model_validate_json(read(stage.outputs["result"])),)

    def _await_trials(self, run: Run) -> None:
        """What ranks the trials is ready once they have ended; to look at it alone costs a run of thousands little."""
        session = self.client.session()
        stages = session.history.keys.run(run.id, "stages")
        until(
            lambda: json.loads(str(session.redis.hget(stages, "select")))["state"] != "waiting",
            seconds=WAIT_S,
            every=0.05,
        )

    def _queues(self) -> set[str]:
        return {pool.queue for pool in self.client.session().history.pools()}

    def _await(self, queues: set[str]) -> None:
        until(lambda: queues <= self._queues(), seconds=300)


def _trials(record: RunRecord) -> list[StageRecord]:
    return [stage for stage in record.stages if stage.task in TRIALS]


def _ended(run: Run, *stages: str) -> Run:
    record = run.wait().record()
    assert all((found := record.stage(name)) and found.state == "done" for name in stages), record
    return run


@contextmanager
def train_pool(server: Server, folder: Path) -> Iterator[TrainPool]:
    """A stack without its train pool."""
    settings, environment = stack_of(server, "train", folder)
    command = ["workers.runtime.pools", "prep:1", "evaluate:1", "ops:1"]
    with (
        running(["orchestrator.service"], environment, folder / "service.log"),
        running(command, environment, folder / "pools.log"),
    ):
        side = TrainPool(settings, environment, folder)
        side.await_others()
        yield side

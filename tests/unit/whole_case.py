"""A whole workflow through the real function of every stage, in one process and without Redis."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.client.code import team_code
from orchestrator.client.workflow import Workflow
from orchestrator.contracts.calls import ArtifactRef, Kind, Plan, Purity, StageCall
from orchestrator.contracts.records import ModelVersion, RunRecord, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.tasks import TASKS, purity_of
from orchestrator.engine.messages import Spent
from orchestrator.plan.build import build
from orchestrator.plan.fingerprints import Fingerprints
from orchestrator.plan.fresh import fresh_plan, source_like_that_of
from orchestrator.spec.models import Spec
from orchestrator.store.artifacts import ArtifactStore
from tests.unit.training_case import Quiet
from workers.catalogue import function_of
from workers.packaging.bundle import Bundle
from workers.runtime.codecs import Desk
from workers.runtime.context import StageContext
from workers.runtime.execute import execute
from workers.runtime.job import Job, resolve_inputs
from workers.runtime.tables import read_table

BINARY = "objective: {predict: bought, task: classification, positive: 'yes', metric: roc_auc}\n"
REGRESSION = "objective: {predict: spent, task: regression}\ncolumns: {ignore: bought}\n"
DATA = "data: {sources: {people: people.csv}}\n"


@dataclass(frozen=True)
class Whole:
    """What every stage left."""

    outputs: dict[str, dict[str, ArtifactRef]]
    store: ArtifactStore

    def document(self, stage: str, output: str) -> Any:
        return json.loads(self.store.read(self.outputs[stage][output]))

    def table(self, stage: str, output: str) -> pd.DataFrame:
        return read_table(self.store.fetch(self.outputs[stage][output]))

    def bundle(self) -> Bundle:
        return Bundle.load(self.bundle_file())

    def bundle_file(self) -> Path:
        return self.store.fetch(self.outputs["package"]["bundle"])


def people(folder: Path, rows: int = 300) -> pd.DataFrame:
    """people.csv: two numbers, a category, a household of three; one in five buys."""
    dice = np.random.default_rng(3)
    table = pd.DataFrame({"age": dice.uniform(20, 80, rows).round(1), "income": dice.normal(50, 12, rows).round(2)})
    table["city"] = dice.choice(["Bonn", "Kiel", "Ulm"], rows)
    table["weight"] = dice.integers(1, 4, rows)
    table["home"] = np.arange(rows) // 3
    table["day"] = pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d")
    signal = table["age"] / 15 + table["income"] / 12 + (table["city"] == "Kiel") * 2 + dice.normal(0, 1.2, rows)
    table["spent"] = signal.round(3)
    table["bought"] = np.where(signal > signal.quantile(0.8), "yes", "no")
    table.to_csv(folder / "people.csv", index=False)
    return table


def judged_again(
    spec: Spec,
    calls: Sequence[StageCall],
    outputs: Mapping[str, Mapping[str, ArtifactRef]],
    file: ArtifactRef,
    filename: str | None = None,
) -> Plan:
    """The plan of `cyclery evaluate` for what these calls made, on a file like their source."""
    version = ModelVersion(
        model=spec.name, version=1, stage="candidate", run="w-1", created=0.0, candidate="c",
        digest=outputs["package"]["bundle"].digest, bundle=outputs["package"]["bundle"],
        signature=outputs["package"]["signature"], rows=outputs["split"]["rows"],
        evaluation=outputs["evaluate"]["evaluation"], ranking=outputs["select"]["ranking"],
    )  # fmt: skip
    stages = tuple(
        StageRecord(id=one.id, task=one.task, queue=one.queue, state=StageState.DONE, params=one.params,
                    outputs=dict(outputs.get(one.id, {})))
        for one in calls
    )  # fmt: skip
    record = RunRecord(run="w-1", workflow=spec.name, status=RunStatus.SUCCEEDED, created=0.0, plan_digest="d",
                       plan_version=1, stages=stages)  # fmt: skip
    asked = source_like_that_of(version, record, filename or spec.data.source[1].file)
    return fresh_plan(version, record, asked, file, {}, lambda _: True)


def whole(folder: Path, text: str, until: str = "package") -> Whole:
    """Run a workflow file's text up to one of its stages; its data is people.csv in the same folder.

    Estimators of a team's own must be importable, and go from snapshot to bundle as a run's do.
    """
    folder.mkdir(exist_ok=True)
    if not (folder / "people.csv").exists():
        people(folder)
    file = folder / "flow.yaml"
    file.write_text(text, encoding="utf-8")
    spec = Workflow.load(file).spec
    store = ArtifactStore(str(folder / "store"), folder / "cache", 1 << 30)
    sources = {name: store.put_file(folder / one.file, Kind.FILE) for name, one in spec.data.sources.items()}
    outputs: dict[str, dict[str, ArtifactRef]] = {}
    joined: dict[str, list[str]] = {}
    team = team_code(spec, store)
    own = None if team.models is None else folder / "own"
    if team.models is not None:
        zipfile.ZipFile(store.fetch(team.models.snapshot)).extractall(folder / "own")
    waiting = list(build(spec, Fingerprints(sources=sources, code=team.entries, model_code=team.models)).stages)
    while waiting:
        call = waiting.pop(0)
        if purity_of(call) is Purity.EFFECT:  # a registry's, or an account's
            outputs[call.id] = {}
            continue
        before = {name: outputs[name] for name in (*call.upstream(), *joined.get(call.id, ()))}
        job = Job(run="w-1", attempt=1, key="k", call=call, inputs=resolve_inputs(call, before), seed=spec.seed)
        context = StageContext(
            "w-1", call.id, 1, "k", folder / "scratch" / call.id, Quiet(), store.cache, seed=spec.seed
        )
        context.accounts = (lambda _: Spent(0.0, 0.0)) if TASKS[call.task].expands else None
        desk = Desk(store, lambda context=context: context.workdir, own)  # type: ignore[misc]
        outputs[call.id] = execute(job, function_of(call.task), context, desk, {})
        waiting = [*context.grown, *waiting]
        for join in context.joins:
            joined.setdefault(join, []).extend(one.id for one in context.grown)
        if call.id == until:
            break
    return Whole(outputs, store)

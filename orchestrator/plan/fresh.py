"""The plan that judges a registered version on labelled rows from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.contracts.calls import ArtifactRef, Input, Output, Plan, StageCall
from orchestrator.contracts.data import IngestParams
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.evaluation import EvaluateParams, FreshParams
from orchestrator.contracts.records import ModelVersion, RunRecord, StageRecord
from orchestrator.contracts.tasks import TASKS
from orchestrator.plan.build import keyed
from orchestrator.spec.headers import format_of
from orchestrator.spec.models import RunOptions, Source

FRESH = ".evaluate"  # at the end of a model's name, which no file's workflow can have


def fresh_plan(
    version: ModelVersion,
    record: RunRecord,
    source: IngestParams,
    file: ArtifactRef,
    environments: Mapping[str, str | None],
    has: Callable[[str], bool],
) -> Plan:
    """Ingest, then evaluate: with the objective, the roles, the costs and the slices of the run that made the version.

    `has` tells whether the store has a digest: the dummy needs the training rows, which may be gone. The registry is
    only read. Raises InvalidInput where the record does not hold that run's evaluation.
    """
    asked = EvaluateParams.model_validate(_stage(record, "evaluate.model", version).params)
    params = FreshParams(**dict(asked), model=version.name, data=source.filename)
    inputs: dict[str, Input] = {
        "bundle": version.bundle,
        "table": Output(stage=f"ingest[{source.source}]", output="table"),
        "trained": version.rows,
        "before": version.evaluation,
    }
    frame = _stage(record, "features.build", version).outputs.get("frame")
    if frame is not None and has(frame.digest):
        inputs["frame"] = frame
    calls = [
        _call(f"ingest[{source.source}]", "data.ingest", source.model_dump(mode="json"), {"file": file}),
        _call("evaluate", "evaluate.fresh", params.model_dump(mode="json"), inputs),
    ]
    return Plan(
        workflow=f"{version.model}{FRESH}",
        stages=keyed(calls, environments),
        spec={
            "name": f"{version.model}{FRESH}",
            "model": version.name,
            "objective": params.objective.model_dump(mode="json"),
            "data": {"sources": {source.source: {"file": source.filename}}},
            "run": RunOptions().model_dump(mode="json"),
            "seed": params.seed,
        },
    )


def source_like_that_of(version: ModelVersion, record: RunRecord, filename: str) -> IngestParams:
    """How a file is read that is not described: as the source that the version was trained on.

    Where its ending says another format, only what counts as missing is kept.
    """
    known = IngestParams.model_validate(_stage(record, "data.ingest", version).params)
    found = format_of(Source(file=filename)) or known.format
    if found != known.format:
        return IngestParams(source=known.source, filename=filename, format=found, missing=known.missing)
    return known.model_copy(update={"filename": filename})


def _stage(record: RunRecord, task: str, version: ModelVersion) -> StageRecord:
    found = next((stage for stage in record.stages if stage.task == task), None)
    if found is None or not found.params:
        raise InvalidInput(
            f"{record.run}, which made {version.name}, has no record of {task}: it cannot be judged again"
        )
    return found


def _call(identifier: str, task: str, params: dict[str, Any], inputs: dict[str, Input]) -> StageCall:
    row = TASKS[task]
    return StageCall(id=identifier, task=task, queue=row.queue.value, version=row.version, params=params, inputs=inputs)

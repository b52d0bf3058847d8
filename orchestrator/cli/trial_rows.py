"""The trials of a run as rows: those that were scored with their rank, then those that failed."""

from __future__ import annotations

from typing import Any

from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.values import canonical


def trial_rows(record: RunRecord, scored: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """One row for each scored or failed trial."""
    stages = {
        _identity(stage.params["candidate"], stage.params["params"], stage.params.get("rung")): stage
        for stage in record.stages
        if stage.task == "train.trial"
    }
    rows = []
    for rank, trial in enumerate(scored, start=1):
        stage = stages.get(_identity(trial["candidate"], trial["params"], trial.get("rung")))
        rows.append({"rank": rank, **trial, **_measured(stage), "error": None})
    rows += [_failed(stage) for stage in stages.values() if stage.state is StageState.FAILED]
    if sort == "candidate":
        rows.sort(key=lambda row: str(row["candidate"]))
    elif sort == "seconds":
        rows.sort(key=lambda row: -(row["seconds"] or 0.0))
    return rows


def _failed(stage: StageRecord) -> dict[str, Any]:
    return {
        "rank": None,
        "candidate": stage.params["candidate"],
        "params": stage.params["params"],
        "score": None,
        "std": None,
        **({"rung": stage.params["rung"]} if stage.params.get("rung") else {}),
        **_measured(stage),
        "error": stage.error.message if stage.error else "failed",
    }


def _measured(stage: StageRecord | None) -> dict[str, Any]:
    return {"stage": stage.id if stage else None, "seconds": stage.seconds if stage else None}


def _identity(candidate: str, params: dict[str, Any], rung: dict[str, Any] | None) -> bytes:
    return canonical([candidate, params, rung["number"] if rung else None])


def resource_of(rung: dict[str, Any] | None) -> str:
    """What a trial of a halving search was given: `rung 2/3: 33 % of rows`, `rung 3/3: max_iter 300`."""
    if rung is None:
        return ""
    amount = (
        f"{100 * rung['amount']:.3g} % of rows"
        if rung["resource"] == "rows"
        else f"{rung['resource']} {rung['amount']:g}"
    )
    return f"rung {rung['number'] + 1}/{rung['of']}: {amount}"

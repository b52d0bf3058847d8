"""Stages that judge the champion."""

from __future__ import annotations

from orchestrator.contracts.calls import Input, Output
from orchestrator.contracts.evaluation import (
    PRODUCTION,
    ChecksGate,
    EvaluateParams,
    GatesParams,
    SizeGate,
    column_of,
)
from orchestrator.plan.draft import Draft
from orchestrator.plan.rivals import compares, drifts, named_rivals, rival_of
from orchestrator.plan.stages.taken import columns, objective, of_select, of_split, prepared
from orchestrator.spec.models import Spec


def evaluate(draft: Draft) -> None:
    """The champion on the untouched test rows."""
    spec = draft.spec
    asked = spec.evaluation
    params = EvaluateParams(
        objective=objective(spec),
        roles=columns(spec),
        seed=spec.seed,
        costs=spec.objective.costs,
        slices=asked.slices,
        weakest=asked.weakest,
        top=asked.top if spec.objective.task == "classification" else (),
    )
    inputs = {"model": of_select("model"), **prepared()}
    if asked.slices or asked.weakest:
        inputs["prepared"] = draft.table
    draft.add("evaluate", "evaluate.model", params, inputs, code=draft.fingerprints.model_code)


def spend(draft: Draft) -> None:
    """The account of the test rows, before anything is judged on them."""
    inputs: dict[str, Input] = {
        "rows": of_split("rows"),
        "predictions": Output(stage="evaluate", output="predictions"),
    }
    rival = rival_of(draft.spec, draft.fingerprints.live)
    if rival is not None and compares(draft.spec):
        inputs["rival_rows"] = draft.fingerprints.rivals[rival].rows
    draft.add("spend", "evaluate.spend", _judged(draft), inputs)


def gates(draft: Draft) -> None:
    """The verdicts; a registered rival comes with its bundle, its rows and the raw table that it predicts from."""
    spec = draft.spec
    inputs: dict[str, Input] = {
        "evaluation": Output(stage="evaluate", output="evaluation"),
        "predictions": Output(stage="evaluate", output="predictions"),
        "frame": Output(stage="features", output="frame"),
        "rows": of_split("rows"),
    }
    rival = rival_of(spec, draft.fingerprints.live)
    if rival is not None:
        known = draft.fingerprints.rivals[rival]
        inputs["rival_rows"] = known.rows
        if compares(spec):
            inputs |= {"table": draft.source, "rival_bundle": known.bundle}
        if drifts(spec) and known.frame is not None:
            inputs["rival_frame"] = known.frame
    if _sliced(spec):
        inputs["prepared"] = draft.table
    if any(isinstance(gate, SizeGate) for gate in spec.gates):
        inputs["model"] = of_select("model")
    if any(isinstance(gate, ChecksGate) for gate in spec.gates):
        inputs["findings"] = Output(stage="check", output="findings")
    if draft.has("measure"):
        inputs["measurements"] = Output(stage="measure", output="measurements")
    if draft.has("spend"):
        inputs["spending"] = Output(stage="spend", output="spending")
    draft.add("gates", "evaluate.gates", _judged(draft), inputs, code=draft.fingerprints.gate_code)


def _sliced(spec: Spec) -> set[str | None]:
    """The columns by which gates divide the test rows."""
    return {column_of(gate) for gate in spec.gates} - {None}


def _judged(draft: Draft) -> GatesParams:
    """What is judged, and against which version."""
    spec = draft.spec
    return GatesParams(
        gates=spec.gates,
        objective=objective(spec),
        roles=columns(spec),
        seed=spec.seed,
        costs=spec.objective.costs,
        live=draft.fingerprints.live if PRODUCTION in named_rivals(spec) else None,
        slices=tuple(one for one in spec.evaluation.slices if one.column in _sliced(spec)),
    )

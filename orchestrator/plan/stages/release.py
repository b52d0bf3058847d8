"""Stages that package, measure, ask people about and register the champion."""

from __future__ import annotations

from orchestrator.contracts.calls import Input, Output
from orchestrator.contracts.release import PackageParams, RegisterParams
from orchestrator.contracts.tasks import NoParams
from orchestrator.plan import policies
from orchestrator.plan.draft import Draft
from orchestrator.plan.stages.taken import columns, objective, of_select, of_split
from orchestrator.spec.models import Approve


def package(draft: Draft) -> None:
    """The bundle: everything from raw rows to predictions. It does not wait for the gates."""
    spec = draft.spec
    params = PackageParams(
        model=spec.name,
        objective=objective(spec),
        roles=columns(spec),
        derive=spec.features.derive,
        custom=tuple(draft.steps),
        own=draft.fingerprints.model_code,
    )
    inputs = {
        "model": of_select("model"),
        "preparation": Output(stage="features", output="preparation"),
        "changes": Output(stage="prepare", output="changes"),
        "source": draft.source,
        "predictions": Output(stage="evaluate", output="predictions"),
    }
    draft.add("package", "release.package", params, inputs, code=draft.fingerprints.model_code)


def measure(draft: Draft) -> None:
    """How fast and heavy the bundle is, where gates ask for it: measured once, and kept as it was measured."""
    inputs = {
        "bundle": Output(stage="package", output="bundle"),
        "source": draft.source,
        "predictions": Output(stage="evaluate", output="predictions"),
    }
    draft.add("measure", "release.measure", NoParams(), inputs)


def approve(draft: Draft) -> None:
    """A person decides, once there is everything to decide on."""
    policy = policies.approve_policy(draft.spec.approve or Approve())
    after = [name for name in ("gates", "package") if draft.has(name)]
    draft.add("approve", "release.approve", NoParams(), {}, after=after, policy=policy)


def register(draft: Draft) -> None:
    """The model version with its evidence."""
    inputs: dict[str, Input] = {
        "bundle": Output(stage="package", output="bundle"),
        "signature": Output(stage="package", output="signature"),
        "evaluation": Output(stage="evaluate", output="evaluation"),
        "ranking": of_select("ranking"),
        "rows": of_split("rows"),
    }
    if draft.has("gates"):
        inputs["verdicts"] = Output(stage="gates", output="verdicts")
    after = ("approve",) if draft.has("approve") else ()
    draft.add("register", "release.register", RegisterParams(model=draft.spec.name), inputs, after=after)

"""Task name → the function behind it, as `module:function`; only workers know."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from orchestrator.contracts.errors import CycleryError

FUNCTIONS: dict[str, str] = {
    "data.ingest": "workers.data.ingest:ingest",
    "data.check": "workers.data.check:check",
    "data.prepare": "workers.data.prepare:prepare",
    "data.split": "workers.data.split:split",
    "features.build": "workers.features.build:build",
    "train.feasibility": "workers.feasibility.assess:assess",
    "train.require": "workers.feasibility.require:require",
    "train.trial": "workers.training.trial:trial",
    "train.trials": "workers.training.trials:trials",
    "train.fold": "workers.training.fold:fold",
    "train.joined": "workers.training.joined:joined",
    "train.search": "workers.training.search:search",
    "train.segments": "workers.training.segments:segments",
    "train.segment": "workers.training.segment:segment",
    "train.select": "workers.training.select:select",
    "evaluate.model": "workers.evaluation.evaluate:evaluate",
    "evaluate.spend": "workers.evaluation.gates.spend:spend",
    "evaluate.fresh": "workers.evaluation.fresh:fresh",
    "evaluate.gates": "workers.evaluation.gates.verdicts:gates",
    "release.package": "workers.packaging.package:package",
    "release.measure": "workers.packaging.measure:measure",
    "release.register": "workers.packaging.register:register",
    "ops.probe": "workers.runtime.probe:probe",
}


@functools.cache
def function_of(task: str) -> Callable[..., Any]:
    """The function of a task of the table."""
    if task not in FUNCTIONS:
        raise CycleryError(f"no worker here knows the task {task}: upgrade the workers of its queue")
    module, name = FUNCTIONS[task].split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function

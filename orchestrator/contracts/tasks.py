"""The table of tasks: name → version, queue, purity, parameter schema, inputs and outputs.

The orchestrator names a task and never imports the function behind it. A change of what a task computes raises its
version here, which changes every recipe key that it enters.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.contracts import data, evaluation, release, training
from orchestrator.contracts.calls import Purity, StageCall
from orchestrator.contracts.values import Value


class Queue(StrEnum):
    """One queue per pool."""

    PREP = "prep"
    TRAIN = "train"
    EVALUATE = "evaluate"
    OPS = "ops"  # short bookkeeping


class NoParams(Value):
    """Of tasks that take none."""


class ProbeParams(Value):
    """Of the diagnostic stage: how long it stays, and how wide; used by doctor, benchmarks and tests."""

    echo: str | int | None = None
    seconds: float = 0.0
    fail: str | None = None  # raise this message


@dataclass(frozen=True, slots=True)
class Task:
    """One row of the table."""

    name: str
    version: int
    queue: Queue
    purity: Purity
    params: type[Value] | None  # None: a team's own stage, checked against its signature
    inputs: tuple[str, ...]  # names; a trailing "?" marks an optional one
    outputs: tuple[str, ...]


_ROWS = ("frame", "rows", "preparation")

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("data.ingest", 1, Queue.PREP, Purity.PURE, data.IngestParams, ("file",), ("table", "profile")),
        Task("data.check", 1, Queue.PREP, Purity.PURE, data.CheckParams, ("table",), ("findings",)),
        Task("data.prepare", 1, Queue.PREP, Purity.PURE, data.PrepareParams, ("table",), ("table", "changes")),
        Task("data.split", 1, Queue.PREP, Purity.PURE, data.SplitParams, ("table",), ("rows", "summary")),
        Task("features.build", 1, Queue.PREP, Purity.PURE, data.FeaturesParams, ("table", "rows"), ("frame", "preparation")),
        Task("train.trial", 1, Queue.TRAIN, Purity.PURE, training.TrialParams, (*_ROWS, "summary"), ("result",)),
        Task("train.select", 1, Queue.TRAIN, Purity.PURE, training.SelectParams, ("results", *_ROWS), ("model", "ranking")),
        Task("evaluate.model", 1, Queue.EVALUATE, Purity.PURE, evaluation.EvaluateParams, ("model", *_ROWS), ("evaluation", "predictions")),
        Task("evaluate.gates", 1, Queue.EVALUATE, Purity.PURE, evaluation.GatesParams,
             ("evaluation", "predictions", "frame", "rows", "table?", "rival_bundle?", "rival_rows?"), ("verdicts",)),
        Task("release.package", 1, Queue.EVALUATE, Purity.PURE, release.PackageParams,
             ("model", "preparation", "changes", "source", "predictions"), ("bundle", "signature")),
        Task("release.approve", 1, Queue.OPS, Purity.VOLATILE, NoParams, (), ()),  # held for a person; no worker runs it
        Task("release.register", 1, Queue.OPS, Purity.EFFECT, release.RegisterParams,
             ("bundle", "signature", "evaluation", "ranking", "rows", "verdicts?"), ("registration",)),
        Task("custom", 1, Queue.PREP, Purity.PURE, None, (), ()),
        Task("ops.probe", 1, Queue.OPS, Purity.PURE, ProbeParams, ("before?",), ("echo",)),
    )
}  # fmt: skip


def purity_of(call: StageCall) -> Purity:
    """What may be done with a call's result; a task that this release does not know is never cached."""
    if call.purity is not None:
        return call.purity
    return TASKS[call.task].purity if call.task in TASKS else Purity.VOLATILE

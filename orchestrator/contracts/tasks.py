"""The table of tasks: name → version, queue, purity, parameter schema, inputs and outputs.

The orchestrator names a task and never imports the function behind it. A change of what a task computes raises its
version here, which changes every recipe key that it enters, and the name under which its messages are sent: so a worker
is handed nothing that its release does otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.contracts import data, evaluation, feasibility, release, segments, training
from orchestrator.contracts.calls import PLAN_VERSION, Purity, StageCall
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
    expands: bool = False  # it may bring further stages into being: what comes after it is known by content only
    since: int = 1  # calls of this version on are understood: raised where older parameters or inputs no longer are


_ROWS = ("frame", "rows", "preparation")

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("data.ingest", 1, Queue.PREP, Purity.PURE, data.IngestParams, ("file",), ("table", "profile")),
        Task("data.check", 1, Queue.PREP, Purity.PURE, data.CheckParams, ("table",), ("findings",)),
        Task("data.prepare", 1, Queue.PREP, Purity.PURE, data.PrepareParams, ("table",), ("table", "changes")),
        Task("data.split", 1, Queue.PREP, Purity.PURE, data.SplitParams, ("table",), ("rows", "summary")),
        Task("features.build", 1, Queue.PREP, Purity.PURE, data.FeaturesParams, ("table", "rows"), ("frame", "preparation")),
        Task("train.feasibility", 1, Queue.TRAIN, Purity.PURE, feasibility.FeasibilityParams, (*_ROWS, "summary"), ("feasibility",)),
        Task("train.require", 1, Queue.TRAIN, Purity.VOLATILE, feasibility.RequireParams, ("feasibility",), ("verdicts",)),
        Task("train.trial", 2, Queue.TRAIN, Purity.PURE, training.TrialParams, (*_ROWS, "summary"), ("result",)),
        Task("train.trials", 1, Queue.TRAIN, Purity.PURE, training.TrialsParams, (*_ROWS, "summary"), ("results",)),
        Task("train.fold", 1, Queue.TRAIN, Purity.PURE, training.FoldParams, (*_ROWS, "summary"), ("score",)),
        Task("train.joined", 1, Queue.OPS, Purity.PURE, training.TrialParams, ("folds",), ("result",)),
        Task("train.search", 1, Queue.OPS, Purity.PURE, training.SearchParams, ("results", "search?"), ("search",), expands=True),
        Task("train.segments", 1, Queue.TRAIN, Purity.PURE, segments.SegmentsParams, ("frame", "rows"), ("segments",), expands=True),
        Task("train.segment", 1, Queue.TRAIN, Purity.PURE, segments.SegmentParams, (*_ROWS, "summary", "segments"), ("models", "fitted")),
        Task("train.select", 2, Queue.TRAIN, Purity.PURE, training.SelectParams,
             ("results", *_ROWS, "summary?", "search?", "segments?", "models?", "fitted?", "together?"), ("model", "ranking", "effects")),
        Task("evaluate.model", 2, Queue.EVALUATE, Purity.PURE, evaluation.EvaluateParams, ("model", *_ROWS, "prepared?"), ("evaluation", "predictions", "details")),
        Task("evaluate.fresh", 1, Queue.EVALUATE, Purity.PURE, evaluation.FreshParams,
             ("bundle", "table", "trained", "before?", "frame?"), ("evaluation", "predictions", "details")),
        Task("evaluate.spend", 1, Queue.OPS, Purity.EFFECT, evaluation.GatesParams, ("rows", "predictions", "rival_rows?"), ("spending",)),
        Task("evaluate.gates", 2, Queue.EVALUATE, Purity.PURE, evaluation.GatesParams,
             ("evaluation", "predictions", "frame", "rows", "table?", "rival_bundle?", "rival_rows?", "prepared?", "spending?", "model?", "findings?", "measurements?", "rival_frame?"),
             ("verdicts",)),
        Task("release.package", 1, Queue.EVALUATE, Purity.PURE, release.PackageParams,
             ("model", "preparation", "changes", "source", "predictions"), ("bundle", "signature")),
        Task("release.measure", 1, Queue.EVALUATE, Purity.PURE, NoParams, ("bundle", "source", "predictions"), ("measurements",)),
        Task("release.approve", 1, Queue.OPS, Purity.VOLATILE, NoParams, (), ()),  # held for a person; no worker runs it
        Task("release.register", 1, Queue.OPS, Purity.EFFECT, release.RegisterParams,
             ("bundle", "signature", "evaluation", "ranking", "rows", "verdicts?"), ("registration",)),
        Task("custom", 1, Queue.PREP, Purity.PURE, None, (), ()),
        Task("ops.probe", 1, Queue.OPS, Purity.PURE, ProbeParams, ("before?",), ("echo",)),
    )
}  # fmt: skip


def message_name(task: str, version: int, plan: int) -> str:
    """The name under which a task's messages are sent: `train.trial`, later `train.trial@2` or `train.trial@2/plan3`.

    A worker listens to the names that it knows. One of an older release, the first included, never runs what it would
    run wrongly: it does not know the name.
    """
    return task + (f"@{version}" if version > 1 else "") + (f"/plan{plan}" if plan > 1 else "")


def names_of(task: Task) -> tuple[str, ...]:
    """The names of all messages of a task that this release does: of its own version, and of those before it."""
    versions, plans = range(task.since, task.version + 1), range(1, PLAN_VERSION + 1)
    return tuple(message_name(task.name, version, plan) for version in versions for plan in plans)


def spoken(name: str) -> str:
    """A message's name as people read it: `train.trial`, `train.trial v2`, `train.trial v2 of plan v3`."""
    task, _, plan = name.partition("/plan")
    return task.replace("@", " v") + (f" of plan v{plan}" if plan else "")


def as_done_here(call: StageCall) -> StageCall:
    """The call as this release does it: of an older version by today's, which is what its result is kept as."""
    task = TASKS.get(call.task)
    if task is None or call.version >= task.version:
        return call
    return call.model_copy(update={"version": task.version})


def expands(call: StageCall) -> bool:
    """Whether the stage may bring further ones into being; a task that this release does not know brings none."""
    return call.task in TASKS and TASKS[call.task].expands


def purity_of(call: StageCall) -> Purity:
    """What may be done with a call's result; a task that this release does not know is never cached."""
    if call.purity is not None:
        return call.purity
    return TASKS[call.task].purity if call.task in TASKS else Purity.VOLATILE

"""Stage calls: what a plan is made of, and what a worker is asked to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from orchestrator.contracts.values import Value

PLAN_VERSION = 1
DIAGNOSTIC = "cyclery.doctor"  # the workflow of runs that only try the stack: listed nowhere; no file can be named so


class Kind(StrEnum):
    """What an artifact's bytes are."""

    TABLE = "table"  # Parquet, zstd; column `__row__` is the position in the source
    MODEL = "model"  # skops
    JSON = "json"  # a document of contracts.documents, canonical JSON
    FILE = "file"  # bytes as they are: a source file, a bundle, a code snapshot


class ArtifactRef(Value):
    """Bytes in the artifact store, by the digest of their content."""

    kind: Kind
    digest: str  # sha256:<64 hex>
    size: int  # bytes
    rows: int | None = None  # of a table


class Output(Value):
    """An input that is an output of one earlier stage."""

    stage: str
    output: str


class Gather(Value):
    """An input that is the same output of many earlier stages, in this order.

    Stages that failed or were skipped (where the join policy lets them) are left out.
    """

    stages: tuple[str, ...]
    output: str


Input = Output | Gather | ArtifactRef


class Purity(StrEnum):
    """What may be done with a result."""

    PURE = "pure"  # cached by recipe and by content
    VOLATILE = "volatile"  # depends on the world: runs each time; what it observed is in its outputs
    EFFECT = "effect"  # changes the world: applied once per idempotency key (contracts/keys.py)


class Hold(Value):
    """A stage that waits for a person; at its deadline it is decided as `otherwise` says."""

    deadline_s: float | None = None
    otherwise: Literal["approve", "reject"] = "reject"


class Policy(Value):
    """How the engine treats a stage."""

    attempts: int = 3  # of transient failures; other failures are final
    backoff_s: float = 1.0  # doubles with each attempt, with jitter, up to 60 s
    timeout_s: float = 3600.0  # hard limit; the worker's child is killed
    soft_timeout_s: float | None = None  # raises inside the stage, so that it can clean up
    memory_mb: int | None = None  # resident memory of the process that runs the stage
    tolerate: bool = False  # a failure does not stop the run; the join after it judges
    min_success: int | None = None  # a join: how many of the tolerated stages before it must be done
    max_failures: int | None = None  # a join: more failures than these skip it at once
    hold: Hold | None = None
    batch: int = 1  # how many ready stages of the same task one message may carry


class Code(Value):
    """A team's own code: a snapshot in the store and what to call in it."""

    snapshot: ArtifactRef  # a zip with the files that the entry imports
    entry: str  # module:attribute
    requires: tuple[str, ...] = ()  # PEP 508 requirements, checked on the pool


class StageCall(Value):
    """One node of a plan: a task by name, with everything that it needs."""

    id: str  # unique in the plan: "split", "train[hist_gradient_boosting#3]"
    task: str  # a name in contracts.tasks
    queue: str
    version: int  # of the task, from the table
    params: dict[str, Any] = Field(default_factory=dict)  # JSON, of the task's parameter schema
    inputs: dict[str, Input] = Field(default_factory=dict)
    after: tuple[str, ...] = ()  # order without data
    policy: Policy = Policy()
    code: Code | None = None
    key: str | None = None  # the recipe key; None: never looked up at submission
    environment: str | None = None  # digest of the pool that the recipe key counts on
    purity: Purity | None = None  # of a team's own stage; None: as the task's row in the table says
    shadow: str | None = None  # the name that Flower shows, where it is not the task's

    def upstream(self) -> tuple[str, ...]:
        """The ids of all stages that this one waits for, each once, in order."""
        found: dict[str, None] = {}
        for source in self.inputs.values():
            if isinstance(source, Output):
                found[source.stage] = None
            elif isinstance(source, Gather):
                found.update(dict.fromkeys(source.stages))
        found.update(dict.fromkeys(self.after))
        return tuple(found)


class Plan(Value):
    """A DAG of stage calls in an order in which each comes after what it waits for."""

    version: int = PLAN_VERSION
    workflow: str
    stages: tuple[StageCall, ...]
    on_failure: Literal["stop", "continue"] = "stop"
    max_parallel: int | None = None  # stages of this run under way at once
    spec: dict[str, Any] = Field(default_factory=dict)  # the spec as it was resolved, secrets unresolved
    notes: tuple[str, ...] = ()  # what a person should know about the plan


def is_probe(run: str) -> bool:
    """Whether this is the id of a run that only tries the stack."""
    return run.startswith(f"{DIAGNOSTIC}-")

"""What the ledger answers about runs and stages, and what a manifest keeps of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from orchestrator.contracts.calls import ArtifactRef, Code
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.training import FOLD, JOINED
from orchestrator.contracts.values import Value

RECORD_VERSION = 1
OFF_RECIPE = "off_recipe"  # among a stage's measured facts: it was done otherwise than its recipe key counts on

Family = Literal["data", "user", "requires", "transient", "timeout", "memory", "poison", "rejected", "internal"]


class Record(Value):
    """What is only read: of a newer release it may say more than this one knows, which is passed over.

    A call, which is executed, refuses what it does not know. What changes the meaning of what is there raises
    RECORD_VERSION.
    """

    model_config = ConfigDict(extra="ignore")


def why_unreadable(error: Exception) -> str:
    """Why a record could not be read, in plain ASCII: at which field, as far as that is known."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))!a}: {first['msg']}"
    return f"{str(error.args[0])!a} is missing" if isinstance(error, KeyError) else ascii(str(error))[:200]


class StageError(Record):
    """Why a stage failed. Only the family `transient` is retried."""

    family: Family
    message: str  # one line: what, where, what to do
    frames: tuple[str, ...] = ()  # of a team's own code only


class Decision(Record):
    """A person's answer to a held stage."""

    verdict: Literal["approved", "rejected"]
    by: str
    note: str | None = None
    at: float  # seconds since the epoch
    identity: Literal["unverified", "verified"] = "unverified"


class StageRecord(Record):
    """One stage of a run as it stands. Times are seconds since the epoch on Redis's clock."""

    id: str
    task: str
    queue: str
    state: StageState
    shadow: str | None = None
    after: tuple[str, ...] = ()  # ids of all stages that it waits for
    attempt: int = 0  # claims so far in this generation
    deaths: int = 0  # workers that died under it
    cached: bool = False
    worker: str | None = None  # "train@host"
    started: float | None = None
    finished: float | None = None
    seconds: float | None = None  # of the last attempt; of the original execution when cached
    progress: float | None = None  # 0 to 1, where the stage tells
    error: StageError | None = None
    decision: Decision | None = None
    outputs: dict[str, ArtifactRef] = Field(default_factory=dict)
    measured: dict[str, Any] = Field(default_factory=dict)  # times, memory: never part of a digest
    log: ArtifactRef | None = None  # of the last attempt, once it ended
    params: dict[str, Any] = Field(default_factory=dict)
    key: str | None = None  # the recipe key
    sources: dict[str, ArtifactRef] = Field(default_factory=dict)  # inputs that no stage made: files, a rival's bundle
    code: Code | None = None  # a team's own


class RunRecord(Record):
    """A run with all its stages: the ledger's snapshot, and the manifest once it ended."""

    version: int = RECORD_VERSION
    run: str
    workflow: str
    status: RunStatus
    generation: int = 1  # raised by each retry
    author: str = "unknown"
    created: float
    finished: float | None = None
    seed: int = 0
    spec: dict[str, Any] = Field(default_factory=dict)
    plan_digest: str
    plan_version: int
    notes: tuple[str, ...] = ()
    position: str = "0-0"  # in the event stream at the moment of the snapshot
    stages: tuple[StageRecord, ...] = ()

    def stage(self, identifier: str) -> StageRecord | None:
        """The stage with this id."""
        return next((record for record in self.stages if record.id == identifier), None)

    def fits(self, stage: StageRecord) -> list[StageRecord]:
        """The stages that fitted a trial: those of its folds, where each has its own, else the trial's."""
        if stage.task != JOINED:
            return [stage]
        return [found for one in stage.after if (found := self.stage(one)) and found.task == FOLD]


class RunSummary(Record):
    """One line of `cyclery runs`."""

    run: str
    workflow: str
    status: RunStatus
    created: float
    finished: float | None = None
    stages: int
    done: int
    author: str = "unknown"


class Look(Record):
    """One judgement on test rows, and what it goes by."""

    run: str
    by: str
    rows: int  # different ones
    sketch: str  # base64 of the smallest identities among them, 8 bytes each, least first
    judgements: int  # earlier ones that share rows with it
    looks: float  # how often its rows were judged before, on average
    runs: tuple[str, ...] = ()  # some of the earlier ones


class Event(Record):
    """One change, as watchers see it: a stage's new state or progress, or a run's new status."""

    position: str  # of the stream
    at: float
    kind: Literal["run", "stage", "progress"]
    stage: str | None = None
    state: str  # a StageState, a RunStatus or `cancelling`; of progress the share, 0 to 1


class ModelVersion(Record):
    """One version in the registry, with what later gates and people need to know of it."""

    model: str
    version: int
    stage: Literal["refused", "candidate", "staging", "production", "archived"]
    run: str
    created: float
    digest: str  # of the bundle
    bundle: ArtifactRef
    rows: ArtifactRef  # the split: identities of training rows, for gates on unseen rows
    signature: ArtifactRef
    evaluation: ArtifactRef
    ranking: ArtifactRef
    verdicts: ArtifactRef | None = None
    metric: str | None = None  # the objective's
    metrics: dict[str, dict[str, Any]] = Field(default_factory=dict)  # name → Interval as JSON
    candidate: str
    params: dict[str, Any] = Field(default_factory=dict)
    reasons: tuple[str, ...] = ()  # of a refusal
    threshold: dict[str, Any] | None = None  # a DecisionThreshold as JSON, without its curve

    @property
    def name(self) -> str:
        """NAME@VERSION."""
        return f"{self.model}@{self.version}"

    @property
    def metrics_in_order(self) -> dict[str, dict[str, Any]]:
        """The objective's metric, then the others in the order of the contracts, which a record in Redis has lost."""
        places = {name: place for place, name in enumerate(METRICS)}
        names = sorted(self.metrics, key=lambda name: (name != self.metric, places.get(name, len(places))))
        return {name: self.metrics[name] for name in names}

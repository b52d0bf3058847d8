"""What callers and the ledger hand each other: bells, leases, claims, completions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from orchestrator.contracts.calls import ArtifactRef, StageCall
from orchestrator.contracts.records import StageError

# What workers of 0.1.0 know, which do not say so.
FIRST_NAMES = (
    "data.ingest", "data.check", "data.prepare", "data.split", "features.build", "train.trial", "train.select",
    "evaluate.model", "evaluate.gates", "release.package", "release.approve", "release.register", "custom", "ops.probe",
)  # fmt: skip

LeaseState = Literal["held", "cancelled", "lost"]


@dataclass(frozen=True, slots=True)
class Bell:
    """Stages that are ready, and stand in one Celery message by now. Losing or doubling that one does no harm."""

    run: str
    stages: tuple[str, ...]
    task: str
    queue: str
    stamp: str  # microseconds on Redis's clock, strictly rising
    attempt: int
    shadow: str | None = None

    @classmethod
    def decode(cls, text: str) -> Bell:
        """From the JSON that the ledger's steps answer."""
        value = json.loads(text)
        return cls(
            value["run"],
            tuple(value["stages"]),
            value["task"],
            value["queue"],
            value["stamp"],
            int(value["attempt"]),
            value.get("shadow"),
        )

    @property
    def task_id(self) -> str:
        """`run:stage:attempt`, the id of the Celery message."""
        more = f"+{len(self.stages) - 1}" if len(self.stages) > 1 else ""
        return f"{self.run}:{self.stages[0]}{more}:{self.attempt}"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to finish a stage, until somebody else is given it."""

    run: str
    stage: str
    fence: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A stage that this worker now owns, with what it needs to run it."""

    lease: Lease
    call: StageCall
    attempt: int
    outputs: Mapping[str, Mapping[str, ArtifactRef]]  # of the stages that its inputs name
    refusal: str | None = None  # why the run's model is refused, where it is
    author: str = "unknown"
    seed: int = 0
    fresh: bool = False  # a person asked that it runs again: a cached result is no answer


@dataclass(frozen=True, slots=True)
class Expansion:
    """New stages that a finishing stage brings into being.

    They may depend on stages that are done, on the finishing stage and on one another; `joins` names stages that are
    still waiting and from now on wait for all of these new stages too.
    """

    calls: tuple[StageCall, ...]
    joins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spent:
    """What stages of a run took so far, in seconds on Redis's clock."""

    elapsed: float  # since the first of them began; 0 when none has
    worker: float  # summed over their last attempts; of a cached one what its execution took
    ended: int = 0  # how many of them this was; the others wait, or are under way


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """What an execution left, under its recipe key and its content key."""

    outputs: Mapping[str, ArtifactRef]
    seconds: float | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    log: ArtifactRef | None = None
    refusal: str | None = None
    expansion: Expansion | None = None
    inputs: str | None = None  # digest of what it was made of; None: 0.1.0 kept it

    def encode(self) -> str:
        """As JSON."""
        value: dict[str, Any] = {
            "outputs": encode_refs(self.outputs),
            "seconds": self.seconds,
            "measured": dict(self.measured),
            "log": self.log.model_dump(mode="json", exclude_none=True) if self.log else None,
            "refusal": self.refusal,
        }
        if self.inputs:
            value["inputs"] = self.inputs
        if self.expansion:
            calls = [call.model_dump(mode="json", exclude_defaults=True) for call in self.expansion.calls]
            value["expansion"] = {"calls": calls, "joins": list(self.expansion.joins)}
        return json.dumps(value, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> CacheRecord | None:
        """From JSON; None for what this release cannot read: the result is made again, as where there is none."""
        try:
            return _cache_record().validate_json(text)
        except ValidationError:
            return None


@dataclass(frozen=True, slots=True)
class Completion:
    """What a stage leaves when it is done."""

    outputs: Mapping[str, ArtifactRef]
    seconds: float
    measured: Mapping[str, Any] = field(default_factory=dict)
    log: ArtifactRef | None = None
    cached: bool = False
    keys: tuple[str, ...] = ()  # under which the result may be found again; none: it is not cached
    lasting: bool = False  # the record never expires: the effect was applied
    refusal: str | None = None  # the run's model is refused from here on, and why
    ends: bool = False  # with the refusal the run ends: what has not begun never begins
    expansion: Expansion | None = None
    inputs: str | None = None  # digest of what it was made of
    fresh: bool = False  # it ran again whatever was known of it, and so does what it brings into being

    def record(self) -> CacheRecord:
        """What the cache keeps of it."""
        return CacheRecord(
            self.outputs, self.seconds, self.measured, self.log, self.refusal, self.expansion, self.inputs
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """The ledger's answer to what ends, returns, stops or decides a stage."""

    answer: str  # done, again, failed, retry, lost, …
    bells: tuple[Bell, ...] = ()

    @property
    def lost(self) -> bool:
        """Whether the lease had gone to somebody else: nothing was recorded."""
        return self.answer == "lost"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The ledger's answer to a submission."""

    run: str
    attached: bool = False  # an identical plan was active: this is its run
    bells: tuple[Bell, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """One worker node of a pool, as it registered itself."""

    node: str  # train@host
    queue: str
    host: str
    processes: int
    environment: str  # digest
    version: str  # of cyclery
    plan_version: int
    details: Mapping[str, Any] = field(default_factory=dict)  # what later releases add stands here: 0.1.0 reads no more

    def encode(self) -> str:
        """As JSON."""
        return json.dumps({one.name: getattr(self, one.name) for one in fields(self)} | {"details": dict(self.details)})

    @classmethod
    def decode(cls, text: str) -> Pool | None:
        """From JSON; what a newer release says more is passed over. None for what is no registration."""
        try:
            return _pool().validate_json(text)
        except ValidationError:
            return None

    @property
    def tasks(self) -> frozenset[str]:
        """The names of the messages that it knows."""
        told = self.details.get("tasks")
        return frozenset(map(str, told)) if isinstance(told, list) else frozenset(FIRST_NAMES)


def encode_refs(outputs: Mapping[str, ArtifactRef]) -> dict[str, Any]:
    """References as JSON values."""
    return {name: ref.model_dump(mode="json", exclude_none=True) for name, ref in outputs.items()}


def decode_refs(outputs: Mapping[str, Any]) -> dict[str, ArtifactRef]:
    """References from JSON values."""
    return {name: ArtifactRef.model_validate(ref) for name, ref in outputs.items()}


def encode_error(error: StageError) -> str:
    """A failure as JSON."""
    return json.dumps(error.model_dump(mode="json"), separators=(",", ":"))


@cache
def _cache_record() -> TypeAdapter[CacheRecord]:
    return TypeAdapter(CacheRecord)


@cache
def _pool() -> TypeAdapter[Pool]:
    return TypeAdapter(Pool)

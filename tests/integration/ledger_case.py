"""A hand that does what workers do with bells, without Celery: for tests of the ledger's own steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.contracts.calls import ArtifactRef, Gather, Input, Kind, Output, Plan, Policy, StageCall
from orchestrator.contracts.keys import made_of
from orchestrator.contracts.records import RunRecord, StageError
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Accepted, Bell, Claim, Completion, Settled
from orchestrator.engine.submission import Submission, inputs_of

Act = Callable[[Claim], Settled]


def ref(number: int = 0) -> ArtifactRef:
    """An artifact that exists by name only."""
    return ArtifactRef(kind=Kind.JSON, digest=f"sha256:{number:064x}", size=1)


def call(
    identifier: str, *before: str, after: tuple[str, ...] = (), key: str | None = None, **policy: object
) -> StageCall:
    """A probe; several stages before it become one gathered input."""
    inputs: dict[str, Input] = {}
    if len(before) == 1:
        inputs["before"] = Output(stage=before[0], output="echo")
    elif before:
        inputs["before"] = Gather(stages=before, output="echo")
    return StageCall(
        id=identifier, task="ops.probe", queue="ops", version=1, inputs=inputs, after=after, key=key,
        policy=Policy.model_validate(policy),
    )  # fmt: skip


def plan(*calls: StageCall, **fields: object) -> Plan:
    """A plan of these calls."""
    return Plan.model_validate({"workflow": "case", "stages": calls, **fields})


def error(family: str = "user", message: str = "it broke") -> StageError:
    """A failure."""
    return StageError.model_validate({"family": family, "message": message})


@dataclass
class Hand:
    """Claims what rings and ends it as told: done by default, failed or otherwise by stage id."""

    ledger: Ledger
    acts: Mapping[str, Act] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    pid: int = 1

    @property
    def history(self) -> History:
        """Reads of the same namespace."""
        return History(self.ledger.redis, self.ledger.settings.namespace)

    def submit(self, *calls: StageCall, new: bool = False, **fields: object) -> Accepted:
        """Submit a plan of these calls."""
        return self.ledger.submit(Submission(plan(*calls, **fields), new=new))

    def claim(self, bell: Bell, stage: str | None = None) -> Claim | None:
        """Claim one stage of a bell."""
        return self.ledger.claim(
            bell.run, stage or bell.stages[0], worker="ops@here", host="here", pid=self.pid, stamp=bell.stamp
        )

    def must_claim(self, bell: Bell) -> Claim:
        """Claim, and insist."""
        claim = self.claim(bell)
        assert claim is not None
        return claim

    def done(self, claim: Claim, **fields: object) -> Settled:
        """Complete with one output."""
        keys = (claim.call.key,) if claim.call.key else ()
        inputs = made_of(inputs_of(claim.call, claim.outputs))
        completion = {"outputs": {"echo": ref()}, "seconds": 0.1, "keys": keys, "inputs": inputs} | fields
        return self.ledger.complete(claim.lease, Completion(**completion))  # type: ignore[arg-type]

    def completing(self, **fields: object) -> Act:
        """An act that completes with more to tell."""
        return lambda claim: self.done(claim, **fields)

    def failing(self, family: str = "user") -> Act:
        """An act that fails."""
        return lambda claim: self.ledger.fail(claim.lease, error(family))

    def work(self, bells: Iterable[Bell]) -> None:
        """Do what rings until nothing does."""
        waiting = list(bells)
        while waiting:
            bell = waiting.pop(0)
            for stage in bell.stages:
                claim = self.claim(bell, stage)
                if claim is not None:
                    self.order.append(stage)
                    waiting += self.acts.get(stage, self.done)(claim).bells

    def record(self, run: str) -> RunRecord:
        """The run's snapshot."""
        record = self.history.snapshot(run)
        assert record is not None
        return record

    def states(self, run: str) -> dict[str, str]:
        """Stage id → state."""
        return {one.id: one.state.value for one in self.record(run).stages}

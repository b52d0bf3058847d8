"""Plans of real stages of every shape, small enough that a thousand of them are soon done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.contracts.calls import ArtifactRef, Code, Gather, Hold, Input, Kind, Output, Plan, Policy, StageCall
from orchestrator.contracts.environment import environment_digest
from orchestrator.contracts.keys import recipe_key
from orchestrator.plan.snapshot import snapshot
from orchestrator.store.artifacts import ArtifactStore

HERE = Path(__file__).parent
ENTRY = "team.effects"
WIDTH = 6  # of a fan-out, as in the measurement of canvas


@dataclass(frozen=True, slots=True)
class Team:
    """The team's own code, in a store."""

    snapshot: ArtifactRef

    @classmethod
    def of(cls, store: ArtifactStore) -> Team:
        """Keep the code's snapshot."""
        return cls(store.put_bytes(snapshot(HERE, f"{ENTRY}:first").data, Kind.FILE, durable=True))

    def code(self, function: str) -> Code:
        """One function of it."""
        return Code(snapshot=self.snapshot, entry=f"{ENTRY}:{function}")


@dataclass(frozen=True, slots=True)
class Draft:
    """Makes the calls of one workflow, whose name is in all their parameters: nothing is shared by chance."""

    case: str
    team: Team

    def own(self, name: str, function: str, *before: str, seconds: float = 0.0, **policy: object) -> StageCall:
        """A stage of the team's own code."""
        params = {"case": self.case, "place": name} | ({"seconds": seconds} if seconds else {})
        return StageCall(
            id=name, task="custom", queue="prep", version=1, params=params, inputs=_inputs(before, "result"),
            code=self.team.code(function), shadow=f"custom.{name}",
            policy=Policy.model_validate({"backoff_s": 0.1} | policy),
        )  # fmt: skip

    def probe(self, name: str, *before: str, seconds: float = 0.0, batch: int = 1) -> StageCall:
        """A diagnostic stage."""
        params = {"echo": f"{self.case}/{name}"} | ({"seconds": seconds} if seconds else {})
        inputs = {"before": Gather(stages=before, output="echo")} if before else {}
        return StageCall(
            id=name, task="ops.probe", queue="ops", version=1, params=params, inputs=inputs,
            policy=Policy(batch=batch, backoff_s=0.1),
        )  # fmt: skip

    def held(self, *after: str) -> StageCall:
        """A stage that waits for a person."""
        return StageCall(
            id="approve", task="release.approve", queue="ops", version=1, after=after, policy=Policy(hold=Hold())
        )

    def plan(self, *calls: StageCall, on_failure: str = "stop") -> Plan:
        """The plan, with recipe keys as a client computes them."""
        environment = environment_digest()
        environments = dict.fromkeys(("prep", "train", "evaluate", "ops"), environment)
        keys: dict[str, str | None] = {}
        keyed = []
        for call in calls:
            keys[call.id] = recipe_key(call, keys, environments)
            keyed.append(call.model_copy(update={"key": keys[call.id], "environment": environment}))
        options = {"run": {"on_failure": on_failure, "max_parallel": None}}
        return Plan.model_validate({"workflow": self.case, "stages": keyed, "on_failure": on_failure, "spec": options})


def _inputs(before: tuple[str, ...], output: str) -> dict[str, Input]:
    if not before:
        return {}
    if len(before) == 1:
        return {"before": Output(stage=before[0], output=output)}
    return {"before": Gather(stages=before, output=output)}


def chain(draft: Draft) -> Plan:
    """Four stages, one after another."""
    calls = [draft.own("s0", "first")]
    calls += [draft.own(f"s{place}", "then", f"s{place - 1}") for place in range(1, 4)]
    return draft.plan(*calls)


def fan(draft: Draft) -> Plan:
    """One stage, six after it, one that joins them, and one after that."""
    wide = [draft.own(f"w{place}", "then", "s0") for place in range(WIDTH)]
    joined = draft.own("join", "join", *(call.id for call in wide))
    return draft.plan(draft.own("s0", "first"), *wide, joined, draft.own("end", "then", "join"))


def probes(draft: Draft) -> Plan:
    """Our own stages in batches, and their join."""
    wide = [draft.probe(f"w{place}", batch=4) for place in range(3 * WIDTH)]
    return draft.plan(*wide, draft.probe("join", *(call.id for call in wide)))


def tolerant(draft: Draft) -> Plan:
    """Some of the stages fail, and the join may do without them."""
    wide = [draft.own(f"w{place}", "then" if place else "broken", *(["s0"] if place else []), tolerate=True)
            for place in range(WIDTH)]  # fmt: skip
    joined = draft.own("join", "join", *(call.id for call in wide), min_success=WIDTH - 1)
    return draft.plan(draft.own("s0", "first"), *wide, joined)


def mending(draft: Draft) -> Plan:
    """It fails until somebody has mended the world, and is retried then."""
    return draft.plan(
        draft.own("s0", "first"), draft.own("fragile", "mended"), draft.own("end", "join", "s0", "fragile"),
        on_failure="continue",
    )  # fmt: skip


def holding(draft: Draft) -> Plan:
    """A person decides between two stages."""
    last = draft.own("end", "first").model_copy(update={"after": ("approve",)})
    return draft.plan(draft.own("s0", "first"), draft.held("s0"), last)


def endless(draft: Draft) -> Plan:
    """It would run for an hour: somebody cancels it in mid-flight."""
    wide = [draft.own(f"w{place}", "then", "s0", seconds=3600) for place in range(2)]
    return draft.plan(draft.own("s0", "first"), *wide, draft.own("end", "join", *(call.id for call in wide)))

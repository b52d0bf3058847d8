"""The checker: what must hold of a world once all its workflows have ended, whatever was done to it meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from orchestrator.contracts.calls import Purity
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.tasks import TASKS
from tests.faults.cases import Case
from tests.faults.evidence import Digests, Evidence
from tests.faults.leftovers import leftovers
from tests.faults.world import World
from tests.waiting import wait_until

QUIET_S = 60.0  # until the last doorbells are heard, manifests written and audit entries drained
OWN = "custom"  # the task whose stages note their effects
Violations = Iterator[str]


def check(world: World, cases: Sequence[Case], reference: Mapping[str, Digests]) -> list[str]:
    """Everything that is wrong in a world whose workflows have ended; nothing when all is right.

    `reference` has the digests of a world without faults.
    """
    return [*await_quiet(world), *judge(Evidence(world), cases, reference), *leftovers(world)]


def await_quiet(world: World) -> Violations:
    """Wait, within bounds, until nothing is left to do: what stays is reported by `leftovers`."""
    redis, keys = world.ledger.redis, world.ledger.keys
    busy = (
        "active",
        "ended",
        "audit:outbox",
        "submitted",
        "leases",
        "timers",
        "work",
        "prep",
        "train",
        "evaluate",
        "ops",
    )

    def quiet() -> bool:
        return not redis.exists(*(keys(name) for name in busy))

    try:
        wait_until(quiet, timeout=QUIET_S, every=0.1)
    except AssertionError:
        yield f"not quiet after {QUIET_S:g} s: {[name for name in busy if redis.exists(keys(name))]} are left"


def judge(evidence: Evidence, cases: Sequence[Case], reference: Mapping[str, Digests]) -> list[str]:
    """What is wrong with records, events, effects, decisions, models and outputs."""
    found: list[str] = []
    for case in cases:
        for rule in (ends, registered, decided):
            found += (f"{case.name}: {text}" for text in rule(evidence, case))
    rules: tuple[Callable[[Evidence, RunRecord], Violations], ...] = (settled, recorded_once, executed)
    for record in evidence.runs:
        for judged in rules:
            found += (f"{record.run}: {text}" for text in judged(evidence, record))
        found += (f"{record.run}: {text}" for text in equal(evidence, record, reference.get(record.workflow, {})))
    return [*found, *audited(evidence)]


def ends(evidence: Evidence, case: Case) -> Violations:
    """Every accepted run is there, and has ended as it must."""
    records = {record.run: record for record in evidence.by_workflow.get(case.name, ())}
    if not case.runs:
        yield "no submission was ever acknowledged"
    for run in case.runs:
        if run not in records:
            yield f"{run} was accepted and is lost"
        elif records[run].status != case.end:
            yield f"{run} is {records[run].status}, not {case.end}"
    for run in records.keys() - set(case.runs):  # its submitter never heard that it was accepted
        if records[run].status not in (case.end, *case.unheard):
            yield f"{run}, whose acceptance nobody heard of, is {records[run].status}"
    computed = Counter(
        stage.id
        for record in records.values()
        for stage in record.stages
        if stage.state == "done" and not stage.cached and stage.task != "release.approve"
    )
    yield from (
        f"{stage} was computed and recorded in {times} runs of the same content"
        for stage, times in computed.items()
        if times > _releases(evidence)
    )


def _releases(evidence: Evidence) -> int:
    """How many releases worked here; each plans, computes and registers for itself what is the same to a person."""
    return 2 if evidence.world.otherwise else 1


def settled(evidence: Evidence, record: RunRecord) -> Violations:
    """The run and all its stages have ended, and its counters say so."""
    if not record.status.ended:
        yield f"still {record.status}"
    for stage in record.stages:
        if not stage.state.terminal:
            yield f"{stage.id} is still {stage.state}"
    redis, keys = evidence.world.ledger.redis, evidence.world.ledger.keys
    values = cast("list[str | None]", redis.hmget(keys.run(record.run), list(COUNTERS)))
    counters = dict(zip(COUNTERS, values, strict=True))
    wrong = {name: value for name, value in counters.items() if int(value or 0) != 0}
    if wrong:
        yield f"counters are not zero: {wrong}"


COUNTERS = ("left", "busy", "held", "flight")


def recorded_once(evidence: Evidence, record: RunRecord) -> Violations:
    """Each stage comes to an end once in each generation, and the record says what the last event said."""
    generations = evidence.generations(record.run)
    if len(generations) != record.generation:
        yield f"{len(generations)} generations of events, and {record.generation} in the record"
    for number, events in enumerate(generations, 1):
        ended = Counter(event.stage for event in events if event.kind == "stage" and event.state in TERMINAL)
        yield from (f"{name} ended {times} times in generation {number}" for name, times in ended.items() if times > 1)
    last = {event.stage: event.state for event in generations[-1] if event.kind == "stage"} if generations else {}
    for stage in record.stages:
        told = last.get(stage.id)
        if told != stage.state and not (told is None and stage.state == "done" and stage.cached):
            yield f"{stage.id} is {stage.state}, and the last event says {told}"


TERMINAL = frozenset({"done", "failed", "rejected", "skipped", "cancelled"})


def executed(evidence: Evidence, record: RunRecord) -> Violations:
    """What is recorded of a team's own stage was executed, under one idempotency key, with this very result."""
    for stage in record.stages:
        effects = evidence.effects.get((record.run, stage.id), [])
        if len({effect.key for effect in effects}) > 1:
            yield f"{stage.id} was executed under several idempotency keys"
        if stage.task != OWN or stage.state != "done" or stage.cached:
            continue
        own = [effect for effect in effects if effect.attempt == stage.attempt]
        if not own:
            yield f"{stage.id} is recorded as done by attempt {stage.attempt}, which was never executed"
        elif not any(_says(evidence, stage, dict(effect.facts)) for effect in own):
            yield f"{stage.id}: its recorded result is not what was executed"


def _says(evidence: Evidence, stage: StageRecord, facts: dict[str, object]) -> bool:
    ref = stage.outputs["result"]
    if not evidence.world.store.has(ref.digest):
        return True  # that its bytes are gone is said by `equal`
    result = evidence.document(ref)
    return all(result.get(name) == value for name, value in facts.items())


def equal(evidence: Evidence, record: RunRecord, reference: Digests) -> Violations:
    """Outputs are there, and are those of a run without faults, digest for digest, unless another release left them."""
    for stage in record.stages:
        if stage.state != "done" or (record.status == "cancelled" and stage.id not in reference):
            continue  # how far a cancelled run came is chance
        found = {name: ref.digest for name, ref in stage.outputs.items()}
        same = dict(reference.get(stage.id, {})) == found
        if not same and stage.task not in evidence.world.otherwise:
            yield f"{stage.id} gave {found}, and {dict(reference.get(stage.id, {}))} without faults"
        for name, digest in found.items():
            if not evidence.world.store.has(digest):
                yield f"{stage.id}: the bytes of {name} are gone"


def registered(evidence: Evidence, case: Case) -> Violations:
    """A lifecycle that succeeded has registered its model, once for each release."""
    records = evidence.by_workflow.get(case.name, ())
    effects = [
        stage for record in records for stage in record.stages
        if stage.task in TASKS and TASKS[stage.task].purity is Purity.EFFECT and stage.state == "done"
    ]  # fmt: skip
    versions = evidence.models.get(case.name, [])
    if len(versions) not in (range(1, _releases(evidence) + 1) if effects else (0,)):
        yield f"{len(versions)} versions of its model are registered, by {versions}"


def decided(evidence: Evidence, case: Case) -> Violations:
    """A decision that was acknowledged stands in the record and, once, in the audit log."""
    for verdict in case.decisions:
        for run in case.runs:
            record = next((one for one in evidence.by_workflow.get(case.name, ()) if one.run == run), None)
            stage = record.stage("approve") if record is not None else None
            if stage is None or stage.decision is None or stage.decision.verdict != verdict:
                yield f"{run}: the decision {verdict!r} was acknowledged and is lost"
            times = sum(1 for entry in evidence.audit if entry["event"] == verdict and entry.get("run") == run)
            if times != 1:
                yield f"{run}: the decision {verdict!r} stands {times} times in the audit log"


def audited(evidence: Evidence) -> Violations:
    """Each submission, decision and model version stands in the audit log once, and nothing else does."""
    generations = {record.run: record.generation for record in evidence.runs}
    decisions = {
        (stage.decision.verdict, record.run): 1
        for record in evidence.runs
        for stage in record.stages
        if stage.decision is not None
    }
    versions = Counter(("registered", model) for model, runs in evidence.models.items() for _ in runs)
    expected = Counter({("submitted", run): times for run, times in generations.items()} | decisions) + versions
    found = Counter(
        (entry["event"], entry["model"] if entry["event"] == "registered" else entry["run"])
        for entry in evidence.audit
        if entry["event"] != "judged"  # no decision: the account of test rows
    )
    for what in sorted(expected.keys() | found.keys()):
        if expected[what] != found[what]:
            yield f"audit: {' '.join(what)} stands {found[what]} times, and happened {expected[what]} times"

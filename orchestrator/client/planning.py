"""Workflow → plan: the world's fingerprints are taken, then the plan is built."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from orchestrator.client.code import team_code
from orchestrator.client.resolving import record_of
from orchestrator.client.session import Session
from orchestrator.client.sources import Sources
from orchestrator.client.workflow import Workflow
from orchestrator.contracts.calls import ArtifactRef, Plan, Purity, StageCall
from orchestrator.contracts.errors import InvalidInput, Outdated, Unreachable
from orchestrator.contracts.evaluation import PRODUCTION
from orchestrator.contracts.records import ModelVersion
from orchestrator.contracts.tasks import Queue, purity_of
from orchestrator.engine.messages import CacheRecord
from orchestrator.engine.restored import ABRIDGED
from orchestrator.engine.submission import reopened
from orchestrator.plan.build import build, feasibility_plan
from orchestrator.plan.changes import Change, changes
from orchestrator.plan.estimate import estimate, label
from orchestrator.plan.fingerprints import Fingerprints, Rival
from orchestrator.plan.fresh import fresh_plan, source_like_that_of
from orchestrator.plan.problems import CannotPlan, Problem
from orchestrator.plan.rivals import drifts, named_rivals, rival_of
from orchestrator.plan.stages.data import source_params
from orchestrator.settings import Settings
from orchestrator.spec.models import Spec


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan with what is known of its fate; `cached` is None where no Redis could be asked."""

    plan: Plan
    cached: frozenset[str] | None = None
    estimate_s: float | None = None
    previous: str | None = None  # the last run of the workflow
    changes: tuple[Change, ...] = ()


def plan_offline(workflow: Workflow, settings: Settings) -> Outlook:
    """The plan where there is no Redis and no store to ask."""
    rivals = " and ".join(named_rivals(workflow.spec))
    if rivals:
        raise Unreachable(
            f"gates compare with {rivals}, and there is no registry to ask: start the stack (`cyclery up`)"
        )
    with workflow.placing():
        return Outlook(build(workflow.spec, _fingerprints(workflow, Sources(settings.home), None, upload=False)))


def plan_for(session: Session, workflow: Workflow, *, upload: bool) -> Plan:
    """The plan of a workflow; with `upload` the store has afterwards what its stages will read."""
    with workflow.placing():
        return build(workflow.spec, _fingerprints(workflow, session.sources, session, upload=upload))


def feasibility_plan_for(session: Session, workflow: Workflow) -> Plan:
    """The part of the plan that ends with the verdict on the target; the store has what its stages will read."""
    if workflow.spec.objective.task == "multilabel":
        raise InvalidInput("what is in reach is not judged for several labels (objective.task is multilabel)")
    with workflow.placing():
        return feasibility_plan(workflow.spec, _fingerprints(workflow, session.sources, session, upload=True))


def fresh_plan_for(session: Session, version: ModelVersion, file: Path) -> Plan:
    """The plan that judges a version on a data file, or on the source of a workflow file; the store has it then."""
    record = record_of(session, version.run)
    if record is None:
        raise InvalidInput(f"the run {version.run}, which made {version.name}, is no longer known: nothing tells how")
    if file.suffix.lower() in (".yaml", ".yml"):
        workflow = Workflow.load(file)
        name, source = workflow.spec.data.source
        file, asked = workflow.spec.directory / source.file, source_params(name, source)
    else:
        asked = source_like_that_of(version, record, file.name)
    ref = session.sources.upload(file, session.store)
    return fresh_plan(version, record, asked, ref, _environments(session), session.store.has)


def look_ahead(session: Session, workflow: Workflow) -> Outlook:
    """The plan, which of its stages are cached, how long the rest may take, and what changed since the last run."""
    plan = plan_for(session, workflow, upload=False)
    hits = cached_stages(session, plan)
    previous = session.history.latest(plan.workflow)
    changed: tuple[Change, ...] = ()
    if previous is not None:
        earlier = calls_of(session, previous)
        changed = tuple(changes(earlier, plan.stages)) if earlier else ()
    seconds = measured_seconds(session, previous) | _seconds(plan, hits)
    slots = session.history.slots()
    return Outlook(plan, frozenset(hits), estimate(plan, hits.keys(), seconds, slots), previous, changed)


def cached_stages(session: Session, plan: Plan) -> dict[str, CacheRecord]:
    """The stages whose results are known; effects that were applied count."""
    asked = [call for call in plan.stages if call.key and purity_of(call) is not Purity.VOLATILE]
    found = zip(asked, session.ledger.lookup([str(call.key) for call in asked]), strict=True)
    hits = {call.id: record for call, record in found if record is not None}
    again = reopened(plan, hits)
    return {stage: record for stage, record in hits.items() if stage not in again}


def calls_of(session: Session, run: str) -> list[StageCall]:
    """The calls of a run that Redis still has; none where it was restored without the very calls that were planned.

    Those that a stage brought into being are left out: it brings them again.
    """
    if session.redis.hexists(session.history.keys.run(run), ABRIDGED):
        return []
    texts = cast("dict[str, str]", session.redis.hgetall(session.history.keys.run(run, "calls")))
    grown = session.history.grown(run)
    try:
        return [StageCall.model_validate_json(text) for one, text in texts.items() if one not in grown]
    except ValidationError:
        raise Outdated(f"{run} was planned by another release of Cyclery, whose calls this one cannot read") from None


def measured_seconds(session: Session, run: str | None) -> dict[str, float]:
    """Seconds of a run's stages, by id and by what they have in common."""
    record = session.history.snapshot(run) if run is not None else None
    groups: dict[str, list[float]] = {}
    for stage in record.stages if record else ():
        if stage.seconds is not None:
            groups.setdefault(stage.id, []).append(stage.seconds)
            groups.setdefault(label(stage.id, stage.task, stage.params), []).append(stage.seconds)
    return {name: sum(values) / len(values) for name, values in groups.items()}


def _seconds(plan: Plan, hits: dict[str, CacheRecord]) -> dict[str, float]:
    return {call.id: hits[call.id].seconds or 0.0 for call in plan.stages if call.id in hits}


def _fingerprints(workflow: Workflow, sources: Sources, session: Session | None, *, upload: bool) -> Fingerprints:
    spec = workflow.spec
    files = {name: spec.directory / source.file for name, source in spec.data.sources.items()}
    if upload and session is not None:
        refs = {name: sources.upload(path, session.store) for name, path in files.items()}
    else:
        refs = {name: sources.digest(path) for name, path in files.items()}
    code = team_code(spec, session.store if upload and session is not None else None)
    rivals: dict[str, Rival] = {}
    live = _live(session, spec) if session is not None and PRODUCTION in named_rivals(spec) else None
    rival = rival_of(spec, live)
    if rival is not None and session is not None:
        version = _registered(session, spec, rival)
        rivals[rival] = Rival(version.bundle, version.rows, _frame_of(session, version) if drifts(spec) else None)
    return Fingerprints(
        sources=refs,
        code=code.entries,
        signatures=code.signatures,
        model_code=code.models,
        gate_code=code.gates,
        environments=_environments(session),
        rivals=rivals,
        live=live,
    )


def _registered(session: Session, spec: Spec, rival: str) -> ModelVersion:
    """The version that the gates compare with; raises CannotPlan at the gate that names it."""
    try:
        return session.registry.get(rival)
    except InvalidInput as error:
        raise CannotPlan([Problem(("gates", named_rivals(spec)[rival]), str(error))]) from None


def _frame_of(session: Session, version: ModelVersion) -> ArtifactRef | None:
    """The features of the rows that a version was trained on; None where the run or the bytes are gone."""
    record = record_of(session, version.run)
    found = next((stage for stage in record.stages if stage.task == "features.build"), None) if record else None
    frame = found.outputs.get("frame") if found else None
    return frame if frame is not None and session.store.has(frame.digest) else None


def _live(session: Session, spec: Spec) -> str | None:
    """NAME@VERSION of the workflow's model that is in production now."""
    versions = session.registry.list(spec.name)
    return next((version.name for version in versions if version.stage == "production"), None)


def _environments(session: Session | None) -> dict[str, str | None]:
    """By queue, as pools registered it; the embedded stack's pools run in this very environment."""
    known: dict[str, str | None] = dict(session.history.environments()) if session is not None else {}
    missing: Collection[str] = [queue.value for queue in Queue if queue.value not in known]
    if missing and session is not None and session.embedded:
        from orchestrator.contracts.environment import environment_digest

        known |= dict.fromkeys(missing, environment_digest())
    return known


def plan_checked(workflow: Workflow, settings: Settings) -> Plan:
    """The plan as far as it can be judged without a registry: rivals are taken on trust."""
    with workflow.placing():
        prints = _fingerprints(workflow, Sources(settings.home), None, upload=False)
        rival = rival_of(workflow.spec, None)
        if rival is not None:
            source = next(iter(prints.sources.values()))
            prints = replace(prints, rivals={rival: Rival(source, source)})
        return build(workflow.spec, prints)


def known_output(session: Session, outlook: Outlook, stage: str, output: str) -> bytes | None:
    """The bytes of a stage's output, where it is cached; else of the last run's stage of this name."""
    call = next((one for one in outlook.plan.stages if one.id == stage), None)
    hit = session.ledger.cached(call.key) if call is not None and call.key else None
    ref = hit.outputs.get(output) if hit is not None else None
    if ref is None and outlook.previous is not None:
        record = session.history.snapshot(outlook.previous)
        found = record.stage(stage) if record is not None else None
        ref = found.outputs.get(output) if found is not None else None
    return session.store.read(ref) if ref is not None and session.store.has(ref.digest) else None

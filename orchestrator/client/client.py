"""The client: what the command and Python code ask Cyclery for.

Each method imports what it needs: the command starts in the time that one verb takes, not all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.client.session import Session
from orchestrator.contracts.errors import InvalidInput, RecordConflict
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.client.planning import Outlook
    from orchestrator.client.run import Run
    from orchestrator.client.workflow import Workflow
    from orchestrator.contracts.calls import Plan
    from orchestrator.contracts.documents.release import Performance
    from orchestrator.contracts.records import ModelVersion, RunRecord, RunSummary, StageRecord
    from orchestrator.engine.messages import Accepted
    from orchestrator.engine.submission import Submission

Announce = Callable[[str], None]


def silent(_: str) -> None:
    """Announces nothing."""


class Client:
    """Submits workflows and reads what came of them; connects when it is first asked."""

    def __init__(self, settings: Settings | None = None, announce: Announce = silent) -> None:
        self.settings = settings or Settings()
        self._announce = announce
        self._session: Session | None = None
        self._with_pools = False

    # — connecting

    def session(self, *, pools: bool = False) -> Session:
        """The connection; the embedded stack is started where no Redis is named, with its pools if they are needed."""
        if self._session is None or (pools and not self._with_pools):
            from orchestrator.local import ensure_up

            reached = ensure_up(self.settings, self._announce, pools=pools)
            self._session = Session(reached, embedded=self.settings.redis_url is None, told=self._announce)
            self._with_pools = pools
            if pools:
                self._tell_concerns()
        return self._session

    def _tell_concerns(self) -> None:
        """What is not as it should be about a Redis that is to keep what it is given."""
        from orchestrator.store.server import concerns, inspect_server

        for concern in concerns(inspect_server(self.session().redis)):
            self._announce(concern)

    @property
    def reachable(self) -> bool:
        """Whether there is anything to read: a Redis that is named, a stack, or what one left behind."""
        return self._session is not None or self.settings.redis_url is not None or self._has_home()

    def _has_home(self) -> bool:
        home = self.settings.home
        return (home / "redis").exists() or (home / "store" / "audit").exists()  # the latter alone: Redis was lost

    # — submitting

    def submit(self, workflow: Workflow, seed: int | None = None, *, new: bool = False) -> Run:
        """Plan and submit a workflow durably; an identical one that is active is attached to unless `new`."""
        from orchestrator.client.origins import Origin, Origins
        from orchestrator.client.planning import plan_for
        from orchestrator.client.run import Run
        from orchestrator.engine.submission import Submission

        session = self.session(pools=True)
        seeded = workflow if seed is None else workflow.seeded(seed)
        plan = plan_for(session, seeded, upload=True)
        accepted = self._submit(session, Submission(plan, session.settings.author, seeded.spec.seed, new))
        Origins(session.settings.home).keep(accepted.run, Origin(seeded.path, seeded.overrides))
        return Run(session, accepted.run, attached=accepted.attached)

    def feasibility(self, workflow: Workflow, seed: int | None = None) -> Run:
        """Submit the part of a workflow that tells whether its target is in reach; a later run finds it cached."""
        from orchestrator.client.planning import feasibility_plan_for
        from orchestrator.client.run import Run
        from orchestrator.engine.submission import Submission

        session = self.session(pools=True)
        seeded = workflow if seed is None else workflow.seeded(seed)
        plan = feasibility_plan_for(session, seeded)
        accepted = self._submit(session, Submission(plan, session.settings.author, seeded.spec.seed))
        return Run(session, accepted.run, attached=accepted.attached)

    def evaluate(self, reference: str, file: Path, *, new: bool = False) -> Run:
        """Judge a registered version on labelled rows that it was not trained on, as a run of its own.

        `file` holds the rows, or is a workflow file whose source does. The registry stays as it is.
        """
        from orchestrator.client.planning import fresh_plan_for
        from orchestrator.client.run import Run
        from orchestrator.engine.submission import Submission

        version = self.model(reference)
        session = self.session(pools=True)
        plan = fresh_plan_for(session, version, file)
        accepted = self._submit(session, Submission(plan, session.settings.author, int(plan.spec["seed"]), new))
        return Run(session, accepted.run, attached=accepted.attached)

    def retry(
        self, run: str, *, from_stage: str | None = None, same_code: bool = False, file: Path | None = None
    ) -> Run:
        """Run an ended run again as its next generation, keeping what still matches.

        It is planned from the file as it is now, or with `same_code` from the very calls of the run.
        """
        from orchestrator.client.run import Run
        from orchestrator.engine.submission import Submission
        from orchestrator.store.manifests import write_manifest

        session = self.session(pools=True)
        record = self.run(run).record()
        if not record.status.ended:
            raise InvalidInput(f"{record.run} is {record.status}: cancel it first, or wait for its end")
        plan = self._pinned(session, record) if same_code else self._replanned(session, record, file)
        request = Submission(
            plan,
            session.settings.author,
            record.seed if same_code else int(plan.spec["seed"]),
            run=record.run,
            generation=record.generation + 1,
            attempts={stage.id: stage.attempt for stage in record.stages},
            refresh=_from(plan, from_stage) if from_stage is not None else frozenset(),
        )
        with suppress(RecordConflict):  # of the generation that this one replaces in Redis; what was told first stays
            write_manifest(session.store, record)
        return Run(session, self._submit(session, request).run)

    def _submit(self, session: Session, request: Submission) -> Accepted:
        from orchestrator.store.continuity import require_bound

        require_bound(session.redis, session.history.keys, session.store)
        return session.ledger.submit(request, session.store.has)

    def _replanned(self, session: Session, record: RunRecord, file: Path | None) -> Plan:
        from orchestrator.client.origins import Origin, Origins
        from orchestrator.client.planning import plan_for
        from orchestrator.client.workflow import Workflow

        origin = Origins(session.settings.home).of(record.run)
        if file is not None:
            origin = Origin(file, origin.overrides if origin else ())
        if origin is None:
            raise InvalidInput(
                f"{record.run} was submitted from somewhere else: name its workflow with --file, or use --same-code"
            )
        workflow = Workflow.load(origin.file, origin.overrides)
        if workflow.spec.name != record.workflow:
            raise InvalidInput(f"{origin.file} is the workflow {workflow.spec.name!r}, not {record.workflow!r}")
        return plan_for(session, workflow, upload=True)

    def _pinned(self, session: Session, record: RunRecord) -> Plan:
        from orchestrator.client.planning import calls_of
        from orchestrator.contracts.calls import Plan

        calls = {call.id: call for call in calls_of(session, record.run)}
        if not calls:
            raise InvalidInput(f"{record.run} left Redis, and its calls with it: retry it without --same-code")
        options = record.spec["run"]
        return Plan(
            version=record.plan_version,
            workflow=record.workflow,
            stages=tuple(calls[stage.id] for stage in record.stages if stage.id in calls),
            on_failure=options["on_failure"],
            max_parallel=options["max_parallel"],
            spec=record.spec,
            notes=record.notes,
        )

    # — reading

    def plan(self, workflow: Workflow) -> Outlook:
        """What a submission would do now; nothing is uploaded and no pool is started."""
        from orchestrator.client.planning import look_ahead, plan_offline

        if not self.reachable:
            return plan_offline(workflow, self.settings)
        return look_ahead(self.session(), workflow)

    def runs(self, limit: int = 50) -> list[RunSummary]:
        """The newest runs first."""
        return self.session().history.runs(limit) if self.reachable else []

    def run(self, text: str) -> Run:
        """A run by its id, a prefix of it, or `last`."""
        from orchestrator.client.resolving import resolve_run
        from orchestrator.client.run import Run

        if not self.reachable:
            raise InvalidInput("there is no run yet: `cyclery run FILE` starts one")
        session = self.session()
        return Run(session, resolve_run(session, text))

    def lost(self) -> str | None:
        """Why there is nothing to list though the store keeps a past; None: it keeps none either."""
        from orchestrator.store.continuity import standing

        if not self.reachable:
            return None
        session = self.session()
        return standing(session.redis, session.history.keys, session.store).problem

    def models(self, name: str | None = None) -> tuple[ModelVersion, ...]:
        """All model versions, or those of one model."""
        return self.session().registry.list(name) if self.reachable else ()

    def model(self, reference: str) -> ModelVersion:
        """The version that NAME, NAME@3 or NAME@production stands for."""
        if not self.reachable:
            raise InvalidInput(f"no model is called {reference!r}: there is none yet")
        return self.session().registry.get(reference)

    def performance(self, version: ModelVersion) -> Performance | None:
        """How large, heavy and fast the version's bundle was when it was packaged; None where nobody knows."""
        from orchestrator.client.resolving import record_of
        from orchestrator.report.evidence import Evidence

        session = self.session()
        record = record_of(session, version.run)
        return Evidence(record, session.store.read).performance if record is not None else None

    # — deciding

    def promote(
        self, reference: str, to: Literal["staging", "production", "archived"] = "production", note: str | None = None
    ) -> ModelVersion:
        """Put a version on another stage."""
        self.model(reference)
        return self.session().registry.promote(reference, to=to, by=self.settings.author, note=note)

    def rollback(self, model: str, note: str | None = None) -> ModelVersion:
        """Put the version that was in production before there again."""
        self.model(model)
        return self.session().registry.rollback(model, by=self.settings.author, note=note)

    def approvals(self) -> list[tuple[str, StageRecord]]:
        """Stages that wait for a person, with their runs."""
        return self.session().history.held() if self.reachable else []

    def decide(self, text: str, verdict: Literal["approved", "rejected"], note: str | None = None) -> str:
        """Answer the held stage of a run, named by the run or by a model's workflow; the run's id."""
        from orchestrator.contracts.records import Decision
        from orchestrator.store.connection import clock

        run, stage = self._held(text)
        session = self.session(pools=True)
        decision = Decision(verdict=verdict, by=session.settings.author, note=note, at=clock(session.ledger.redis))
        session.ledger.decide(run, stage, decision)
        return run

    def _held(self, text: str) -> tuple[str, str]:
        from orchestrator.client.resolving import resolve_run

        waiting = self.approvals()
        if not waiting:
            raise InvalidInput("nothing waits for a person")
        session = self.session()
        by_workflow = [one for one in waiting if one[0].rsplit("-", 1)[0] == text.partition("@")[0]]
        if len(by_workflow) == 1:
            return by_workflow[0][0], by_workflow[0][1].id
        if len(by_workflow) > 1:
            names = ", ".join(run for run, _ in by_workflow)
            raise InvalidInput(f"several runs of {text!r} wait for a person: {names}; name one of them")
        run = resolve_run(session, text)
        found = [stage.id for held, stage in waiting if held == run]
        if not found:
            raise InvalidInput(f"{run} waits for nobody; `cyclery approvals` lists what does")
        return run, found[0]

    def restore(self, *, dry_run: bool = False, accept_gaps: bool = False) -> dict[str, Any]:
        """Rebuild an empty namespace from the store; the document of `cyclery restore`."""
        from orchestrator.client.restoring import restore

        return restore(self.session(), dry_run=dry_run, accept_gaps=accept_gaps, tell=self._announce)

    def cancel(self, text: str) -> Run:
        """Stop a run."""
        run = self.run(text)
        run.cancel()
        return run


def _from(plan: Plan, text: str) -> frozenset[str]:
    """A stage, or all of a group, and everything that depends on it; a trial with its folds."""
    from orchestrator.spec.problems import did_you_mean

    names_of = {call.id: (call.id, call.id.split("[")[0], f"{call.id.partition('/')[0]}]") for call in plan.stages}
    chosen = {stage for stage, names in names_of.items() if text in names}
    if not chosen:
        names = dict.fromkeys(call.id.split("[")[0] for call in plan.stages)
        raise InvalidInput(f"there is no stage {text!r}{did_you_mean(text, names)}")
    for call in plan.stages:
        if chosen & set(call.upstream()):
            chosen.add(call.id)
    return frozenset(chosen)

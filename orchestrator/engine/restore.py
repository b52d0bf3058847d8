"""Restore: an empty namespace is given back what the store keeps of it.

Everything comes from create-only records: manifests (what ended), submissions (what was asked for), the audit log (what
was decided). Each step may be done twice and is refused to whoever lost the right to restore, so a restore that was
killed is run again. Until its last step nothing new is accepted and no garbage is collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator.contracts.calls import ArtifactRef, is_probe
from orchestrator.contracts.errors import RecordDamaged
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.submissions import SubmissionRecord
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.restore_steps import RestoreSteps
from orchestrator.engine.restored import cache_commands, cached_results, run_commands
from orchestrator.plan.ordering import in_plan_order
from orchestrator.store import audit
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.connection import clock
from orchestrator.store.format import FORMAT
from orchestrator.store.manifests import (
    MANIFESTS,
    SUBMISSIONS,
    generations,
    last_checkpoints,
    parse_manifest,
    parse_submission,
    read_records,
    record_name,
)
from orchestrator.store.replay import Replay, looks_commands, registry_commands
from orchestrator.store.steps import process_of, settle

LOST = "Redis was lost while this run was under way; `cyclery retry` submits it again"

Tell = Callable[[str], None]
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class InFlight:
    """A run that was under way when Redis was lost."""

    run: str
    workflow: str
    author: str
    generation: int
    submitted: float | None  # seconds since the epoch
    stages: int | None  # None: the store was not told what was asked for, only that something was
    known: int  # stages whose results earlier runs have left
    decisions: tuple[dict[str, Any], ...] = ()  # of its held stages; a person is asked again


@dataclass
class Restored:
    """What came back."""

    runs: int = 0
    older: int = 0  # runs that had left Redis, or would have by now: their manifests stay readable
    results: int = 0  # cached results that will be found again
    decisions: int = 0
    last: int = 0  # number of the last decision
    newest: float | None = None  # time of the newest record, seconds since the epoch
    models: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # versions, and the live one
    in_flight: list[InFlight] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)  # numbers of decisions that the store does not have
    damaged: list[str] = field(default_factory=list)  # records that cannot be read


class Restore:
    """One restore of one namespace."""

    def __init__(self, ledger: Ledger, store: ArtifactStore, *, dry_run: bool = False) -> None:
        self.ledger, self.store, self.dry_run = ledger, store, dry_run
        self.keys = ledger.keys
        self.steps = RestoreSteps(ledger.redis, ledger.keys, dry_run=dry_run)
        self.found = Restored()
        self._process = process_of(ledger.redis)  # a Redis that is restarted meanwhile may have lost what it was given
        self._now = int(clock(ledger.redis) * 1000)  # ms
        self._known: set[str] = set()  # keys of results
        self._latest: dict[str, tuple[float, str]] = {}  # workflow → creation and id of its newest run

    def run(self, *, accept_gaps: bool = False, tell: Tell = lambda _: None) -> Restored:
        """Do it, or with `dry_run` only see what would be done.

        Raises `NotPermitted` where the namespace is not empty or somebody else restores it, `RecordDamaged` where
        decisions are missing or damaged and gaps are not accepted.
        """
        self.steps.begin()
        tell("Reading the audit log …")
        log = self._read_log(accept_gaps=accept_gaps)
        self.steps.put(("SET", self.keys("audit:drained"), str(log.last), "NX"))
        ended, asked = generations(self.store, MANIFESTS), generations(self.store, SUBMISSIONS)
        tell(f"Reading what is kept of runs ({len(ended)}) …")
        lost = {run: number for run, number in asked.items() if number > ended.get(run, 0) and not is_probe(run)}
        registered = self._restore_ended((run, number) for run, number in ended.items() if run not in lost)
        self._restore_models(log, registered)
        self._restore_lost(lost.items(), log)
        self._list_untold(ended, asked, log)
        self._finish()
        self.found.in_flight.sort(key=lambda one: one.submitted or 0)
        return self.found

    # — what is read

    def _read_log(self, *, accept_gaps: bool) -> Replay:
        log = Replay()
        try:
            for entry in audit.entries(self.store, self._skip if accept_gaps else None):
                log.take([entry])
        except RecordDamaged as error:
            raise RecordDamaged(f"{error}, or go on without it: --accept-gaps", error.name) from None
        if log.missing and not accept_gaps:
            numbers = ", ".join(map(str, log.missing[:5])) + (" …" if len(log.missing) > 5 else "")
            raise RecordDamaged(
                f"the audit log in the store lacks entry {numbers} of {log.last}, so models could come back otherwise "
                "than they were: put it back from a backup, or go on without it: --accept-gaps",
                numbers,
            )
        self.found.missing, self.found.decisions, self.found.last = log.missing, log.entries, log.last
        self._note(log.newest)
        return log

    def _skip(self, error: RecordDamaged) -> None:
        self.found.damaged.append(error.name)

    def _pairs(self, wanted: Iterable[tuple[str, int]]) -> Iterator[tuple[RunRecord | None, SubmissionRecord | None]]:
        """What the store keeps of these generations of runs; what cannot be read is noted and passed over."""
        pairs = sorted(wanted)
        ends = read_records(self.store, [record_name(MANIFESTS, *pair) for pair in pairs])
        begins = read_records(self.store, [record_name(SUBMISSIONS, *pair) for pair in pairs])
        for (name, end), (other, begin) in zip(ends, begins, strict=True):
            yield self._parsed(name, end, parse_manifest), self._parsed(other, begin, parse_submission)

    def _parsed(self, name: str, data: bytes | None, parse: Callable[[bytes], Parsed]) -> Parsed | None:
        if data is None:
            return None
        try:
            return parse(data)
        except ValueError:
            self.found.damaged.append(name)
            return None

    # — what is put back

    def _restore_ended(self, wanted: Iterable[tuple[str, int]]) -> dict[str, str]:
        """Runs that ended, as long as Redis would still have them, and their results; keys of registrations by run."""
        registered: dict[str, str] = {}
        for record, submission in self._pairs(pair for pair in wanted if not is_probe(pair[0])):
            if record is None:
                continue
            registered.update((record.run, stage.key) for stage in record.stages if _registers(stage) and stage.key)
            ended = record.finished or record.created
            self._note(ended)
            if submission is not None:
                self._restore_results(record, submission, self._left(ended, self.ledger.settings.cache_expire_s))
            left = self._left(ended, self.ledger.settings.expire_s)
            if left <= 0:
                self.found.older += 1
                continue
            self._restore_run(record, submission)
            self.steps.put(("ZADD", self.keys("expiring"), str(self._now + left), record.run))
            self.found.runs += 1
        return registered

    def _restore_results(self, record: RunRecord, submission: SubmissionRecord, left_ms: int) -> None:
        for found, lasting, text in cached_results(record, submission):
            if lasting or left_ms > 0:
                self.steps.put(*cache_commands(self.keys, found, text, None if lasting else left_ms))
                self._known.update(found)
                self.found.results += 1

    def _restore_run(self, record: RunRecord, submission: SubmissionRecord | None) -> None:
        self.steps.put(*run_commands(self.keys, record, submission))
        self._latest[record.workflow] = max(self._latest.get(record.workflow, (0.0, "")), (record.created, record.run))

    def _restore_models(self, log: Replay, registered: dict[str, str]) -> None:
        for model, shelf in log.models.items():
            keyed = set(shelf.keys.values())
            for version, run in shelf.runs.items():
                if version not in keyed and run in registered:  # 0.1.0 did not write the key of a registration
                    shelf.keys.setdefault(registered[run], version)
            self.found.models[model] = (len(shelf.records), shelf.live)
        self.steps.put(*registry_commands(self.keys, log.models), *looks_commands(self.keys, log.looks))

    def _restore_lost(self, wanted: Iterable[tuple[str, int]], log: Replay) -> None:
        """Runs that were under way come back as cancelled, so that they can be retried."""
        self.steps.put(("UNLINK", self.keys("restoring:lost")))
        checkpoints = last_checkpoints(self.store)
        for _, submission in self._pairs(wanted):
            if submission is None:
                continue
            self._restore_checkpoint(submission, checkpoints.get((submission.run, submission.generation)))
            self._note(submission.submitted)
            self._restore_run(_as_lost(submission, self._now / 1000), submission)
            self.steps.put(("ZADD", self.keys("restoring:lost"), str(self._now), submission.run))
            calls = submission.plan.stages
            known = sum(1 for call in calls if call.key in self._known)
            entry = log.submitted.get((submission.run, submission.generation), {})
            self.found.in_flight.append(
                InFlight(
                    run=submission.run,
                    workflow=submission.plan.workflow,
                    author=submission.author,
                    generation=submission.generation,
                    submitted=entry.get("at", submission.submitted),
                    stages=len(calls),
                    known=known,
                    decisions=_since(log.decided.get(submission.run, []), entry),
                )
            )

    def _restore_checkpoint(self, submission: SubmissionRecord, name: str | None) -> None:
        """The results of a run that waited for a person: what it came to then need not run again."""
        record = self._parsed(name, self.store.get_record(name), parse_manifest) if name is not None else None
        if record is not None:
            self._restore_results(record, submission, int(self.ledger.settings.cache_expire_s * 1000))

    def _list_untold(self, ended: dict[str, int], asked: dict[str, int], log: Replay) -> None:
        """Runs of which the store has no more than that they were submitted."""
        for run, generation in log.generations.items():
            if generation <= max(ended.get(run, 0), asked.get(run, 0)) or is_probe(run):
                continue
            entry = log.submitted[run, generation]
            workflow = entry.get("workflow", run.rpartition("-")[0])
            author, decided = entry.get("by", "unknown"), _since(log.decided.get(run, []), entry)
            self.found.in_flight.append(InFlight(run, workflow, author, generation, entry.get("at"), None, 0, decided))

    def _finish(self) -> None:
        """The last step makes the namespace whole: runs are accepted again, and the records of lost ones are kept."""
        for workflow, (_, run) in self._latest.items():
            self.steps.put(("HSET", self.keys("workflows"), workflow, run))
        self.steps.flush()
        self._settle()
        lost, ended = self.keys("restoring:lost"), self.keys("ended")
        self.steps.send(
            [
                ("ZUNIONSTORE", ended, "2", ended, lost),
                ("UNLINK", lost, self.keys("audit:missed")),
                ("SET", self.keys("format"), str(FORMAT)),
                ("SET", self.keys("bound"), "1"),
                ("DEL", self.keys("restoring")),
            ]
        )
        self._settle()

    def _settle(self) -> None:
        """Raises Unreachable where Redis was restarted meanwhile: it may lack what it was given."""
        if not self.dry_run:
            settle(self.ledger.redis, self.keys, self._process)

    def _left(self, since: float, seconds: float) -> int:
        """Milliseconds until so many seconds have passed."""
        return int((since + seconds) * 1000) - self._now

    def _note(self, at: float | None) -> None:
        self.found.newest = max(self.found.newest or 0.0, at or 0.0) or None


def _registers(stage: StageRecord) -> bool:
    return stage.task == "release.register" and stage.state is StageState.DONE and not stage.cached


def _since(decisions: list[dict[str, Any]], entry: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The decisions of one generation: those after it was submitted."""
    return tuple(one for one in decisions if (one["at"] or 0) >= entry.get("at", 0))


def _as_lost(submission: SubmissionRecord, at: float) -> RunRecord:
    """The record of a run whose end nobody will know."""
    plan = submission.plan
    stages = (
        StageRecord(
            id=call.id,
            task=call.task,
            queue=call.queue,
            state=StageState.CANCELLED,
            shadow=call.shadow,
            after=call.upstream(),
            finished=at,
            params=call.params,
            key=call.key,
            sources={name: one for name, one in call.inputs.items() if isinstance(one, ArtifactRef)},
            code=call.code,
        )
        for call in plan.stages
    )
    return RunRecord(
        run=submission.run,
        workflow=plan.workflow,
        status=RunStatus.CANCELLED,
        generation=submission.generation,
        author=submission.author,
        created=submission.created,
        finished=at,
        seed=submission.seed,
        spec=plan.spec,
        plan_digest=submission.plan_digest,
        plan_version=plan.version,
        notes=(*plan.notes, LOST),
        stages=tuple(in_plan_order(stages)),
    )

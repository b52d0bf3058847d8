"""The body of every Celery task: claim → look up → run under a heartbeat → commit."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import redis as redis_py

from orchestrator.contracts.calls import ArtifactRef, Kind, Purity
from orchestrator.contracts.documents.evaluation import Verdicts
from orchestrator.contracts.environment import environment_digest
from orchestrator.contracts.errors import CycleryError, Outdated, TransientError
from orchestrator.contracts.keys import content_key, effect_key, made_of
from orchestrator.contracts.records import OFF_RECIPE, StageError
from orchestrator.contracts.tasks import as_done_here, purity_of
from orchestrator.engine.messages import CacheRecord, Claim, Completion, Expansion, Settled
from workers.runtime.child import Child
from workers.runtime.failures import describe, is_outage, trace
from workers.runtime.guests import GuestBody, GuestFailed, GuestKilled
from workers.runtime.inside import Inside
from workers.runtime.interruption import StageCancelled
from workers.runtime.job import Job, Outcome, resolve_inputs
from workers.runtime.running import Body, Running
from workers.runtime.secret_values import Redaction

REPORT_EVERY_S = 0.5  # while an ended stage is kept for a Redis that does not answer
_OUTAGES = (TransientError, redis_py.ConnectionError, redis_py.TimeoutError, redis_py.OutOfMemoryError)
_ENDING = frozenset({"train.require"})  # what these refuse, nothing more is spent on
_JUDGING = frozenset({"evaluate.gates"}) | _ENDING

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


def perform(child: Child, run: str, stages: Sequence[str], stamp: str, task: str = "") -> None:
    """Do what one doorbell asks for; each of its stages is claimed by itself, and dropped when it is not ready.

    `task` is the name in the message, which the stage must still have.
    """
    with child.message():
        for stage in stages:
            if child.leaving:
                return  # what is left of the message is still ready, and rung again
            claim = _claim(child, run, stage, stamp, task)
            if claim is not None:
                _attempt(child, claim)


def _attempt(child: Child, claim: Claim) -> None:
    try:
        Attempt(child, claim).run()
    except Outdated as error:  # a newer release runs it again
        log.error("%s is not recorded: %s", claim.lease, error)


def _claim(child: Child, run: str, stage: str, stamp: str, task: str) -> Claim | None:
    node, host, pid = child.node, child.host, os.getpid()
    try:
        return child.ledger.claim(run, stage, worker=node, host=host, pid=pid, stamp=stamp, task=task)
    except Outdated as error:
        log.error("%s of %s is not claimed: %s", stage, run, error)
        return None
    except _OUTAGES as error:
        log.warning("%s of %s is not claimed (%s); it is rung again", stage, run, error)
        return None


class Attempt:
    """One claimed stage, from the claim to its record."""

    def __init__(self, child: Child, claim: Claim) -> None:
        self.child = child
        self.claim = claim
        self.lease = claim.lease
        self.call = claim.call
        self.redaction = Redaction.of(claim.call.params, os.environ)
        body: Body = Inside(child.run_here, self._report_end) if self.call.code is None else GuestBody(child.guests)
        self.body = body
        self.running = Running(claim.lease, claim.attempt, claim.call.policy, body)
        self.keys: tuple[str, ...] = ()
        self.made_of: str | None = None  # digest of its inputs

    def run(self) -> None:
        """Run the stage, or find its result, and record what came of it."""
        self.child.begin(self.running)
        try:
            self._settle()
        finally:
            self.child.end()

    def _settle(self) -> None:
        try:
            self.child.store.limit(self.call.policy.timeout_s)
            job = self._job()
            hit = self._hit()
        except Exception as error:  # told under its family, whatever it is
            self._record(self._failing(error, None))
            return
        if hit is not None:
            self._record(partial(self._completed, self._cached(hit)))
        else:
            self._execute(job)

    def _job(self) -> Job:
        inputs = resolve_inputs(self.call, self.claim.outputs)
        environment = environment_digest()
        done = as_done_here(self.call)
        content = content_key(done, inputs, environment)
        self.made_of = made_of(inputs)
        purity = purity_of(self.call)
        if purity is Purity.PURE:
            # A recipe key counts on the environment that the plan knew of, and on the version of the task that an
            # older release planned with; another one's result goes by content only.
            counted = self.call.environment in (None, environment) and done.version == self.call.version
            planned = self.call.key if counted else None
            self.keys = tuple(dict.fromkeys(key for key in (planned, content) if key))
        elif purity is Purity.EFFECT:
            self.keys = tuple(key for key in (self.call.key, effect_key(self.call, inputs, environment)) if key)
        return Job(
            run=self.lease.run,
            attempt=self.claim.attempt,
            key=self.keys[-1] if purity is Purity.EFFECT else self.call.key or content,
            call=self.call,
            inputs=inputs,
            seed=self.claim.seed,
            author=self.claim.author,
            refusal=self.claim.refusal,
        )

    def _hit(self) -> CacheRecord | None:
        """The result of the same computation, or the effect that was applied already, if its bytes are there."""
        if not self.keys or self.claim.fresh:
            return None
        record = self.child.ledger.cached(self.keys[-1])
        if record is None or not all(self.child.store.has(ref.digest) for ref in record.outputs.values()):
            return None
        return record

    def _execute(self, job: Job) -> None:
        error: BaseException | None = None
        completion: Completion | None = None
        capture = self.child.capture
        capture.start(self.redaction)
        try:
            outcome = self.body.run(job, self.running)
            self.running.over = True
            completion = self._completion(outcome)
        except (Exception, StageCancelled, SystemExit, KeyboardInterrupt) as raised:
            error = raised
            self._explain(raised)
        finally:
            self.running.over = True
            capture.stop()
        if not self.running.report_once():
            threading.Event().wait()  # the heartbeat's thread reports, and ends this process any moment
        kept = self._log()
        if completion is None:
            self._record(self._failing(error or StageCancelled(), kept))
        else:
            self._record(partial(self._completed, replace(completion, log=kept)))

    def _explain(self, error: BaseException) -> None:
        """What a person finds at the end of the stage's log."""
        if self.running.exceeded is not None:
            self.child.capture.write(f"{self.running.exceeded.message}\n")
        elif not self.running.cancelled and not isinstance(error, GuestFailed):  # a guest wrote its own
            self.child.capture.write(trace(error))

    def _completion(self, outcome: Outcome) -> Completion:
        """What is committed: the artifacts are written already."""
        refusal = self._refusal(outcome)
        if not outcome.kept:
            self.keys = ()
        measured = dict(outcome.measured) | self._off_recipe()
        if self.running.peak:
            measured.setdefault("memory_mb", round(self.running.peak / 2**20, 1))
        return Completion(
            outputs=outcome.outputs,
            seconds=self.running.seconds,
            measured=measured,
            keys=self.keys,
            lasting=purity_of(self.call) is Purity.EFFECT,
            refusal=refusal,
            ends=refusal is not None and self.call.task in _ENDING,
            expansion=Expansion(outcome.grown, outcome.joins) if outcome.grown else None,
            inputs=self.made_of,
            fresh=self.claim.fresh,
        )

    def _cached(self, hit: CacheRecord) -> Completion:
        """What an earlier execution left; the recipe key of today leads there from now on."""
        return Completion(
            outputs=hit.outputs,
            seconds=hit.seconds or 0.0,
            measured={**hit.measured, **self._off_recipe()},
            log=hit.log,
            cached=True,
            keys=self.keys,
            lasting=purity_of(self.call) is Purity.EFFECT,
            refusal=hit.refusal,
            expansion=hit.expansion,
            inputs=self.made_of,
        )

    def _off_recipe(self) -> dict[str, bool]:
        """A note that what was done is not what the recipe key counts on: a restore must not put it under that key."""
        pure = purity_of(self.call) is Purity.PURE
        return {OFF_RECIPE: True} if pure and self.call.key and self.call.key not in self.keys else {}

    def _completed(self, completion: Completion) -> Settled:
        settled = self.child.ledger.complete(self.lease, completion)
        if settled.answer != "deleting":
            return settled
        message = f"stage {self.call.id}: one of its outputs is being collected as garbage just now"
        return self.child.ledger.fail(self.lease, StageError(family="transient", message=message), outage=True)

    def _refusal(self, outcome: Outcome) -> str | None:
        """Why the run's model is refused from here on: a gate said no, or what was required before the search."""
        ref = outcome.outputs.get("verdicts") if self.call.task in _JUDGING else None
        if ref is None:
            return None
        verdicts = Verdicts.model_validate_json(self.child.store.read(ref))
        failed = [verdict.sentence for verdict in verdicts.verdicts if not verdict.passed]
        return None if verdicts.passed else "; ".join(failed) or "a gate did not pass"

    def _failing(self, error: BaseException, kept: ArtifactRef | None) -> Callable[[], Settled]:
        """How this end is told to the ledger."""
        ledger, lease, seconds = self.child.ledger, self.lease, self.running.seconds
        if self.running.ending == "returned":
            return partial(ledger.give_back, lease)
        if self.running.ending == "cancelled":
            return partial(ledger.stopped, lease, log=kept, seconds=seconds)
        if isinstance(error, GuestKilled) and self.running.exceeded is None:  # as if it had been this process
            return partial(ledger.bury, lease)
        outage = self.running.exceeded is None and (
            error.outage if isinstance(error, GuestFailed) else is_outage(error)
        )
        return partial(ledger.fail, lease, self._reason(error), log=kept, seconds=seconds, outage=outage)

    def _reason(self, error: BaseException) -> StageError:
        exceeded = self.running.exceeded
        if exceeded is not None:
            return StageError(family=exceeded.family, message=exceeded.message)
        found = error.error if isinstance(error, GuestFailed) else describe(error)
        return _redacted(found, self.redaction)

    def _report_end(self) -> None:
        """The heartbeat's last word before it ends this process: the stage did not listen."""
        self._explain(StageCancelled())
        self._record(self._failing(StageCancelled(), self._log()))

    def _log(self) -> ArtifactRef | None:
        """The stage's log as an artifact, and its last lines for those who watch; a lost log fails no stage."""
        kept: ArtifactRef | None = None
        try:
            data = self.child.capture.kept()
            if data is None:
                return None
            kept = self.child.store.put_at_once(data, Kind.FILE)
            self.child.show(self.child.ledger, self.running, last=True)
        except (CycleryError, redis_py.RedisError, OSError) as error:
            log.warning("the log of %s of %s is lost (%s)", self.lease.stage, self.lease.run, error)
        return kept

    def _record(self, report: Callable[[], Settled]) -> None:
        """Report for as long as it takes Redis to come back; each report may be sent again."""
        settled = None
        if self.running.ending != "lost":
            settled = patiently(report, f"{self.lease.stage} of {self.lease.run}")
        if settled is None or settled.lost:
            log.warning("%s was given to another worker; what this one has is dropped", self.lease)


def patiently(report: Callable[[], Answer], what: str) -> Answer:
    """The report's answer, tried again for as long as Redis is away: this process could do nothing else meanwhile."""
    told = False
    while True:
        try:
            return report()
        except _OUTAGES as error:
            if not told:
                log.warning("%s is done and waits for Redis to be recorded (%s)", what, error)
            told = True
            time.sleep(REPORT_EVERY_S)


def _redacted(error: StageError, redaction: Redaction) -> StageError:
    if not redaction.values:
        return error
    frames = tuple(redaction(frame) for frame in error.frames)
    return error.model_copy(update={"message": redaction(error.message), "frames": frames})

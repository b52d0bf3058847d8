"""Workers of a storm: pools' children that run the product's code, each of whose steps is a place to die at."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import redis

from orchestrator.contracts.calls import ArtifactRef, Kind, StageCall
from orchestrator.contracts.documents.evaluation import Verdict, Verdicts
from orchestrator.contracts.errors import DataError, TransientError
from orchestrator.contracts.records import Look, ModelVersion
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Claim, Completion, Expansion, Settled
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.looks import Looks
from orchestrator.store.models import UNNUMBERED, Registry
from tests.faults.ledger.expected import grown, leave
from tests.faults.ledger.hub import Killed
from workers.runtime import perform
from workers.runtime.child import Child
from workers.runtime.interruption import StageCancelled
from workers.runtime.job import Job, Outcome
from workers.runtime.patience import open_patient_store
from workers.runtime.running import Running

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm

ROWS = "y"  # the objective of all judgements in a storm

perform.REPORT_EVERY_S = 0.0  # a worker in a storm tries again at its next turn


class Store(ArtifactStore):
    """The real store, each of whose operations is a place to be halted or killed at."""

    storm: Storm

    def put_bytes(self, data: bytes, kind: Kind, rows: int | None = None, *, durable: bool = False) -> ArtifactRef:
        self.storm.point()
        ref = super().put_bytes(data, kind, rows, durable=durable)
        self.storm.strikes.halt(self.storm.chance.choice([0.01, 0.01, 8000.0]))
        self.storm.point()
        return ref

    def put_at_once(self, data: bytes, kind: Kind) -> ArtifactRef:
        return self.put_bytes(data, kind)

    def limit(self, seconds: float) -> None:
        """No stage waits for this one."""

    def has(self, digest: str) -> bool:
        self.storm.point()
        found = super().has(digest)
        self.storm.strikes.halt()
        self.storm.point()
        return found

    def delete(self, digest: str) -> None:
        self.storm.point()
        super().delete(digest)
        self.storm.onlooker.deleting(digest)
        self.storm.strikes.tempt("deleted", 0.5)
        self.storm.point()

    def put_record(self, name: str, data: bytes) -> bool:
        self.storm.point()
        created = super().put_record(name, data)
        if created:
            self.storm.onlooker.recorded(name, data)
        self.storm.strikes.tempt(name.partition("/")[0], 0.2)
        self.storm.point()
        return created


class Silent:
    """A capture of nothing: stages in a storm print nothing."""

    def start(self, _redaction: object) -> None:
        """Nothing to redirect."""

    def stop(self) -> None:
        """Nothing was redirected."""

    def write(self, _text: str) -> None:
        """Tracebacks of failures that were asked for."""

    def kept(self) -> None:
        """No log."""

    def lines(self, last: bool = False) -> list[str]:
        """No lines."""
        return []

    def close(self) -> None:
        """Nothing to close."""


class StormChild(Child):
    """A pool's child whose stages do as their parameters say; its heartbeat is beaten between two steps of them."""

    storm: Storm
    pid: int

    @classmethod
    def born(cls, storm: Storm, host: str, pid: int) -> StormChild:
        """A new process with connections of its own."""
        child = cls(storm.settings, "ops")
        child.storm, child.pid, child.host = storm, pid, host
        child._connect(storm.wire.client(), storm.store)
        return child

    @classmethod
    def witnessing(cls, storm: Storm) -> StormChild:
        """One that nothing befalls."""
        child = cls(storm.settings, "ops")
        child.storm, child.pid, child.host = storm, 0, "here"
        child._connect(storm.admin, open_patient_store(storm.settings))
        return child

    def _connect(self, client: redis.Redis, store: ArtifactStore) -> None:
        parts = {"redis": client, "ledger": Ledger(client, self.storm.settings), "store": store, "capture": Silent()}
        self.__dict__.update(parts)

    @property
    def node(self) -> str:
        """Each process tells its own name, so that a record shows who took the stage last."""
        return f"{self.host}:{self.pid}"

    def begin(self, running: Running) -> None:
        self.running = running

    def end(self) -> None:
        self.running = None

    def beat(self, running: Running) -> None:
        """What the heartbeat's thread does, and the signal that it sends."""
        self.storm.point()
        state = self.ledger.heartbeat({running.lease: self.storm.chance.choice([None, 0.25, 0.5])})[running.lease]
        if state != "held":
            running.ending = state
            raise StageCancelled

    def run_here(self, job: Job, running: Running) -> Outcome:
        act = str(job.call.params["act"])
        for _ in range(self.storm.chance.randrange(3)):
            self.beat(running)
        if self.storm.shutting(self.pid):
            running.ending = "returned"
            raise StageCancelled
        if act == "kill":
            raise Killed
        while act == "hang":
            self.beat(running)
        if act == "fail":
            raise DataError(f"it was asked to fail by {self.node}")
        if act == "exhaust" or (act == "flaky" and self.storm.chance.random() < 0.4):
            raise TransientError(f"it may pass, says {self.node}")
        if job.call.task == "release.register":
            self._register(job)
        if job.call.task == "evaluate.spend":
            self._judge(job)
        self.storm.strikes.linger(running.lease.run)
        inputs = [
            ref.digest for value in job.inputs.values() for ref in (value if isinstance(value, tuple) else [value])
        ]
        outputs = {"echo": self.store.put_bytes(leave(job.call.params, inputs), Kind.JSON)}
        if job.call.task in ("evaluate.gates", "train.require"):
            outputs["verdicts"] = self.store.put_bytes(_verdicts(job.call), Kind.JSON)
        self.storm.ran(running.lease.run, job)
        return Outcome(outputs=outputs, measured={"by": self.node})

    def _register(self, job: Job) -> None:
        bundle = cast("ArtifactRef", next(iter(job.inputs.values())))
        draft = ModelVersion(
            model=model_of(job.run), version=UNNUMBERED, stage="refused" if job.refusal else "candidate",
            run=job.run, created=1.0, digest=bundle.digest, bundle=bundle, rows=bundle, signature=bundle,
            evaluation=bundle, ranking=bundle, candidate="c", reasons=(job.refusal,) if job.refusal else (),
        )  # fmt: skip
        version = Registry(self.redis, self.settings).register(draft, job.key)
        self.storm.promise("registered", job.run, job.key, version.name)

    def _judge(self, job: Job) -> None:
        """Everybody judges the same rows."""

        def draft(known: Sequence[Look]) -> Look:
            return Look(run=job.run, by="ann", rows=1, sketch="", judgements=len(known), looks=len(known))

        look = Looks(self.redis, self.settings).add(ROWS, job.key, draft)
        self.storm.promise("judged", look.run, str(look.judgements))


def model_of(run: str) -> str:
    """The model that a run's version belongs to: several share one, as later trainings do."""
    return f"model{int(run.rsplit('-', 1)[0].removeprefix('w')) % 3}"


def _verdicts(call: StageCall) -> bytes:
    passed = call.params["act"] == "pass"
    verdict = Verdict(gate="g", passed=passed, sentence=f"{call.id} says so")
    return Verdicts(verdicts=(verdict,), passed=passed).model_dump_json().encode()


class StormAttempt(perform.Attempt):
    """An attempt whose stage may bring others into being."""

    def _completion(self, outcome: Outcome) -> Completion:
        completion = super()._completion(outcome)
        if not str(self.call.params.get("act", "")).startswith("grow"):
            return completion
        return replace(completion, expansion=Expansion(*grown(self.call, ["join"])))

    def _failing(self, error: BaseException, kept: ArtifactRef | None) -> Callable[[], Settled]:
        report = super()._failing(error, kept)
        if self.running.ending != "returned":
            return report
        return partial(cast("StormChild", self.child).storm.onlooker.returned, self.lease, report)

    def _completed(self, completion: Completion) -> Settled:
        storm = cast("StormChild", self.child).storm
        report = partial(super()._completed, completion)
        settled = storm.onlooker.reported(self.lease, report, "running", "done")
        if settled.answer == "done":
            storm.onlooker.kept(self.lease, completion)
        return settled


class Worker:
    """Pops what rings, as Celery does, and does it."""

    def __init__(self, storm: Storm, host: str) -> None:
        self.storm, self.host = storm, host
        self.running: str | None = None

    def __call__(self) -> None:
        storm = self.storm
        child = StormChild.born(storm, self.host, storm.new_process(self.host))
        try:
            while True:
                message = self._pop(child)
                if message is None:
                    storm.idle(6)
                    continue
                run, stages, stamp, task = message
                for stage in stages:
                    if storm.chance.random() < storm.rate:  # a release that does not know the task
                        child.ledger.refuse(run, stage, task, stamp)
                    else:
                        self._do(child, run, stage, stamp, task)
                if storm.shutting(child.pid):
                    raise Killed  # it returned what it had, and ends
        finally:
            storm.dead.add((self.host, child.pid))
            child.redis.connection_pool.disconnect()

    def _do(self, child: StormChild, run: str, stage: str, stamp: str, task: str) -> None:
        try:
            claim: Claim | None = child.ledger.claim(
                run, stage, worker=child.node, host=self.host, pid=child.pid, stamp=stamp, task=task
            )
        except TransientError:
            return
        if claim is not None and self.storm.chance.random() < self.storm.rate / 2:  # nor what is in its call
            child.ledger._refuse(run, stage, fence=claim.lease.fence)
        elif claim is not None:
            self.storm.strikes.oversleep(claim.lease, child.node)
            StormAttempt(cast("Any", child), claim).run()

    def _pop(self, child: StormChild) -> tuple[str, list[str], str, str] | None:
        chance = self.storm.chance
        queue = chance.choice(["ops", "train"])
        try:
            text = cast("str | None", child.redis.rpop(self.storm.keys.broker(queue)))
        except (TransientError, ConnectionError):
            return None
        if text is None:
            return None
        message = json.loads(text)
        tag = message["properties"]["delivery_tag"]
        if self.storm.tags.setdefault(tag, text) != text:
            self.storm.violations.append(f"message: two are called {tag}")
        fate = chance.random()
        if fate < self.storm.rate * 2:
            return None  # popped, and never heard of again
        if fate < self.storm.rate * 4 and not self.storm.strikes.full_for:
            self.storm.admin.lpush(self.storm.keys.broker(queue), text)
        named = json.loads(message["body"])[1]
        header = message["headers"]
        return named["run"], named["stages"], self.storm.aged(header["stamp"]), header["task"]

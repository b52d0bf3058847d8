"""The ledger: the truth about runs, stages, leases and cached results. Celery delivers; this decides.

Every change is one Lua step in Redis that may be sent again safely. Raises `Unreachable` when Redis does not answer.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import redis
from pydantic import ValidationError

from orchestrator.contracts.calls import ArtifactRef, StageCall
from orchestrator.contracts.errors import InvalidInput, TransientError, Unreachable
from orchestrator.contracts.records import Decision, StageError
from orchestrator.engine import submission as staging
from orchestrator.engine.messages import (
    Accepted,
    Bell,
    CacheRecord,
    Claim,
    Completion,
    Expansion,
    Lease,
    LeaseState,
    Settled,
    Spent,
    decode_refs,
    encode_error,
    encode_refs,
)
from orchestrator.engine.scripts import run_durably, run_script
from orchestrator.settings import Settings
from orchestrator.store.connection import answering, clock
from orchestrator.store.keys import Keys

LOG_ENTRIES = 5000  # lines of a run's live log; whole logs are artifacts
REFUSED_MS, LONGEST_REFUSED_MS = 1000, 16_000  # until a stage that a worker did not know is rung again: doubles
REFUSALS = 10  # of a claimed call that no worker can read, until it fails


class Ledger:
    """One namespace's ledger, for submitters, workers and people's decisions."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self.redis = client
        self.settings = settings
        self.keys = Keys(settings.namespace)

    # — submitting

    def submit(self, request: staging.Submission, has: Callable[[str], bool] = lambda _: True) -> Accepted:
        """Accept a plan durably, or attach to the active run of an identical one.

        `has` tells whether the store holds a digest: a cached result whose bytes are missing is none.
        """
        for _ in range(10):
            epoch, doomed = self._collected()
            there = partial(_stays, doomed, has)
            if gone := next((one for one in staging.named_digests(request.plan.stages) if not there(one)), None):
                raise TransientError(f"{gone} is being collected as garbage, or is not in the store: submit again")
            hits = self._hits(request, there)
            run = request.run or staging.new_run_id(request.plan.workflow)
            reply = self._put(request, run, epoch, hits)
            match reply[0]:
                case "accepted" | "again":
                    return Accepted(run, bells=self._conclude(run, reply))
                case "attached":
                    self._unstage(request)
                    return Accepted(str(reply[1]), attached=True)
                case "open":
                    raise InvalidInput(f"{run} is still under way; cancel it first, or wait for its end")
                case "deleting":
                    raise TransientError(f"{reply[1]} is being collected as garbage just now; submit again")
                case "gone":
                    raise InvalidInput(f"there is no run {run}; `cyclery runs` lists them")
                case "restoring":
                    raise Unreachable("the ledger is being restored: submit again when `cyclery restore` has ended")
            self._unstage(request)  # what is staged next may hold less, and a power loss may bring this back
            request = replace(request, nonce=secrets.token_hex(8))
            if reply[0] == "exists" and request.run:
                raise InvalidInput(f"{run} was retried by somebody else just now; look at `cyclery status {run}`")
        raise Unreachable("the ledger could not take the submission in ten tries; try again")

    def _collected(self) -> tuple[str, set[str]]:
        """The epoch of collection, and what is under deletion: read before anybody looks whether bytes are there."""
        with answering(self.redis), self.redis.pipeline(transaction=True) as reading:
            reading.get(self.keys("epoch"))
            reading.smembers(self.keys("deleting"))
            epoch, doomed = reading.execute()
        return epoch or "0", doomed

    def _put(self, request: staging.Submission, run: str, epoch: str, hits: Mapping[str, CacheRecord]) -> list[Any]:
        """Stage and flip; what a full Redis refuses half way is taken away again at once."""
        try:
            with answering(self.redis):
                staging.stage(self.redis, self.keys, request, hits)
            return self._flip(request, run, epoch, hits)
        except Unreachable as error:
            if isinstance(error.__cause__, redis.OutOfMemoryError):
                self._unstage(request)
            raise

    def _unstage(self, request: staging.Submission) -> None:
        with answering(self.redis):
            self.redis.unlink(*(self.keys("staging", request.nonce, part) for part in staging.PARTS))

    def _flip(self, request: staging.Submission, run: str, epoch: str, hits: Mapping[str, CacheRecord]) -> list[Any]:
        told = {"workflow": request.plan.workflow, "generation": request.generation, "by": request.author}
        entry = json.dumps({"event": "submitted", "run": run, **told, "at": clock(self.redis)})
        fields = json.dumps(staging.run_fields(request, hits))
        head = (request.nonce, run, request.identity(), int(request.new), request.generation, epoch, fields, entry)
        return self._durably("submit", *head, *staging.named_digests(request.plan.stages))

    def _hits(self, request: staging.Submission, has: Callable[[str], bool]) -> dict[str, CacheRecord]:
        wanted = staging.cacheable(request)
        ids = list(wanted)
        hits: dict[str, CacheRecord] = {}
        for start in range(0, len(ids), staging.CHUNK):
            chunk = ids[start : start + staging.CHUNK]
            records = zip(chunk, self.lookup([wanted[one] for one in chunk]), strict=True)
            hits |= {one: record for one, record in records if record and not record.expansion}
        return staging.usable(request.plan, hits, has)

    def lookup(self, keys: Sequence[str]) -> list[CacheRecord | None]:
        """Cached results by recipe or content key; a hit lives on for as long as a new one."""
        if not keys:
            return []
        names = [self.keys("cache", key) for key in keys]
        with answering(self.redis), self.redis.pipeline(transaction=False) as living_on:
            texts = cast("list[str | None]", self.redis.mget(names))
            for name, text in zip(names, texts, strict=True):
                if text is not None:
                    living_on.pexpire(name, self._ms(self.settings.cache_expire_s), gt=True)
            living_on.execute()
        return [None if text is None else CacheRecord.decode(text) for text in texts]

    def cached(self, key: str) -> CacheRecord | None:
        """One cached result."""
        return self.lookup([key])[0]

    # — working

    def claim(
        self,
        run: str,
        stage: str,
        *,
        worker: str,
        host: str,
        pid: int,
        stamp: str = "0",
        task: str = "",
        nonce: str | None = None,
    ) -> Claim | None:
        """Take a ready stage under a lease; None: a duplicate or late bell, to be dropped.

        `task` is what the message named: a stage that is sent under another name by now is not claimed by it.
        """
        reply = self._run(
            "claim",
            run,
            stage,
            nonce or secrets.token_hex(8),
            worker,
            host,
            pid,
            stamp,
            self._ms(self.settings.lease_s),
            task,
        )
        if reply[0] != "claimed":
            return None
        record = json.loads(reply[2])
        lease = Lease(run, stage, record["fence"])
        try:
            call = StageCall.model_validate_json(reply[1])
        except ValidationError:
            if not self._refuse(run, stage, fence=lease.fence):
                self.fail(lease, _unknown_call(worker))
            return None
        outputs = {
            str(name): decode_refs(json.loads(text)) for name, text in zip(reply[6::2], reply[7::2], strict=True)
        }
        if "needs" not in record or record.get("grown"):
            outputs = self._inputs(run, call, grown=bool(record.get("grown")))
        fresh = bool(record.get("fresh"))
        return Claim(lease, call, record["attempt"], outputs, reply[3] or None, reply[4], int(reply[5]), fresh)

    def _inputs(self, run: str, call: StageCall, *, grown: bool) -> dict[str, dict[str, ArtifactRef]]:
        needs = staging.data_needs(call)
        found: dict[str, dict[str, ArtifactRef]] = {}
        with answering(self.redis):
            if grown:
                added = cast("list[str]", self.redis.lrange(self.keys.run(run, "grown", call.id), 0, -1))
                needs = list(dict.fromkeys([*needs, *added]))
            for start in range(0, len(needs), staging.CHUNK):
                chunk = needs[start : start + staging.CHUNK]
                texts = cast("list[str | None]", self.redis.hmget(self.keys.run(run, "outputs"), chunk))
                found |= {one: decode_refs(json.loads(text)) for one, text in zip(chunk, texts, strict=True) if text}
        return found

    def heartbeat(self, leases: Mapping[Lease, float | None]) -> dict[Lease, LeaseState]:
        """Renew leases, each with its progress (0 to 1) or None; tells which are cancelled or lost."""
        if not leases:
            return {}
        arguments: list[str] = []
        for lease, progress in leases.items():
            arguments += [lease.run, lease.stage, lease.fence, "" if progress is None else f"{progress:.3f}"]
        reply = self._run("renew", self._ms(self.settings.lease_s), *arguments)
        return dict(zip(leases, cast("list[LeaseState]", reply), strict=True))

    def complete(self, lease: Lease, completion: Completion) -> Settled:
        """Record a stage's outputs, once, and release what waited for it."""
        facts = {
            "seconds": round(completion.seconds, 6),
            "cached": completion.cached or None,
            "measured": json.dumps(dict(completion.measured)) if completion.measured else None,
            "log": completion.log.model_dump_json(exclude_none=True) if completion.log else None,
            "refusal": completion.refusal,
            "ends": completion.ends or None,
        }
        outputs = json.dumps(encode_refs(completion.outputs), separators=(",", ":"))
        kept = [*completion.outputs.values(), *([completion.log] if completion.log else [])]
        grown = completion.expansion if completion.expansion and completion.expansion.calls else None
        digests = [*(ref.digest for ref in kept), *(staging.named_digests(grown.calls) if grown else ())]
        known = json.dumps({name: fact for name, fact in facts.items() if fact is not None})
        record = completion.record().encode() if completion.keys else ""
        kept_ms = 0 if completion.lasting else self._ms(self.settings.cache_expire_s)
        tail: list[str | int] = [len(digests), *digests, len(completion.keys), *completion.keys]
        head, size = (lease.run, lease.stage, lease.fence), len(grown.calls) if grown else 0
        for _ in range(10):
            nonce = self._stage_growth(grown, fresh=completion.fresh) if grown else ""
            reply = self._run("complete", *head, outputs, record, kept_ms, known, *tail, nonce, size)
            if reply[0] != "staging lost":
                return Settled(reply[0], self._conclude(lease.run, reply))
        raise Unreachable("the ledger could not take what a stage has grown in ten tries")

    def _stage_growth(self, grown: Expansion, *, fresh: bool = False) -> str:
        with answering(self.redis):
            return staging.stage_expansion(self.redis, self.keys, grown, fresh=fresh)

    def fail(
        self,
        lease: Lease,
        error: StageError,
        *,
        log: ArtifactRef | None = None,
        seconds: float = 0.0,
        outage: bool = False,
    ) -> Settled:
        """Record a failure; a transient one is tried again after its backoff while attempts are left.

        An outage of what surrounds the stage uses up none of them: it is waited out, for a day at least.
        """
        return self._fail(lease, encode_error(error), error.family, log, seconds, outage=outage)

    def stopped(self, lease: Lease, *, log: ArtifactRef | None = None, seconds: float = 0.0) -> Settled:
        """The stage ended because its run is being stopped."""
        return self._fail(lease, "{}", "cancelled", log, seconds)

    def _fail(
        self, lease: Lease, error: str, family: str, log: ArtifactRef | None, seconds: float, *, outage: bool = False
    ) -> Settled:
        jitter = random.uniform(0.5, 1.5)  # noqa: S311  (spreads retries, guards nothing)
        kept = log.model_dump_json(exclude_none=True) if log else ""
        head = (lease.run, lease.stage, lease.fence)
        reply = self._run("fail", *head, error, family, kept, seconds, jitter, "outage" if outage else "")
        return Settled(reply[0], self._conclude(lease.run, reply))

    def give_back(self, lease: Lease) -> Settled:
        """Return a stage unfinished, because this worker shuts down; it does not count as a death."""
        reply = self._run("give_back", lease.run, lease.stage, lease.fence, 0, self.settings.max_deaths)
        return Settled(reply[0], self._conclude(lease.run, reply))

    def refuse(self, run: str, stage: str, task: str, stamp: str = "0") -> bool:
        """A worker heard of a task that its release does not know: the stage is rung again soon, for a newer one."""
        return self._refuse(run, stage, task=task, stamp=stamp)

    def _refuse(self, run: str, stage: str, *, task: str = "", fence: str = "", stamp: str = "0") -> bool:
        pauses = (REFUSED_MS, LONGEST_REFUSED_MS, REFUSALS)
        reply = self._run("refuse", run, stage, task, fence, stamp, *pauses)
        self._conclude(run, reply)
        return bool(reply[0] != "too often")

    def leases_of(self, host: str) -> dict[Lease, int]:
        """The leases that this host's processes hold, each with the id of its process."""
        owned = [member.split("/", 1) for member in self._members("leases")]
        with answering(self.redis), self.redis.pipeline(transaction=False) as reading:
            for run, stage in owned:
                reading.hget(self.keys.run(run, "stages"), stage)
            records = [json.loads(text) if text else {} for text in reading.execute()]
        return {
            Lease(run, stage, record["fence"]): int(record["pid"])
            for (run, stage), record in zip(owned, records, strict=True)
            if record.get("host") == host and record["state"] == "running"
        }

    def bury(self, lease: Lease) -> Settled:
        """The process that held this lease is dead: do not wait for it to run out."""
        reply = self._run("give_back", lease.run, lease.stage, lease.fence, 1, self.settings.max_deaths)
        return Settled(reply[0], self._conclude(lease.run, reply))

    def spent(self, run: str, stages: Sequence[str]) -> Spent:
        """What these stages of a run took so far."""
        records: list[dict[str, Any]] = []
        with answering(self.redis):
            for start in range(0, len(stages), staging.CHUNK):
                chunk = list(stages[start : start + staging.CHUNK])
                texts = cast("list[str | None]", self.redis.hmget(self.keys.run(run, "stages"), chunk))
                records += [json.loads(text) for text in texts if text]
        begun = [record["started"] for record in records if record.get("started")]
        elapsed = clock(self.redis) - min(begun) / 1000 if begun else 0.0
        taken = [float(record["seconds"]) for record in records if record.get("seconds") is not None]
        return Spent(max(elapsed, 0.0), sum(taken), len(taken))

    def log(self, run: str, stage: str, attempt: int, lines: Iterable[str]) -> None:
        """Append lines to the run's live log; the oldest go when there are many."""
        pipe = self.redis.pipeline(transaction=False)
        for line in lines:
            entry: dict[Any, Any] = {"stage": stage, "attempt": attempt, "line": line}
            pipe.xadd(self.keys.run(run, "log"), entry, maxlen=LOG_ENTRIES, approximate=True)
        with answering(self.redis):
            pipe.execute()

    # — deciding

    def cancel(self, run: str, by: str) -> Settled:
        """Stop a run: what has not begun never begins, what runs is told by its next heartbeat."""
        reply = self._durably("cancel", run, by)
        if reply[0] == "gone":
            raise InvalidInput(f"there is no run {run}; `cyclery runs` lists them")
        return Settled(reply[0], self._conclude(run, reply))

    def decide(self, run: str, stage: str, decision: Decision) -> Settled:
        """Record a person's answer to a held stage, durably."""
        refusal = f"rejected by {decision.by}" + (f": {decision.note}" if decision.note else "")
        text = json.dumps(decision.model_dump(mode="json", exclude_none=True))
        entry = json.dumps({"event": decision.verdict, "run": run, "stage": stage, **decision.model_dump(mode="json")})
        reply = self._durably("decide", run, stage, decision.verdict, text, refusal, entry)
        if reply[0] not in ("decided", "again"):
            state = "unknown" if reply[0] == "gone" else reply[0]
            raise InvalidInput(f"{stage} of {run} is {state}, not held: there is nothing to decide")
        return Settled(reply[0], self._conclude(run, reply))

    # — repairing and forgetting

    def repair(self, limit: int, grace_ms: int) -> tuple[int, tuple[Bell, ...]]:
        """One bounded step of the reconciler: how many actions, and the bells that it rang."""
        reply = self._run("tick", limit, self.settings.max_deaths, grace_ms, self._ms(self.settings.lease_s))
        return int(reply[0]), tuple(Bell.decode(text) for text in reply[1:])

    def unfinished(self) -> set[str]:
        """Runs whose graph work somebody began and left: usually none."""
        with answering(self.redis):
            return cast("set[str]", self.redis.smembers(self.keys("work")))

    def ended(self) -> list[str]:
        """Runs that ended and whose manifest is not yet in the store."""
        return self._members("ended")

    def holds(self) -> dict[str, int]:
        """Runs that came to wait for a person, and whose checkpoint is not yet in the store: when they did, in ms."""
        with answering(self.redis):
            marks = cast("list[tuple[str, float]]", self.redis.zrange(self.keys("holds"), 0, -1, withscores=True))
        return {run: int(at) for run, at in marks}

    def checkpointed(self, run: str, at: int) -> None:
        """How far the run had come by then is in the store, or matters no more."""
        self._run("checkpointed", run, at)

    def archive(self, run: str, generation: int) -> None:
        """The manifest of this generation is in the store: the run may expire."""
        self._run("archive", run, generation, self._ms(self.settings.expire_s))

    def expire(self, limit: int = 50) -> int:
        """Forget archived runs whose time has come; answers how many."""
        return int(self._run("expire", limit)[0])

    # — shared

    def sweep(self, run: str) -> tuple[Bell, ...]:
        """Go on with the graph work of a run until none is left."""
        return self._conclude(run, ["", 1])

    def _conclude(self, run: str, reply: list[Any]) -> tuple[Bell, ...]:
        bells: list[Bell] = []
        while True:
            bells += [Bell.decode(text) for text in reply[2:]]
            if len(reply) < 2 or int(reply[1]) == 0:
                return tuple(bells)
            reply = self._run("sweep", run)

    def _members(self, name: str) -> list[str]:
        with answering(self.redis):
            return cast("list[str]", self.redis.zrange(self.keys(name), 0, -1))

    def _run(self, name: str, *arguments: str | int | float) -> list[Any]:
        with answering(self.redis):
            return run_script(self.redis, name, self.keys.prefix, *arguments)

    def _durably(self, name: str, *arguments: str | int | float) -> list[Any]:
        with answering(self.redis):
            return run_durably(self.redis, name, self.keys.prefix, *arguments)

    @staticmethod
    def _ms(seconds: float) -> int:
        return int(seconds * 1000)


def _unknown_call(worker: str) -> StageError:
    """The answer of an older worker to a call that a newer release has planned."""
    message = f"{worker} does not understand this stage, which a newer release of Cyclery planned; upgrade the workers"
    return StageError(family="internal", message=f"{message}, then `cyclery retry`")


def _stays(doomed: Collection[str], has: Callable[[str], bool], digest: str) -> bool:
    return digest not in doomed and has(digest)

"""Whoever looks on when somebody is told something, or deletes: it must be so, and stay so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.engine.messages import Completion, Lease, Settled
from orchestrator.store.audit import FOLDER
from orchestrator.store.continuity import standing
from orchestrator.store.manifests import MANIFESTS, parse_manifest

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm


class Onlooker:
    """Adds what it sees to the storm's violations."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm

    def returned(self, lease: Lease, report: Callable[[], Settled]) -> Settled:
        """A worker that shuts down gives its stage back: nobody has died."""
        storm = self.storm
        before = storm.record(lease.run, lease.stage).get("deaths", 0)
        settled = report()
        record = storm.record(lease.run, lease.stage)
        if settled.answer == "returned" and record.get("fence") == lease.fence and record.get("deaths", 0) != before:
            storm.violations.append(f"told: {lease} was given back, which counts as a death")
        return settled

    def refused_to_decide(self, run: str, stage: str, note: str) -> None:
        """Somebody heard that it is too late to decide: not by a decision of the same person."""
        storm = self.storm
        record = storm.record(run, stage)
        if f'"{note}"' in record.get("decision", ""):
            storm.violations.append(f"told: the decision on {stage} of {run} was refused, and it stands")

    def kept(self, lease: Lease, completion: Completion) -> None:
        """What was recorded this moment is there."""
        storm = self.storm
        run = storm.admin.hget(storm.keys.run(lease.run), "status")
        gone = [ref.digest for ref in completion.outputs.values() if not storm.plain._size(ref.digest)]
        if gone and run == "running" and storm.record(lease.run, lease.stage).get("fence") == lease.fence:
            storm.violations.append(f"bytes: {lease} was recorded with {gone[0]}, which was deleted")

    def deleting(self, digest: str) -> None:
        """Bytes are deleted: that they would be is nothing that Redis may forget."""
        storm = self.storm
        storm.deleted = digest
        key = storm.keys("deleting")
        told = f"SADD\r\n${len(key)}\r\n{key}\r\n${len(digest)}\r\n{digest}\r\n"
        if told.encode() in storm.wire.unsafe():
            storm.violations.append(f"lost: that {digest} is deleted may be gone with the power")

    def recorded(self, name: str, data: bytes) -> None:
        """The store tells of an end or a decision: Redis has it, and cannot take it back."""
        storm = self.storm
        if name.startswith(MANIFESTS):
            record = parse_manifest(data)
            base = storm.keys.run(record.run)
            known, status = storm.admin.hmget(base, "generation", "status")
            if int(known or 0) < record.generation or (int(known) == record.generation and status != record.status):
                storm.violations.append(
                    f"invented: a manifest of {record.run}@{record.generation}, {status} of {known}"
                )
            ended = str(round((record.finished or 0) * 1000))
            cause = f"\r\n{base}\r\n$8\r\nfinished\r\n${len(ended)}\r\n{ended}\r\n".encode()
        elif name.startswith(FOLDER):
            problem = standing(storm.admin, storm.keys, storm.plain).problem
            storm.violations += [f"invented: {name}: {problem}"] if problem else []
            cause = data
        else:
            return
        if cause in storm.wire.unsafe():
            storm.violations.append(f"lost: what {name} tells may be gone with the power")

    def reported(self, lease: Lease, report: Callable[[], Settled], *states: str) -> Settled:
        """Whoever holds a lease is never told that it is lost."""
        storm = self.storm
        losses = storm.counts["power losses"]
        settled = report()
        record = storm.record(lease.run, lease.stage)
        holds = record.get("fence") == lease.fence and record.get("state") in states
        if settled.lost and holds and losses == storm.counts["power losses"]:
            storm.violations.append(f"told: {lease} was lost for its owner, it is {record['state']}")
        return settled

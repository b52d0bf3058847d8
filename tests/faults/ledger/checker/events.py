"""What watchers of a run heard: each thing once, in order, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from orchestrator.contracts.records import RunRecord, StageRecord
    from tests.faults.ledger.plot import Book
    from tests.faults.ledger.storm import Storm

TERMINAL = {"done", "failed", "rejected", "skipped", "cancelled"}


def told(storm: Storm, book: Book, record: RunRecord) -> Iterator[str]:
    """Watchers were told each end once for each generation."""
    told: Counter[tuple[str, str]] = Counter()
    ends = 0
    entries_of = cast("Any", storm.admin.xrange(f"{storm.keys.run(book.id)}:events"))
    for _, event in entries_of:
        if event["kind"] == "stage" and event["state"] in TERMINAL:
            told[event["stage"], event["state"]] += 1
        ends += event["kind"] == "run" and event["state"] in ("succeeded", "failed", "refused", "cancelled")
    yield from _progress(book.id, entries_of)
    yield from _of_run(storm, book, record, [event["state"] for _, event in entries_of if event["kind"] == "run"])
    if ends != record.generation:
        yield f"events: {book.id} ended {ends} times in {record.generation} generations"
    for (stage, state), times in told.items():
        if times > record.generation:
            yield f"twice: {stage} of {book.id} was {state} {times} times in {record.generation} generations"
    by_stage = Counter(stage for stage, _ in told.elements())
    running = Counter(event["stage"] for _, event in entries_of if event["state"] == "running" and event["stage"])
    for stage in record.stages:
        if running[stage.id] != stage.attempt and "." not in stage.id:
            yield f"events: {stage.id} of {book.id} was claimed {stage.attempt} times, watchers saw {running[stage.id]}"
        if record.generation == 1 and by_stage[stage.id] != (0 if known_before(stage) else 1):
            yield f"twice: {stage.id} of {book.id} ended {by_stage[stage.id]} times"


def _of_run(storm: Storm, book: Book, record: RunRecord, said: list[str]) -> Iterator[str]:
    """What watchers heard of the run as a whole."""
    if record.finished is None:
        yield f"times: {book.id} never finished"
    if any(one == other for one, other in pairwise(said)):
        yield f"events: watchers of {book.id} heard the same again: {said}"
    first = _first_failed(storm, book, record)
    if record.generation == 1 and storm.admin.hget(storm.keys.run(book.id), "failed") != first:
        yield f"events: {first} of {book.id} failed first"
    asked = book.workflow.shape in ("approval", "release", "asking") and any(one.decision for one in record.stages)
    if asked and "held" not in said:
        yield f"events: {book.id} was held, and nobody heard of it"
    if book.workflow.shape == "questions" and ("held", "running") in pairwise(said):
        yield f"events: {book.id} had begun, and watchers heard {said}"
    if record.generation == book.generation and book.cancelled:
        by = storm.admin.hget(storm.keys.run(book.id), "cancelled_by")
        if by != "ann" or "cancelling" not in said:
            yield f"events: {book.id} was cancelled by {by}, and watchers heard {said}"


def _first_failed(storm: Storm, book: Book, record: RunRecord) -> str | None:
    """The stage that watchers heard of first that it failed, and that nobody tolerates."""
    tolerated = {call.id for call in book.workflow.plan.stages if call.policy.tolerate}
    for _, event in cast("Any", storm.admin.xrange(f"{storm.keys.run(book.id)}:events")):
        if event["state"] == "failed" and event["stage"] and event["stage"] not in tolerated:
            return str(event["stage"])
    return None


def _progress(run: str, events: Any) -> Iterator[str]:
    """Progress is told where it is news, and that a stage is ready where it has run before."""
    last: dict[str, str] = {}
    ran: dict[str, str] = {}
    for _, event in events:
        stage = event["stage"]
        if event["kind"] == "stage" and event["state"] == "ready" and ran.get(stage) != "running":
            yield f"events: {stage} of {run} is ready again after it was {ran.get(stage)}"
        if event["kind"] == "stage":
            ran[stage] = event["state"]
        if event["kind"] == "progress" and last.get(stage) == event["state"]:
            yield f"events: {stage} of {run} came to {event['state']} twice"
        last[stage] = event["state"]


def known_before(stage: StageRecord) -> bool:
    """Whether it was done when the run was submitted."""
    return stage.cached and stage.attempt == 0

"""What outlasts runs: models, judgements, and the audit of who did what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from orchestrator.engine.history import History
from orchestrator.store.audit import entries
from orchestrator.store.continuity import standing
from orchestrator.store.looks import Looks
from orchestrator.store.models import Registry
from orchestrator.store.replay import Replay
from tests.faults.ledger.workers import ROWS

if TYPE_CHECKING:
    from orchestrator.contracts.records import Look
    from tests.faults.ledger.plot import Book
    from tests.faults.ledger.storm import Storm


def promises(storm: Storm) -> Iterator[str]:
    registry = Registry(storm.admin, storm.settings)
    versions = {one.name: one for one in registry.list()}
    for kind, run, *rest in storm.promised:
        if kind == "judged":
            continue
        if rest[-1] not in versions:
            yield f"lost: {rest[-1]} was {kind} by {run}"
        elif kind == "registered" and versions[rest[-1]].run != run:
            yield f"lost: {rest[-1]} was registered by {run}, not {versions[rest[-1]].run}"
    by_run = Counter(one.run for one in versions.values())
    yield from (f"twice: {run} registered {times} versions" for run, times in by_run.items() if times > 1)
    for book in storm.accepted:
        register = [call for call in book.workflow.plan.stages if call.task == "release.register"]
        record = History(storm.admin, storm.settings.namespace).snapshot(book.id) if register else None
        done = record.stage("register") if record else None
        if done and done.state == "done" and not by_run[book.id]:
            yield f"lost: {book.id} registered nothing"
        for one in versions.values():
            refused = record is not None and record.status == "refused"
            told = one.run == book.id and record is not None and record.status in ("refused", "succeeded")
            if told and one.reasons and not any(one.reasons[0].startswith(why) for why in _first_no(storm, book)):
                yield f"registry: {one.name} was refused by {one.reasons}, and first of all by {_first_no(storm, book)}"
            if told and record and {refused} != {one.stage == "refused", bool(one.reasons)}:
                yield f"registry: {one.name} of {book.id}, which is {record.status}, is {one.stage}"
    for name in sorted({one.model for one in versions.values()}):
        yield from _replayed(storm, registry, name)


def _first_no(storm: Storm, book: Book) -> tuple[str, ...]:
    """How the refusal that came first may begin."""
    refusing = {call.id for call in book.workflow.plan.stages if call.params.get("act") == "refuse"}
    for _, event in cast("Any", storm.admin.xrange(f"{storm.keys.run(book.id)}:events")):
        if event["state"] == "rejected":
            return ("rejected by ann", "nobody approved it in time")
        if event["state"] == "done" and event["stage"] in refusing:
            return (f"{event['stage']} says so",)
    return tuple(f"{one} says so" for one in refusing)  # known before


def looks_of(storm: Storm) -> list[Look]:
    return sorted(Looks(storm.admin, storm.settings).list(ROWS), key=lambda one: one.judgements)


def account(storm: Storm, history: History) -> Iterator[str]:
    """Each run's judgement of the test rows is entered once, in the knowledge of all before it."""
    looks = looks_of(storm)
    if [one.judgements for one in looks] != list(range(len(looks))):
        yield f"account: judgements know of {[one.judgements for one in looks]} before them"
    by_run = Counter(one.run for one in looks)
    yield from (f"twice: {run} judged {times} times" for run, times in by_run.items() if times > 1)
    for book in storm.accepted:
        record = history.snapshot(book.id)
        done = record.stage("spend") if record else None
        if done and done.state == "done" and not by_run[book.id]:
            yield f"lost: {book.id} judged nothing"
    told = Replay().take(entries(storm.store)).looks.get(ROWS, {})
    if told != storm.admin.hgetall(storm.keys("looks", ROWS)):
        yield f"account: {len(looks)} judgements, by the audit log {len(told)}"


def _replayed(storm: Storm, registry: Registry, model: str) -> Iterator[str]:
    """A model's versions stand where the audit log, replayed, puts them."""
    stages: dict[int, str] = {}
    live: int | None = None
    history: list[int] = []
    for entry in entries(storm.store):
        if entry.get("model") != model:
            continue
        version = int(entry["version"])
        if entry["event"] == "registered":
            if version != len(stages) + 1:
                yield f"registry: {model}@{version} was registered after {len(stages)} versions"
            stages[version] = str(entry["stage"])
            continue
        if entry.get("live_before") != live:
            yield f"registry: {entry['event']} {model}@{version} when {entry.get('live_before')} was live, not {live}"
        if entry["event"] == "rolled back":
            stages[cast("int", live)], stages[version] = "archived", "production"
            live = history.pop()
            continue
        stages[version] = str(entry["to"])
        if entry["to"] == "production":
            if live is not None:
                stages[live] = "archived"
                history.append(live)
            live = version
    found = {one.version: one.stage for one in registry.list(model)}
    if found != stages or list(registry.history(model)) != history:
        yield f"registry: {model} has {found} and {registry.history(model)}, by the audit log {stages} and {history}"


def audited(storm: Storm, history: History) -> Iterator[str]:
    """Each decision stands in the audit log once, in its place."""
    told = list(entries(storm.store))
    numbers = [entry["number"] for entry in told]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"audit: numbers {numbers[:3]}… are not without gaps"
    if len(told) != int(cast("str", storm.admin.get(storm.keys("audit:drained"))) or 0):
        yield f"audit: {len(told)} entries, {storm.admin.get(storm.keys('audit:drained'))} counted"
    counted: Counter[tuple[str, ...]] = Counter(_entry(entry) for entry in told)
    for entry, times in counted.items():
        if times > 1 and entry[0] != "submitted":
            yield f"audit: {entry} stands there {times} times"
    for run in history.run_ids():
        record = history.snapshot(run)
        if record and counted["submitted", run] != record.generation:
            yield f"audit: {run} was submitted {counted['submitted', run]} times in {record.generation} generations"
    for book in storm.accepted:
        for generation, stage in book.decided:
            if counted["decided", book.id, stage, f"{book.id} {generation}"] != 1:
                yield f"audit: the decision on {stage} of {book.id} is missing"
    problem = standing(storm.admin, storm.keys, storm.store).problem
    yield from [f"audit: {problem}"] if problem else []
    for kind, run, *rest in storm.promised:
        if counted[kind, run, rest[-1]] != 1:
            yield f"audit: {kind} {rest[-1]} by {run} stands there {counted[kind, run, rest[-1]]} times"


def _entry(entry: dict[str, Any]) -> tuple[str, ...]:
    event = entry["event"]
    if event in ("approved", "rejected"):
        return ("decided", entry["run"], entry["stage"], str(entry.get("note")))
    if event in ("registered", "promoted", "archived", "rolled back"):
        run = entry["run"] if event == "registered" else str(entry["note"])
        return (event, run, f"{entry['model']}@{entry['version']}")
    if event == "judged":
        return (event, entry["record"]["run"], str(entry["record"]["judgements"]))
    return (event, str(entry.get("run")))

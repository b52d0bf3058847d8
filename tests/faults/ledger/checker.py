"""What must be true when a storm is over; each violation is one line that begins with the rule that it breaks."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from orchestrator.engine.garbage import REMEMBERED_MS, Collector
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.reconciler import Reconciler
from orchestrator.engine.submission import data_needs
from orchestrator.store.audit import entries
from orchestrator.store.continuity import standing
from orchestrator.store.looks import Looks
from orchestrator.store.manifests import read_manifest
from orchestrator.store.models import Registry
from orchestrator.store.replay import Replay
from tests.faults.ledger.actors import ROWS
from tests.faults.ledger.expected import FAILING, Expected, expect

if TYPE_CHECKING:
    from orchestrator.contracts.records import Look, RunRecord, StageRecord
    from orchestrator.engine.history import StageRecord as _  # noqa: F401
    from tests.faults.ledger.storm import Book, Storm

TERMINAL = {"done", "failed", "rejected", "skipped", "cancelled"}
FORGOTTEN_S = 90 * 86400
LASTING = {"epoch", "fences", "stamp", "ticked", "heard", "queues", "window", "slots", "models", "workflows", "format",
           "audit:drained", "environments", "settled", "bound", "known"}  # fmt: skip


def check(storm: Storm) -> list[str]:
    """All violations, after rest."""
    if storm.violations:  # it never came to rest: all else follows from that
        return []
    ledger = Ledger(storm.admin, storm.settings)
    history = History(storm.admin, storm.settings.namespace)
    found: list[str] = []
    known = {book.id: book for book in storm.accepted}
    for book in storm.accepted:
        record = history.snapshot(book.id)
        if record is None:
            found.append(f"lost: accepted {book.id} is gone")
        else:
            found += _run(storm, book, record)
    for run in history.run_ids():
        if run not in known:
            record = history.snapshot(run)
            found += [f"unfinished: {run} {record}"] if record is None or not record.status.ended else []
            found += _counters(storm, run)
    found += _index(storm)
    found += _promises(storm)
    found += _account(storm, history)
    found += _audit(storm, history)
    found += _forgetting(storm, ledger, history)
    return found


def _run(storm: Storm, book: Book, record: RunRecord) -> Iterator[str]:
    name = f"{book.id} ({book.workflow.shape})"
    workflow = book.workflow
    generation = record.generation
    if generation < book.generation:
        yield f"lost: retry of {name} was accepted, it is of generation {generation}"
    if generation == 2:
        if book.retry_tried is None:
            yield f"invented: {name} was retried by nobody"
            return
        workflow = book.retry_tried
    end = expect(workflow)
    actual = {stage.id: stage for stage in record.stages}
    cancelled = generation == book.generation and book.cancelled
    may_be_cancelled = cancelled or (1 in (generation, book.generation) and book.cancel_tried)  # a retry unheard of
    stopped = end.status == "failed" and workflow.plan.on_failure == "stop"
    if cancelled and record.status != "cancelled":
        yield f"lost: cancel of {name}, it is {record.status}"
    if record.status == "cancelled" and not may_be_cancelled:
        yield f"invented: {name} was cancelled by nobody"
    elif record.status not in ("cancelled", end.status):
        yield f"wrong end: {name} is {record.status}, not {end.status}"
    missing = set(actual) - set(end.states)
    yield from (f"invented: stage {one} of {name}" for one in missing)
    free = record.status == "cancelled" or stopped
    for one, state in end.states.items():
        stage = actual.get(one)
        if stage is None:
            if not (free and one not in {call.id for call in workflow.plan.stages}):
                yield f"lost: stage {one} of {name}"
            continue
        yield from _stage(storm, name, stage, state, end, free, record.status.value)
    yield from _bytes(storm, name, record, end)
    yield from _counters(storm, book.id)
    yield from _told(storm, book, record)
    for decided, stage in book.decided:
        if decided == generation and actual[stage].decision is None:
            yield f"lost: decision on {stage} of {name}"
    manifest = read_manifest(storm.store, book.id, generation)
    if manifest is None or manifest.stages != record.stages:
        yield f"manifest: {name} is not as it ended"


def _stage(
    storm: Storm, name: str, stage: StageRecord, state: str, end: Expected, free: bool, status: str
) -> Iterator[str]:
    where = f"{stage.id} of {name}"
    allowed = {state}
    if free:
        allowed |= {"skipped", "cancelled"} if status == "cancelled" else {"skipped"}
    if stage.state not in allowed:
        yield f"wrong end: {where} is {stage.state}, not {' or '.join(sorted(allowed))}"
    if stage.state == "cancelled" and status != "cancelled":
        yield f"wrong end: {where} is cancelled in a run that is {status}"
    call = end.calls[stage.id]
    if stage.state == "done" and call.policy.hold is None:
        left = stage.outputs.get("echo")
        if left is None or left.digest != end.outputs.get(stage.id):
            yield f"outputs: {where} left {left}, not {end.outputs.get(stage.id)}"
    by = stage.measured.get("by") if stage.state == "done" and not stage.cached else _blamed(stage)
    if by not in (None, stage.worker):
        yield f"fence: {where} was ended by {by}, though {stage.worker} had taken it"
    ran = stage.state == "done" and call.policy.hold is None and not stage.cached
    if ran and by is None:
        yield f"measured: nothing is known of how {where} ran"
    if stage.state == "failed":
        yield from _failure(where, stage, call.params.get("act"), call.policy.attempts, storm.settings.max_deaths)
    if stage.attempt > 400:
        yield f"attempts: {where} was claimed {stage.attempt} times"
    if stage.decision is not None and stage.started is None:
        yield f"times: {where} was never held"
    refused = any(end.calls[one].params.get("act") == "refuse" for one in call.upstream() if one in end.calls)
    if call.policy.hold is not None and refused and stage.started is not None:
        yield f"held: {where}, though its model was refused"
    if stage.finished is None and not stage.cached:
        yield f"times: {where} never finished"


def _bytes(storm: Storm, name: str, record: RunRecord, end: Expected) -> Iterator[str]:
    """What was recorded is in the store; a result that was known before only where a stage of this run takes it."""
    ran = [end.calls[one.id] for one in record.stages if not _known_before(one) and one.id in end.calls]
    taken = {one for call in ran for one in data_needs(call)}
    for stage in record.stages:
        left = stage.outputs.values() if stage.id in taken or not _known_before(stage) else ()
        for ref in (*left, *stage.sources.values()):
            if not storm.store._size(ref.digest):
                yield f"bytes: {stage.id} of {name} refers to {ref.digest}, which was deleted"


def _blamed(stage: StageRecord) -> str | None:
    """Who says in a failure that it was the one."""
    found = re.search(r"(?:by|says) (host\d:\d+)$", stage.error.message) if stage.error else None
    return found.group(1) if found and stage.state == "failed" else None


def _failure(where: str, stage: StageRecord, act: Any, attempts: int, most: int) -> Iterator[str]:
    family = stage.error.family if stage.error else None
    wanted = {"fail": "data", "exhaust": "transient", "kill": "poison", "hang": "timeout"}.get(act, "user")
    if family != wanted:
        yield f"failure: {where} failed of {family} ({stage.error}), not of {wanted}"
    if family in ("data", "transient") and stage.seconds is None:
        yield f"failure: nobody knows how long {where} took"
    if act == "kill" and stage.deaths != most:
        yield f"failure: {where} is poison after {stage.deaths} deaths"
    if act == "exhaust" and stage.attempt < attempts:
        yield f"failure: {where} was tried {stage.attempt} times only"
    if stage.deaths >= most and act != "kill":
        yield f"failure: {where} is poison, which it should not be"


def _counters(storm: Storm, run: str) -> Iterator[str]:
    """What the run counts is what its stages are; nothing stands in its lists any more."""
    base = storm.keys.run(run)
    fields = cast("dict[str, str]", storm.admin.hgetall(base))
    texts = cast("dict[str, str]", storm.admin.hgetall(f"{base}:stages"))
    records = {one: json.loads(text) for one, text in texts.items()}
    done = sum(1 for one in records.values() if one["state"] == "done")
    expected = {"left": 0, "flight": 0, "busy": 0, "held": 0, "done": done, "total": len(records)}
    for name, value in expected.items():
        if int(fields.get(name, 0)) != value:
            yield f"counters: {run} has {name} = {fields.get(name)}, not {value}"
    if fields.get("working"):
        yield f"counters: {run} is still working"
    for one, record in records.items():
        if record["state"] not in TERMINAL:
            yield f"counters: {one} of {run} is {record['state']}"
        if record.get("flying"):
            yield f"counters: {one} of {run} still flies"
        if record.get("progress") is not None and record["state"] == "done":
            yield f"counters: {one} of {run} is done and makes progress"
    for part in ("open", "roots", "work", "parked"):
        if storm.admin.exists(f"{base}:{part}"):
            yield f"leftover: {part} of {run}: {storm.admin.type(f'{base}:{part}')}"
    extra = cast("set[str]", storm.admin.smembers(f"{base}:extra"))
    yield from (f"leftover: {run} lists {name}, which is not there" for name in extra if not storm.admin.exists(name))
    if set(storm.admin.hkeys(f"{base}:calls")) != set(records):
        yield f"counters: {run} has other calls than stages"


def _told(storm: Storm, book: Book, record: RunRecord) -> Iterator[str]:
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
        if record.generation == 1 and by_stage[stage.id] != (0 if _known_before(stage) else 1):
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


def _known_before(stage: StageRecord) -> bool:
    """Whether it was done when the run was submitted."""
    return stage.cached and stage.attempt == 0


def _index(storm: Storm) -> Iterator[str]:
    """Nothing is left over between runs."""
    for name in cast(
        "list[str]",
        list(storm.admin.scan_iter(storm.keys.prefix.replace("{", "\\{").replace("}", "\\}") + "*", count=1000)),
    ):
        part = name.removeprefix(storm.keys.prefix)
        if part in LASTING or part.startswith(("run:", "model:", "looks:", "pool")) or part in ("runs", "expiring"):
            continue
        if part in ("condemned", "deleted"):
            continue
        left = cast("int", storm.admin.pttl(name))
        if (part.startswith("staging:") or part == "collecting") and left > 0:
            continue
        if part.startswith("cache:"):
            continue
        yield f"leftover: {part} ({storm.admin.type(name)}, expires in {left} ms)"


def _promises(storm: Storm) -> Iterator[str]:
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


def _looks(storm: Storm) -> list[Look]:
    return sorted(Looks(storm.admin, storm.settings).list(ROWS), key=lambda one: one.judgements)


def _account(storm: Storm, history: History) -> Iterator[str]:
    """Each run's judgement of the test rows is entered once, in the knowledge of all before it."""
    looks = _looks(storm)
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


def _audit(storm: Storm, history: History) -> Iterator[str]:
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


def _forgetting(storm: Storm, ledger: Ledger, history: History) -> Iterator[str]:
    """When their time has come, runs are gone with all that belongs to them."""
    missing = set(history.run_ids()) - set(cast("list[str]", storm.admin.zrange(storm.keys("expiring"), 0, -1)))
    yield from (f"leftover: {run} never expires" for run in sorted(missing)[:3])
    if ledger.expire():
        yield "forgotten: runs expired before their time"
    yield from _succeeded(storm, ledger, history)
    storm.clock.leap(FORGOTTEN_S * 1000)
    while ledger.expire():
        pass
    Reconciler(ledger).tick()
    effects, registered = 0, len(Registry(storm.admin, storm.settings).list()) + len(_looks(storm))
    for name in cast(
        "list[str]",
        list(storm.admin.scan_iter(storm.keys.prefix.replace("{", "\\{").replace("}", "\\}") + "*", count=1000)),
    ):
        part = name.removeprefix(storm.keys.prefix)
        lasting = part in LASTING - {"workflows"} or part.startswith(("model:", "looks:", "condemned", "deleted"))
        if part.startswith("cache:") and storm.admin.pttl(name) == -1:
            effects += 1
            continue
        if not lasting:
            yield f"leftover: {part} ({storm.admin.type(name)}) after everything expired"
    collector = Collector(ledger, storm.plain, young_s=-1.0, grace_s=0.0)
    collected = sum(collector.collect() for _ in range(3))
    if storm.admin.exists(storm.keys("collecting")):
        yield "leftover: a collector did not come to its end"
    garbage = {one for one, _, _ in storm.plain.digests()} - collector.live()
    if garbage:
        yield f"leftover: {len(garbage)} artifacts that nothing refers to"
    if doomed := storm.admin.zrange(storm.keys("condemned"), 0, -1):
        yield f"leftover: {len(doomed)} condemned, after all that is garbage was deleted"
    if collected and storm.admin.zcount(storm.keys("deleted"), "-inf", storm.clock.now_ms() - REMEMBERED_MS):
        yield "leftover: deletions are remembered for ever"
    if effects > registered:
        yield f"leftover: {effects} cached results that never expire, of {registered} effects"


def _succeeded(storm: Storm, ledger: Ledger, history: History) -> Iterator[str]:
    """The latest run of a workflow is found by its name, also when an earlier one is forgotten."""
    by_name: dict[str, list[str]] = {}
    for run in history.run_ids():  # the latest first
        by_name.setdefault(str(storm.admin.hget(storm.keys.run(run), "workflow")), []).append(run)
    for name, runs in by_name.items():
        if len(runs) > 1:
            found = storm.admin.hget(storm.keys("workflows"), name)
            storm.admin.zadd(storm.keys("expiring"), dict.fromkeys(set(runs) - {str(found)}, 0))
            ledger.expire()
            if found not in runs or storm.admin.hget(storm.keys("workflows"), name) != found:
                yield f"forgotten: {name} leads to {found}, which is not forgotten"


__all__ = ["FAILING", "check"]

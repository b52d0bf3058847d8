"""What holds between any two steps, whoever died: the ledger's lists, counters and records tell the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from orchestrator.store.manifests import MANIFESTS, last_checkpoints, record_name

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm

TERMINAL = {"done", "failed", "rejected", "skipped", "cancelled"}
OPEN = {"running", "held"}


def torn(storm: Storm) -> list[str]:
    """Whatever contradicts something else."""
    admin, keys = storm.admin, storm.keys
    with admin.pipeline(transaction=False) as pipe:
        for name in ("active", "work"):
            pipe.smembers(keys(name))
        for name in ("runs", "ended", "expiring", "leases", "timers", "bells:ops", "bells:train", "holds"):
            pipe.zrange(keys(name), 0, -1)
        pipe.get(keys("window"))
        active, working, runs, ended, expiring, leases, timers, ops, train, holds, window = pipe.execute()
    marks = {"lease": set(leases), "timer": set(timers), "bell": {*ops, *train}}
    with admin.pipeline(transaction=False) as pipe:
        for run in runs:
            base = keys.run(run)
            pipe.hgetall(base)
            if run in active:
                pipe.hgetall(f"{base}:stages")
                pipe.smembers(f"{base}:open")
                pipe.lrange(f"{base}:parked", 0, -1)
                pipe.smembers(f"{base}:extra")
        rows = iter(pipe.execute())
    found: list[str] = []
    alike: dict[str, list[tuple[int, str, int]]] = {}
    for run in runs:
        fields = next(rows)
        alike.setdefault(fields.get("identity", ""), []).append(
            (int(fields["created"]), run, int(fields["generation"]))
        )
        if run in active:
            parts = (next(rows), next(rows), next(rows), next(rows))
            found += _run(storm, run, fields, parts, marks, int(window or 32))
            found += [] if run in holds else _unkept(storm, run, fields)
            if ("working" in fields) != (run in working):
                found.append(f"torn: {run} is working: {fields.get('working')}, and listed so: {run in working}")
        elif fields.get("status") in OPEN or (run in ended) == (run in expiring):
            found.append(f"torn: {run} is {fields.get('status')}, ended {run in ended}, expiring {run in expiring}")
        elif run in expiring and run not in storm.archived:
            storm.archived.add(run)
            if storm.plain.get_record(record_name(MANIFESTS, run, int(fields["generation"]))) is None:
                found.append(f"torn: {run} may expire, and its manifest is not in the store")
    for identity, group in alike.items():
        last = max(group)[1]
        known = admin.get(keys("identity", identity)) if len(group) > 1 else last
        if known != last and last in active and all(generation == 1 for _, _, generation in group):
            found.append(f"torn: {last} is not found by what it does, but {known}")
    found += [f"torn: {kind} {left} belongs to nothing" for kind, rest in marks.items() for left in rest]
    return found[:5]


def _unkept(storm: Storm, run: str, fields: dict[str, str]) -> list[str]:
    """A held run of which neither the store has a checkpoint, nor will anybody write one."""
    if fields["status"] != "held" or (run, int(fields["generation"])) in last_checkpoints(storm.plain):
        return []
    return [f"torn: {run} is held, and nobody is to keep how far it came"]


def _run(
    storm: Storm,
    run: str,
    fields: dict[str, str],
    parts: tuple[dict[str, str], set[str], list[str], set[str]],
    marks: dict[str, set[str]],
    window: int,
) -> Iterator[str]:
    """One open run; takes away the marks that it accounts for."""
    records = {one: cast("dict[str, Any]", json.loads(text)) for one, text in parts[0].items()}
    states = [one["state"] for one in records.values()]
    waiting = {one for one, record in records.items() if record["state"] not in TERMINAL}
    lasting = [f"{storm.keys.run(run)}:{part}" for part in ("calls", "stages", "next", "outputs", "open", "roots")]
    for name in (*lasting, *parts[3]):
        if cast("int", storm.admin.pttl(name)) >= 0:
            yield f"torn: {name} expires while its run is open"
    growing = sum(cast("int", storm.admin.zcard(name)) for name in parts[3] if name.endswith(":ids"))
    flight = sum(one.get("flying", 0) for one in records.values())
    counted = {
        "busy": states.count("ready") + states.count("running"), "held": states.count("held"), "flight": flight,
        "left": len(waiting) + growing, "done": states.count("done"), "total": len(records),
    }  # fmt: skip
    for name, value in counted.items():
        if int(fields.get(name, 0)) != value:
            yield f"torn: {run} counts {name} = {fields.get(name)}, it is {value}"
    room = min(window, int(fields.get("max_parallel", window)))
    if flight > room * 1000:
        yield f"torn: {run} has {flight} in flight, where {room} may be"
    if fields["status"] not in OPEN or parts[1] != waiting:
        yield f"torn: {run} is {fields['status']} with {sorted(parts[1] ^ waiting)[:3]}"
    if "working" not in fields:
        if (fields["status"] == "held") != (counted["busy"] == 0 and counted["held"] > 0):
            yield f"torn: {run} is {fields['status']}: {counted}"
        if fields.get("stopping") and waiting and set(states) - TERMINAL != {"running"}:
            yield f"torn: {run} is being stopped: {sorted(set(states))}"
    for stage, record in records.items():
        yield from _stage(f"{run}/{stage}", record, parts[2].count(stage), marks, fields)


def _stage(
    where: str, record: dict[str, Any], parked: int, marks: dict[str, set[str]], fields: dict[str, str]
) -> Iterator[str]:
    state, flying, working = record["state"], bool(record.get("flying")), "working" in fields
    wanted = {
        "lease": state == "running",
        "bell": state == "ready" and flying,
        "deadline": state == "held" and "deadline" in record,
    }
    for kind, due in wanted.items():
        member = f"deadline/{where}" if kind == "deadline" else where
        has = marks["timer" if kind == "deadline" else kind]
        if (member in has) != due:
            yield f"torn: {where} is {state}, flying {flying}, with a {kind}: {member in has}"
        has.discard(member)
    backs_off = f"retry/{where}" in marks["timer"]
    marks["timer"].discard(f"retry/{where}")
    if state == "ready" and (parked + backs_off + flying) != 1 and not (working and "stopping" in fields):
        yield f"torn: {where} is ready, parked {parked}, flying {flying}, backing off {backs_off}"
    if state in ("ready", "held", "running") and record["pending"]:
        yield f"torn: {where} is {state}, and waits for {record['pending']}"
    if state in TERMINAL and (flying or backs_off) and not working:
        yield f"torn: {where} is {state}, flying {flying}, backing off {backs_off}"

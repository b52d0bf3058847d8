"""Nothing is left over between runs, and nothing at all when their time has come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from orchestrator.engine.garbage import REMEMBERED_MS, Collector
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.reconciler import Reconciler
from orchestrator.store.models import Registry
from tests.faults.ledger.checker.records import looks_of

if TYPE_CHECKING:
    from tests.faults.ledger.storm import Storm

FORGOTTEN_S = 90 * 86400
LASTING = {"epoch", "fences", "stamp", "ticked", "heard", "queues", "window", "slots", "models", "workflows", "format",
           "audit:drained", "environments", "settled", "bound", "known"}  # fmt: skip


def left_over(storm: Storm) -> Iterator[str]:
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


def forgotten(storm: Storm, ledger: Ledger, history: History) -> Iterator[str]:
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
    effects, registered = 0, len(Registry(storm.admin, storm.settings).list()) + len(looks_of(storm))
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

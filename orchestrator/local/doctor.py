"""The doctor: every setting with where it came from, and a real trip to Redis, the store, each queue and Flower."""

from __future__ import annotations

import secrets
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.errors import CycleryError, RecordConflict
from orchestrator.local.findings import Diagnosis, Finding
from orchestrator.local.origins import origins
from orchestrator.local.place import Place
from orchestrator.local.probe import probe_queues, worker_versions
from orchestrator.local.stack import find, status
from orchestrator.settings import Settings
from orchestrator.store.artifacts import open_store
from orchestrator.store.connection import connect
from orchestrator.store.continuity import oldest_waiting, standing
from orchestrator.store.keys import Keys
from orchestrator.store.refusals import refusal
from orchestrator.store.server import concerns, inspect_server

LATE_S = 60.0  # for a record that was accepted to reach the store
_RECORD = "doctor/probe"  # one small record that stays: records are never removed
PROBE_PATIENCE = 30.0  # seconds for a probe to come back: pools that just start import their libraries first


def doctor(settings: Settings, patience_s: float = PROBE_PATIENCE) -> Diagnosis:
    """Everything that `examine` finds, beside the settings."""
    return Diagnosis(origins(settings, find(settings)), tuple(examine(settings, patience_s)))


def examine(settings: Settings, patience_s: float = PROBE_PATIENCE) -> Iterator[Finding]:
    """Try everything that these settings name, each finding as it comes; starts nothing."""
    yield from _guarded("store", lambda: _store(settings))
    reached = find(settings)
    if reached is None:
        home = settings.home.absolute()
        detail = f"CYCLERY_REDIS_URL is not set and no stack runs in {home}: `cyclery up` starts one"
        yield Finding("redis", ok=False, detail=detail)
        return
    answers = True
    for finding in _guarded("redis", lambda: _redis(reached)):
        answers = answers and finding.ok
        yield finding
    if answers:
        yield from _guarded("records", lambda: _records(reached))
        yield from _guarded("queues", lambda: probe_queues(reached, patience_s))
        yield from _guarded("workers", lambda: worker_versions(reached))
    yield from _flower(settings)


def _guarded(check: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a look; what it could not reach is a finding, too."""
    import redis

    try:
        yield from look()
    except (CycleryError, OSError) as error:
        yield Finding(check, ok=False, detail=str(error))
    except redis.RedisError as error:
        yield Finding(check, ok=False, detail=str(refusal(error, "CYCLERY_REDIS_URL") or f"Redis answers: {error}"))


def _redis(settings: Settings) -> Iterator[Finding]:
    with connect(settings) as client:
        everything = client.connection_pool.connection_kwargs.get("username") is None  # not the user of a role
        facts = inspect_server(client, flushing=everything)
        trips = [_seconds(client.ping) for _ in range(20)]
        file = "on" if facts.append_only else "off"
        detail = f"{facts.product}, append-only file {file}, maxmemory-policy {facts.policy}"
        yield Finding("redis", ok=True, detail=detail, seconds=statistics.median(trips))
        for concern in concerns(facts):
            yield Finding("redis", ok=True, detail=concern, warning=True)


def _store(settings: Settings) -> Iterator[Finding]:
    """Write, read and delete an artifact; then try to change a record, which a store must refuse."""
    store = open_store(settings)
    began = time.perf_counter()
    data = secrets.token_bytes(64)
    ref = store.put_bytes(data, Kind.FILE)
    try:
        kept = store.read(ref) == data
    finally:
        store.delete(ref.digest)
    store.put_record(_RECORD, b"first")
    try:
        store.put_record(_RECORD, b"second")
        kept = False
    except RecordConflict:
        seconds = time.perf_counter() - began
    if not kept or store.has(ref.digest):
        detail = f"{store.where} does not keep or delete what it is told: it must support conditional writes"
        yield Finding("store", ok=False, detail=detail)
        return
    yield Finding("store", ok=True, detail=f"{store.where}: wrote, read, did not overwrite, deleted", seconds=seconds)


def _records(settings: Settings) -> Iterator[Finding]:
    """Whether Redis knows what the store knows, and whether the service keeps up with writing."""
    with connect(settings) as client:
        keys = Keys(settings.namespace)
        problem = standing(client, keys, open_store(settings)).problem
        if problem is not None:
            yield Finding("records", ok=False, detail=f"{problem}; until then no garbage is collected")
            return
        waiting, seconds = oldest_waiting(client, keys)
    late = seconds > LATE_S
    detail = "what was accepted is in the store" if not waiting else f"{waiting} wait to be written into the store"
    if late:
        detail += f", the oldest for {seconds:.0f} s: see that the orchestrator service runs and reaches the store"
    yield Finding("records", ok=True, detail=detail, warning=late)


def _flower(settings: Settings) -> Iterator[Finding]:
    """Of the embedded stack; elsewhere nobody says where Flower is. Runs do not need it: a warning at most."""
    state = None if settings.redis_url is not None else status(settings)
    if state is None or state.flower_url is None:
        return
    page = f"{state.flower_url}/healthcheck"
    try:
        seconds = _seconds(lambda: urllib.request.urlopen(page, timeout=5).close())  # noqa: S310  (our own URL)
        yield Finding("flower", ok=True, detail=state.flower_url, seconds=seconds)
    except (urllib.error.URLError, OSError) as error:
        log = Place.of(settings.home).log("flower")
        detail = f"{state.flower_url} does not answer ({error}): see {log}"
        yield Finding("flower", ok=True, detail=detail, warning=True)


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began

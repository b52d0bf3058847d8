"""The doctor: every setting with where it came from, and a real trip to Redis, the store, each queue and Flower."""

from __future__ import annotations

import secrets
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

from orchestrator.contracts.errors import CycleryError
from orchestrator.local.findings import Diagnosis, Finding
from orchestrator.local.origins import origins
from orchestrator.local.place import Place
from orchestrator.local.probe import probe_queues
from orchestrator.local.stack import find, status
from orchestrator.settings import Settings
from orchestrator.store.connection import connect
from orchestrator.store.objects import TEMPORARY, Objects
from orchestrator.store.server import concerns, inspect_server

PROBE_PATIENCE = 20.0  # seconds for a probe to come back: new pools need a while to import their libraries


def doctor(settings: Settings, patience_s: float = PROBE_PATIENCE) -> Diagnosis:
    """Try everything that these settings name; starts nothing."""
    reaching = find(settings)
    findings = [*_guarded("store", lambda: _store(settings))]
    if reaching is None:
        advice = (
            f"CYCLERY_REDIS_URL is not set and no stack runs in {settings.home.absolute()}: `cyclery up` starts one"
        )
        findings.append(Finding(name="redis", level="failed", detail=advice))
    else:
        answered = list(_guarded("redis", lambda: _redis(reaching)))
        findings += answered
        if all(finding.level != "failed" for finding in answered):
            findings += _guarded("queues", lambda: probe_queues(reaching, patience_s))
        findings += _flower(settings)
    return Diagnosis(settings=origins(settings), findings=tuple(findings))


def _guarded(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a look; what it could not reach is a finding, too."""
    try:
        yield from look()
    except (CycleryError, OSError) as error:
        yield Finding(name=name, level="failed", detail=str(error))


def _redis(settings: Settings) -> Iterator[Finding]:
    with connect(settings) as client:
        facts = inspect_server(client)
        trips = [_ms(client.ping) for _ in range(20)]
        file = "on" if facts.append_only else "off"
        said = (
            f"{facts.product}, append-only file {file}, {facts.policy}, {'replica' if facts.read_only else 'primary'}"
        )
        yield Finding(name="redis", level="ok", detail=said, ms=statistics.median(trips))
        for concern in concerns(facts):
            yield Finding(name="redis", level="warning", detail=concern)


def _store(settings: Settings) -> Iterator[Finding]:
    """Write, refuse to overwrite, read and delete one small object."""
    objects = Objects(settings.store_url)
    path, data = f"{TEMPORARY}/doctor-{secrets.token_hex(8)}", secrets.token_bytes(64)
    began = time.perf_counter()
    objects.create(path, data)
    try:
        kept = not objects.create(path, b"other") and objects.read(path) == data
    finally:
        objects.delete(path)
    spent = 1000 * (time.perf_counter() - began)
    if not kept:
        yield Finding(
            name="store",
            level="failed",
            detail=f"{objects.where} overwrites what is there: use a store that supports conditional writes",
        )
    elif objects.read(path) is not None:
        yield Finding(
            name="store", level="failed", detail=f"{objects.where} does not delete: allow this user to delete"
        )
    else:
        detail = f"{objects.where}: wrote, read, refused to overwrite, deleted"
        yield Finding(name="store", level="ok", detail=detail, ms=spent)


def _flower(settings: Settings) -> Iterator[Finding]:
    """Of the embedded stack; elsewhere nobody says where Flower is."""
    state = None if settings.redis_url is not None else status(settings)
    if state is None or state.flower_url is None:
        return
    url = f"{state.flower_url}/healthcheck"
    try:
        spent = _ms(lambda: urllib.request.urlopen(url, timeout=5).close())  # noqa: S310  (our own loopback URL)
        yield Finding(name="flower", level="ok", detail=state.flower_url, ms=spent)
    except (urllib.error.URLError, OSError) as error:
        log = Place.of(settings.home).log("flower")
        yield Finding(name="flower", level="warning", detail=f"{state.flower_url} does not answer ({error}): see {log}")


def _ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - began)

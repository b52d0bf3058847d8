"""Records read back: from Redis, from the store, and from the files of the home."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import Any

from orchestrator.client.datasets import choose, datasets
from orchestrator.client.origins import Origins
from orchestrator.client.resolving import resolve_run
from orchestrator.client.run import Run
from orchestrator.client.session import Session
from orchestrator.client.sources import Sources
from orchestrator.contracts.calls import ArtifactRef, Kind, Output, Plan, StageCall
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import ModelVersion, RunRecord
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import CacheRecord, Completion, Expansion, Pool
from orchestrator.engine.submission import Submission
from orchestrator.local.place import Place
from orchestrator.local.state import read_state
from orchestrator.store.artifacts import ArtifactStore, open_store
from orchestrator.store.audit import entries
from orchestrator.store.manifests import read_manifest
from orchestrator.store.models import Registry
from tests.fuzz import place
from tests.fuzz.contract import Broken, target
from tests.fuzz.mutation import changing, text_of

REF = ArtifactRef(kind=Kind.JSON, digest="sha256:" + "1" * 64, size=1)
CALL = StageCall(id="a", task="ops.probe", queue="ops", version=1, key="sha256:" + "2" * 64)
NEXT = StageCall(id="b", task="ops.probe", queue="ops", version=1, inputs={"before": Output(stage="a", output="echo")})
CACHED = CacheRecord({"echo": REF}, 1.5, {"memory_mb": 3}, REF, "no", Expansion((NEXT,), ("b",)))
POOL = Pool("train@sound", "train", "sound", 2, "sha256:e", "0", 1)
ABOUT = {
    "run": "kept-000000", "workflow": "kept", "status": "succeeded", "created": 1.0, "plan_digest": "d",
    "plan_version": 1, "stages": [{"id": "a", "task": "ops.probe", "queue": "ops", "state": "done"}],
}  # fmt: skip
PARTS = ("", "calls", "stages", "outputs")  # of the keys of a run


@cache
def ledger() -> Ledger:
    """The ledger of this process's Redis."""
    return Ledger(place.client(), place.settings())


@cache
def history() -> History:
    """Its readers."""
    return History(place.client(), place.settings().namespace)


@cache
def store() -> ArtifactStore:
    """The store beside it."""
    return open_store(place.settings())


@cache
def session() -> Session:
    """A client's connection to both."""
    return Session(place.settings())


@changing(lambda: json.loads(CACHED.encode()))
def cache_record(value: Any) -> None:
    """A cached result: a hit, or a miss; a damaged one must not stop who looks for it."""
    place.client().set(ledger().keys("cache", "sha256:k"), text_of(value))
    try:
        found = ledger().cached("sha256:k")
    except InvalidInput as error:
        raise Broken(f"a damaged record is a miss, not {error!r}") from error
    if found is not None and CacheRecord.decode(found.encode()) != found:
        raise Broken("a hit that does not survive its own writing")


@cache
def run_in_redis() -> dict[str, dict[str, Any]]:
    """The hashes of a run with a finished stage and one that waits, their JSON decoded."""
    accepted = ledger().submit(Submission(Plan(workflow="fuzzed", stages=(CALL, NEXT)), run=None))
    claim = ledger().claim(accepted.run, "a", worker="ops@here", host="here", pid=1)
    assert claim is not None
    ledger().complete(claim.lease, Completion({"echo": REF}, 0.5, {"memory_mb": 1.0}, REF))
    keys = ledger().keys
    names = {part: keys.run(accepted.run, *([part] if part else [])) for part in PARTS}
    found = {part: dict(place.client().hgetall(name)) for part, name in names.items()}
    for part, name in names.items():
        place.client().copy(name, keys.run("fuzzed-000000", *([part] if part else [])))
    return {part: {name: _decoded(text) for name, text in fields.items()} for part, fields in found.items()}


@changing(run_in_redis)
def run_record(value: Any) -> None:
    """A run's hashes, read as a record, as a document and as a line of the list."""
    keys = ledger().keys
    for part in PARTS:
        name = keys.run("fuzzed-000000", *([part] if part else []))
        held = value.get(part) if isinstance(value, dict) else None
        place.client().delete(name)
        if isinstance(held, dict) and held:
            place.client().hset(name, mapping={text_of(key): text_of(text) for key, text in held.items()})
    place.client().zadd(keys("runs"), {"fuzzed-000000": 9e15})
    history().runs(5)
    Run(session(), "fuzzed-000000").document()


@changing(lambda: {"kind": "stage", "stage": "a", "state": "done"})
def event(value: Any) -> None:
    """An entry of a run's event stream."""
    stream = ledger().keys.run("fuzzed-000000", "events")
    if isinstance(value, dict) and value:
        place.client().delete(stream)
        place.client().xadd(stream, {text_of(key): text_of(text) for key, text in value.items()})
        history().events("fuzzed-000000", "0-0")


@changing(lambda: asdict(POOL))
def pool(value: Any) -> None:
    """A pool's registration beside a sound one, which nobody may lose sight of."""
    history().register(POOL)
    place.client().set(history().keys("pool", "x@fuzzed"), text_of(value))
    place.client().sadd(history().keys("pools"), "x@fuzzed")
    try:
        if "train@sound" not in [found.node for found in history().pools()]:
            raise Broken("a sound pool is not listed")
        history().count_slots()
    finally:
        place.client().srem(history().keys("pools"), "x@fuzzed")


def registered() -> dict[str, Any]:
    """A version as the registry keeps it."""
    draft = ModelVersion(
        model="fuzzed", version=1, stage="candidate", run="r", created=1.0, digest=REF.digest, candidate="ridge",
        **dict.fromkeys(("bundle", "rows", "signature", "evaluation", "ranking"), REF),
    )  # fmt: skip
    return {"number": "1", "stage": "candidate", "record": draft.model_dump(mode="json", exclude={"version", "stage"})}


@changing(registered)
def model_version(value: Any) -> None:
    """A model's version in the registry."""
    keys, client = ledger().keys, place.client()
    client.sadd(keys("models"), "fuzzed")
    client.delete(keys("model", "fuzzed", "versions"), keys("model", "fuzzed", "stages"))
    if not isinstance(value, dict) or "record" not in value:
        return
    number = text_of(value.get("number", "1"))
    client.hset(keys("model", "fuzzed", "versions"), number, text_of(value["record"]))
    if "stage" in value:
        client.hset(keys("model", "fuzzed", "stages"), number, text_of(value["stage"]))
    registry = Registry(client, place.settings())
    registry.get("fuzzed@1")
    registry.list()


@changing(lambda: RunRecord.model_validate(ABOUT).model_dump(mode="json"))
def manifest(value: Any) -> None:
    """A run's manifest."""
    _in_store("manifests/kept-000000.json", text_of(value).encode())
    read_manifest(store(), "kept-000000")
    resolve_run(session(), "kept")


@changing(lambda: {"event": "promoted", "model": "m", "by": "me", "at": 1.0})
def audit_record(value: Any) -> None:
    """A decision in the store."""
    _in_store("audit/000000000001.json", text_of(value).encode())
    list(entries(store()))


@target
def home(data: bytes) -> None:
    """The files of the home: a damaged one is as good as none."""
    folder = place.folder() / "damaged"
    there = Place.of(folder)
    source = folder / "source"
    for path in (folder / "digests.json", folder / "runs" / "r.json", there.state):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.replace(b"SOURCE", str(source).encode()))
    source.write_bytes(b"1")
    Sources(folder).digest(source)
    Origins(folder).of("r")
    read_state(there)


@target
def reference(data: bytes) -> None:
    """What a person types for a run, a model or data."""
    text = data.decode("utf-8", "surrogateescape")
    _told(lambda: resolve_run(session(), text))
    _told(lambda: session().registry.get(text))
    choose(session(), datasets(session()), text)


def _told(ask: Any) -> None:
    try:
        ask()
    except InvalidInput as error:
        from tests.fuzz.contract import check_told

        check_told(error, 10_000)


def _in_store(name: str, data: bytes) -> None:
    path = place.folder() / "store" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text

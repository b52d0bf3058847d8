"""The model registry on a real Redis: numbers, stages, rollback, and the audit log behind them."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.errors import InvalidInput, NotPermitted
from orchestrator.contracts.records import ModelVersion
from orchestrator.contracts.values import digest_of
from orchestrator.settings import Settings
from orchestrator.store import audit
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.continuity import standing
from orchestrator.store.keys import Keys
from orchestrator.store.models import Registry

REF = ArtifactRef(kind=Kind.FILE, digest=digest_of("x"), size=1)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 2**30)


def draft(model: str = "churn", run: str = "churn-1", stage: str = "candidate", **more: object) -> ModelVersion:
    given = dict.fromkeys(("bundle", "rows", "signature", "evaluation", "ranking"), REF)
    return ModelVersion.model_validate(
        {"model": model, "version": 0, "stage": stage, "run": run, "created": 1.5, "digest": REF.digest,
         "candidate": "ridge", "params": {"layers": [], "alpha": 1e-4}, **given, **more}
    )  # fmt: skip


def stages(registry: Registry, model: str = "churn") -> list[str]:
    return [version.stage for version in registry.list(model)]


def outbox(redis: redis_py.Redis, settings: Settings) -> list[dict[str, object]]:
    return [json.loads(entry) for entry in redis.lrange(f"{{{settings.namespace}}}:audit:outbox", 0, -1)]


def test_versions_are_numbered_by_model_and_keep_every_field(registry: Registry) -> None:
    first = registry.register(draft(), "k1")
    assert first == draft().model_copy(update={"version": 1})
    assert registry.register(draft(), "k2").name == "churn@2"
    assert registry.register(draft("wine"), "k1").name == "wine@1"
    assert [version.name for version in registry.list()] == ["churn@1", "churn@2", "wine@1"]
    assert registry.get("churn@1") == first


def test_numbers_go_on_after_nine(registry: Registry) -> None:
    for number in range(12):
        registry.register(draft(), f"k{number}")
    assert [version.version for version in registry.list("churn")] == list(range(1, 13))
    assert registry.get("churn").version == 12


def test_the_same_key_registers_once(registry: Registry, redis: redis_py.Redis, settings: Settings) -> None:
    registry.register(draft(), "k")
    registry.promote("churn@1", by="ada")
    again = registry.register(draft(), "k")
    assert (again.version, again.stage) == (1, "production")
    assert len(registry.list()) == 1
    assert [entry["event"] for entry in outbox(redis, settings)] == ["registered", "promoted"]


def test_concurrent_registrations_of_one_key_agree(registry: Registry) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(registry.register(draft(), f"k{n % 2}").version))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [1, 1, 1, 1, 2, 2, 2, 2]


def test_promoting_archives_what_was_live_and_rollback_brings_it_back(registry: Registry) -> None:
    for key in "abc":
        registry.register(draft(), key)
    registry.promote("churn@1", by="ada")
    registry.promote("churn@3", by="ada")
    assert stages(registry) == ["archived", "candidate", "production"]
    assert registry.get("churn@production").version == 3
    assert registry.history("churn") == (1,)
    back = registry.rollback("churn", by="bob", note="worse on Mondays")
    assert (back.version, back.stage) == (1, "production")
    assert stages(registry) == ["production", "candidate", "archived"]
    with pytest.raises(InvalidInput, match="no earlier version"):
        registry.rollback("churn", by="bob")


def test_a_rollback_whose_answer_was_lost_is_not_done_twice(registry: Registry) -> None:
    for key in "abc":
        registry.promote(registry.register(draft(), key).name, by="ada")
    sent = ("rollback", "churn", "nonce", '{"event":"rolled back"}')
    assert [registry._step(*sent), registry._step(*sent)] == ["2", "2"]
    assert stages(registry) == ["archived", "production", "archived"]


def test_rollbacks_go_further_back_each_time(registry: Registry) -> None:
    for key in "abc":
        registry.promote(registry.register(draft(), key).name, by="ada")
    assert [registry.rollback("churn", by="ada").version for _ in range(2)] == [2, 1]
    assert stages(registry) == ["production", "archived", "archived"]


def test_promoting_what_is_live_changes_nothing(registry: Registry, redis: redis_py.Redis, settings: Settings) -> None:
    registry.register(draft(), "a")
    registry.promote("churn@1", by="ada")
    registry.promote("churn@production", by="ada")
    assert registry.history("churn") == ()
    assert len(outbox(redis, settings)) == 2


def test_a_refused_version_is_never_promoted(registry: Registry, redis: redis_py.Redis, settings: Settings) -> None:
    registry.register(draft(stage="refused", reasons=["roc_auc 0.7 < 0.8"]), "a")
    with pytest.raises(NotPermitted, match=r"churn@1 was refused"):
        registry.promote("churn@1", by="ada")
    assert stages(registry) == ["refused"]
    assert len(outbox(redis, settings)) == 1


def test_the_live_version_is_not_taken_away_without_another(registry: Registry) -> None:
    registry.register(draft(), "a")
    registry.promote("churn@1", by="ada")
    with pytest.raises(NotPermitted, match="in production"):
        registry.promote("churn@1", to="archived", by="ada")
    assert stages(registry) == ["production"]


def test_staging_and_archive_leave_production_alone(registry: Registry) -> None:
    for key in "abc":
        registry.register(draft(), key)
    registry.promote("churn@1", by="ada")
    registry.promote("churn@2", to="staging", by="ada")
    registry.promote("churn@3", to="archived", by="ada")
    assert stages(registry) == ["production", "staging", "archived"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("chrun", "did you mean 'churn'"),
        ("chrun@1", "did you mean 'churn'"),
        ("nothing-like-it", "see `cyclery models`"),
        ("churn@7", "has no version 7: it has 1 to 1"),
        ("churn@production", "nothing in 'production'"),
        ("churn@latest", "nothing in 'latest'"),
    ],
)
def test_unknown_references_say_what_there_is(registry: Registry, reference: str, message: str) -> None:
    registry.register(draft(), "a")
    with pytest.raises(InvalidInput, match=message):
        registry.get(reference)


def test_rolling_back_an_unknown_model_is_an_input_error(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="no model is called"):
        registry.rollback("churn", by="ada")


@pytest.mark.parametrize("bad", [{"model": "a@b"}, {"model": "a:b"}, {"model": ""}, {"stage": "production"}])
def test_drafts_that_cannot_be_registered_are_refused(registry: Registry, bad: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        registry.register(draft(**bad), "k")
    assert registry.list() == ()


def test_namespaces_do_not_meet(redis: redis_py.Redis, settings: Settings) -> None:
    Registry(redis, settings).register(draft(), "a")
    assert Registry(redis, settings.model_copy(update={"namespace": "other"})).list() == ()


def test_every_decision_reaches_the_audit_log_once(
    registry: Registry, redis: redis_py.Redis, settings: Settings, store: ArtifactStore
) -> None:
    registry.register(draft(), "a")
    registry.promote("churn@1", by="ada", note="looks good")
    assert audit.drain(redis, settings, store) == 2
    registry.register(draft(), "b")
    registry.promote("churn@2", by="ada")
    registry.rollback("churn", by="bob")
    assert audit.drain(redis, settings, store) == 3
    assert audit.drain(redis, settings, store) == 0
    found = list(audit.entries(store))
    assert [(entry["number"], entry["event"], entry["version"]) for entry in found] == [
        (1, "registered", 1), (2, "promoted", 1), (3, "registered", 2), (4, "promoted", 2), (5, "rolled back", 1),
    ]  # fmt: skip
    assert found[1] | {"at": 0} == {
        "at": 0, "number": 2, "event": "promoted", "model": "churn", "version": 1, "to": "production", "by": "ada",
        "identity": "unverified", "note": "looks good", "live_before": None,
    }  # fmt: skip
    assert found[4]["live_before"] == 2
    assert ModelVersion.model_validate({**found[0]["record"], "version": 1, "stage": "candidate"}) == registry.list()[
        0
    ].model_copy(update={"stage": "candidate"})


def test_a_drain_cut_off_before_its_trim_is_repeated_without_harm(
    registry: Registry, redis: redis_py.Redis, settings: Settings, store: ArtifactStore
) -> None:
    registry.register(draft(), "a")
    waiting = outbox_texts(redis, settings)
    store.put_record("audit/000000000001.json", waiting[0].encode())
    registry.register(draft(), "b")
    assert audit.drain(redis, settings, store) == 2
    assert [entry["number"] for entry in audit.entries(store)] == [1, 2]


def test_strange_records_beside_the_audit_log_harm_nothing(
    registry: Registry, redis: redis_py.Redis, settings: Settings, store: ArtifactStore
) -> None:
    store.put_record("audit/notes.json", b"{}")
    store.put_record("audit/000000000001.json.orig", b"{}")
    registry.register(draft(), "a")
    assert audit.drain(redis, settings, store) == 1
    assert [entry["number"] for entry in audit.entries(store)] == [audit.last_number(store)] == [1]
    assert standing(redis, Keys(settings.namespace), store).problem is None


def test_concurrent_drains_lose_and_double_nothing(
    registry: Registry, redis: redis_py.Redis, settings: Settings, store: ArtifactStore
) -> None:
    redis.rpush(f"{{{settings.namespace}}}:audit:outbox", *[json.dumps({"event": n}) for n in range(450)])
    moved: list[int] = []
    threads = [threading.Thread(target=lambda: moved.append(audit.drain(redis, settings, store))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry["event"] for entry in audit.entries(store)] == list(range(450))
    assert sum(moved) == 450


def test_a_redis_that_lost_its_count_goes_on_after_the_last_entry(
    registry: Registry, redis: redis_py.Redis, settings: Settings, store: ArtifactStore
) -> None:
    for key in "ab":
        registry.register(draft(), key)
    audit.drain(redis, settings, store)
    redis.delete(*redis.scan_iter(f"{{{settings.namespace}}}:*"))
    registry.register(draft("wine"), "c")
    assert audit.drain(redis, settings, store) == 1
    assert [(entry["number"], entry["model"]) for entry in audit.entries(store)] == [
        (1, "churn"), (2, "churn"), (3, "wine"),
    ]  # fmt: skip


def outbox_texts(redis: redis_py.Redis, settings: Settings) -> list[str]:
    return redis.lrange(f"{{{settings.namespace}}}:audit:outbox", 0, -1)

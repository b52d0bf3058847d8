"""The doctor where something is out of reach, and a container's health check."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.contracts.calls import PLAN_VERSION
from orchestrator.contracts.errors import Unreachable
from orchestrator.engine.history import History
from orchestrator.engine.messages import Pool
from orchestrator.local import health
from orchestrator.local.doctor import doctor, examine
from orchestrator.local.origins import origins
from orchestrator.settings import Settings
from tests.servers import S3Server


def registered(redis: redis_py.Redis, settings: Settings, queue: str, version: str) -> str:
    """A worker node that says that it lives, and hears nothing."""
    host = socket.gethostname()
    pool = Pool(f"{queue}@{host}", queue, host, 2, "digest", version, PLAN_VERSION)
    History(redis, settings.namespace).register(pool)
    return pool.node


def test_queues_without_workers_are_told_apart_from_busy_ones(redis: redis_py.Redis, settings: Settings) -> None:
    node = registered(redis, settings, "train", "0.0.1")
    findings = {(finding.check, finding.warning): finding for finding in examine(settings, patience_s=0.1)}
    assert findings["store", False].ok
    assert findings["redis", False].ok
    assert "no pool serves it" in findings["queue prep", False].detail
    assert f"{node} (2) took no probe" in findings["queue train", False].detail
    assert "runs Cyclery 0.0.1" in findings["queue train", True].detail
    assert doctor(settings, patience_s=0.1).exit_code == 5
    history = History(redis, settings.namespace)
    runs = redis.zrange(history.keys("runs"), 0, -1)
    assert {history.snapshot(run).status for run in runs} == {"cancelled"}  # nothing stays behind to be claimed later
    assert {stage.id for run in runs for stage in history.snapshot(run).stages} == {"train"}
    assert redis.llen(history.keys.broker("prep")) == 0  # no message for a pool that is not there
    assert history.runs() == history.run_ids() == []  # nobody asked for these runs


def test_without_a_redis_the_rest_is_still_examined(tmp_path: Path) -> None:
    diagnosis = doctor(Settings(home=tmp_path / "home"))
    assert [(finding.check, finding.ok) for finding in diagnosis.findings] == [("store", True), ("redis", False)]
    assert "`cyclery up`" in diagnosis.findings[1].detail
    assert diagnosis.exit_code == 5


def test_a_redis_that_does_not_answer_is_one_finding(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", redis_url="redis://127.0.0.1:1/0")
    found = [finding for finding in examine(settings) if not finding.ok]
    assert [finding.check for finding in found] == ["redis"]
    assert "does not answer" in found[0].detail


def test_a_store_that_cannot_be_written_is_a_finding(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = settings.model_copy(update={"store": str(tmp_path / "file" / "store")})
    store = next(examine(broken))
    assert (store.check, store.ok) == ("store", False)


def test_an_s3_store_is_tried_twice_over(settings: Settings, s3_server: S3Server) -> None:
    given = {
        "store": f"{s3_server.url}/doctor",
        "store_endpoint": s3_server.endpoint,
        "store_region": "us-east-1",
        "store_key_id": "test",
        "store_secret": "test",
    }
    remote = Settings(redis_url=settings.redis_url, home=settings.home, **given)  # type: ignore[arg-type]
    for _ in range(2):  # the record of the first time does not disturb the second
        store = next(examine(remote))
        assert (store.check, store.ok) == ("store", True), store.detail
        assert "did not overwrite" in store.detail


def test_each_setting_tells_where_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYCLERY_NAMESPACE", "from-environment")
    (tmp_path / ".env").write_text("CYCLERY_NAMESPACE=hidden\nCYCLERY_REDIS_URL=redis://:secret@host:1/0\n")
    (tmp_path / "cyclery.toml").write_text("window = 7\n")
    found = {one.variable: one for one in origins(Settings())}
    assert (found["CYCLERY_NAMESPACE"].value, found["CYCLERY_NAMESPACE"].origin) == ("from-environment", "environment")
    assert (found["CYCLERY_REDIS_URL"].value, found["CYCLERY_REDIS_URL"].origin) == ("redis://host:1", ".env")
    assert (found["CYCLERY_WINDOW"].value, found["CYCLERY_WINDOW"].origin) == ("7", "cyclery.toml")
    assert found["CYCLERY_STORE"].origin == "default"
    assert found["CYCLERY_STORE"].value == str(tmp_path / ".cyclery" / "store")


def test_a_container_is_healthy_when_its_own_pool_is_there(redis: redis_py.Redis, settings: Settings) -> None:
    Path(settings.store_url).mkdir()
    health.check(settings, None)
    with pytest.raises(Unreachable, match=r"train@.* has not said that it lives"):
        health.check(settings, "train")
    registered(redis, settings, "train", "0.0.1")
    health.check(settings, "train")


def test_a_container_without_its_store_is_not_healthy(settings: Settings) -> None:
    with pytest.raises(Unreachable, match="cannot be written"):
        health.check(settings, None)

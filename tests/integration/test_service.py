"""The orchestrator service as a process: what a container's stop may ask of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.contracts.errors import LedgerBehind, RecordDamaged
from orchestrator.engine.ledger import Ledger
from orchestrator.service import Chore, Service
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore, open_store
from orchestrator.store.manifests import read_manifest
from tests.faults.hosts.gate import StoreGate
from tests.integration.ledger_case import Hand, call
from tests.servers import RedisServer, S3Server
from tests.waiting import wait_until


def test_repairs_while_the_store_hangs(
    redis_server: RedisServer, redis: redis_py.Redis, settings: Settings, s3_server: S3Server, tmp_path: Path
) -> None:
    hand = Hand(Ledger(redis, settings.model_copy(update={"lease_s": 0.2, "reconcile_s": 0.05})))
    hand.work(hand.submit(call("over")).bells)
    lost = hand.submit(call("a"))
    hand.must_claim(lost.bells[0])
    gate, stop = StoreGate(s3_server), threading.Event()
    gate.sickness, gate.slow_s = "slow", 300.0
    config = {"endpoint": gate.endpoint, "region": "us-east-1", "access_key_id": "test", "secret_access_key": "test"}
    store = ArtifactStore(f"{s3_server.url}/{settings.namespace}", tmp_path, 2**30, config)
    with redis_server.client() as other:
        service = Service(hand.ledger, store, Ledger(other, hand.ledger.settings))
        serving = threading.Thread(target=service.serve, args=(stop,))
        serving.start()
        try:
            wait_until(lambda: gate.answered > 0, timeout=60)
            wait_until(lambda: hand.states(lost.run) == {"a": "ready"}, timeout=60)
            assert len(hand.ledger.ended()) == 1  # its manifest still waits for the store
        finally:
            gate.heal()
            wait_until(lambda: not hand.ledger.ended(), timeout=60)
            stop.set()
            serving.join()
            gate.close()


@pytest.mark.parametrize("where", ["in Redis", "in the store"])
def test_a_damaged_record_keeps_no_other_run_from_the_store(
    redis: redis_py.Redis, settings: Settings, where: str
) -> None:
    hand, store = Hand(Ledger(redis, settings)), open_store(settings)
    runs = []
    for _ in range(2):
        accepted = hand.submit(call("a"))
        hand.work(accepted.bells)
        runs.append(accepted.run)
    damaged, sound = runs
    if where == "in Redis":
        redis.hset(hand.ledger.keys.run(damaged), "created", "never")
    else:
        store.put_record(f"manifests/{damaged}.json", b"{")
    service = Service(hand.ledger, store)
    for _ in range(2):
        with pytest.raises(RecordDamaged, match=damaged):
            service.keep_records()
    assert hand.ledger.ended() == [damaged]  # stays until somebody has looked at it
    assert read_manifest(store, sound) is not None


def test_an_outage_is_told_once_and_in_one_line(
    redis: redis_py.Redis, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    retry = Retry(NoBackoff(), 0)
    with redis_py.Redis(unix_socket_path=str(tmp_path / "nobody"), decode_responses=True, retry=retry) as nobody:
        service = Service(Ledger(nobody, settings), open_store(settings), Ledger(nobody, settings))
        for chore in (chore for chore in service.chores if chore.name != "clean"):
            for _ in range(2):
                chore.due = 0.0
                chore.run_if_due(1.0)
            (told,) = caplog.records
            assert told.levelname == "WARNING"
            assert "went away" in told.getMessage()
            assert "\n" not in told.getMessage()
            caplog.clear()


def test_what_failed_is_tried_again_soon_and_what_did_not_when_its_time_has_come() -> None:
    told = [OSError("out of reach"), LedgerBehind("is behind"), None, None]

    def work() -> None:
        if (error := told.pop(0)) is not None:
            raise error

    chore = Chore("garbage", 3600.0, work)
    begun = []
    for now in range(0, 7200, 5):
        before = len(told)
        chore.run_if_due(float(now))
        begun += [now] * (before - len(told))
    assert begun == [0, 60, 120, 3720]


def test_stops_soon_while_redis_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        environment = {
            **os.environ,
            "CYCLERY_REDIS_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}/0",
            "CYCLERY_STORE": str(tmp_path),
        }
        with subprocess.Popen([sys.executable, "-m", "orchestrator.service"], cwd=tmp_path, env=environment) as service:
            try:
                silent.accept()[0].close()  # it is there, and has found a Redis that says nothing
                service.send_signal(signal.SIGTERM)
                assert service.wait(timeout=20) == 0
            finally:
                service.kill()

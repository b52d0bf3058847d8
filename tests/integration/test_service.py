"""The orchestrator service as a process: what a container's stop may ask of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import redis as redis_py

from orchestrator.engine.ledger import Ledger
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore
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

"""A watching command whose Redis goes away says that the run goes on, and how to come back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from orchestrator.engine.ledger import Ledger
from orchestrator.settings import Settings
from tests.integration.ledger_case import Hand, call
from tests.servers import RedisServer


def test_watch_tells_how_to_come_back(tmp_path: Path, namespace: str) -> None:
    server = RedisServer().start()
    try:
        settings = Settings(redis_url=server.url, namespace=namespace, home=tmp_path)
        with server.client() as client:
            run = Hand(Ledger(client, settings)).submit(call("a")).run
        environment = os.environ | {"CYCLERY_REDIS_URL": server.url, "CYCLERY_NAMESPACE": namespace}
        watching = subprocess.Popen(
            [str(Path(sys.executable).with_name("cyclery")), "watch", run],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert watching.stderr is not None
        assert run in watching.stderr.readline() + watching.stderr.readline()
        server.kill()
        _, told = watching.communicate(timeout=60)
    finally:
        server.close()
    assert watching.returncode == 5
    assert f"cyclery watch {run}" in told
    assert "Traceback" not in told


def test_a_broken_settings_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cyclery.toml").write_text("namespace = \n")
    command = [str(Path(sys.executable).with_name("cyclery")), "runs"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stderr.startswith("cyclery.toml is not TOML")
    assert len(said.stderr.splitlines()) == 1

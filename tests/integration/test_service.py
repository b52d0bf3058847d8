"""The orchestrator service as a process: what a container's stop may ask of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


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

"""How long a stage waits for another worker when its own was killed, with the settings as they come.

    python -m tests.faults.recovery [--tries 5]

Measured on Redis's clock: from the kill to the claim by another process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.contracts.calls import Plan, StageCall
from orchestrator.engine.submission import Submission
from tests.faults.processes import kill
from tests.faults.world import World
from tests.waiting import wait_until

DEFAULTS = {"CYCLERY_LEASE_S": "20", "CYCLERY_HEARTBEAT_S": "4", "CYCLERY_RECONCILE_S": "2"}
PATIENCE_S = 120.0
Kill = Callable[[World, str, int], None]  # world, host and process of the stage


def _child(world: World, host: str, pid: int) -> None:
    kill([process for process in world.hosts[host].family() if process.pid == pid])


def _host(world: World, host: str, pid: int) -> None:
    world.hosts[host].kill_tree()


def _redis(world: World, host: str, pid: int) -> None:
    """A child that dies while Redis is away: nobody can be told."""
    world.redis.kill()
    _child(world, host, pid)
    world.redis.start()


KILLS: dict[str, Kill] = {
    "a child is killed": _child,
    "its host loses power": _host,
    "Redis is killed, and a child with it": _redis,
}


def measure(world: World, name: str, how: Kill) -> float:
    """One try: seconds until another process has claimed the stage."""
    call = StageCall(id="a", task="ops.probe", queue="ops", version=1, params={"seconds": 600, "echo": name})
    run = world.ledger.submit(Submission(Plan(workflow="recovery", stages=(call,)), new=True)).run

    def claimed(attempt: int) -> dict[str, object] | None:
        text = world.ledger.redis.hget(world.ledger.keys.run(run, "stages"), "a")
        moving: dict[str, object] = json.loads(str(text))
        return moving if moving["state"] == "running" and moving["attempt"] == attempt else None

    first = wait_until(lambda: claimed(1), timeout=PATIENCE_S)
    assert first is not None
    begun = _now(world)
    how(world, str(first["host"]), int(str(first["pid"])))
    again = wait_until(lambda: claimed(2), timeout=PATIENCE_S)
    assert again is not None
    world.ledger.cancel(run, "recovery")
    for host in world.hosts.values():
        host.start()
    return float(str(again["started"])) / 1000 - begun


def _now(world: World) -> float:
    seconds, micros = world.ledger.redis.time()
    return float(seconds) + float(micros) / 1e6


def main() -> int:
    """Each kill so many times, on two hosts."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.faults.recovery")
    parser.add_argument("--tries", type=int, default=5)
    tries = parser.parse_args().tries
    world = World(Path(tempfile.mkdtemp(prefix="cyclery-recovery-")), settings=DEFAULTS)
    try:
        world.start()
        world.add_host("host2").start()
        for name, how in KILLS.items():
            found = sorted(measure(world, f"{name} {time.monotonic_ns()}", how) for _ in range(tries))
            sys.stdout.write(f"| {name} | {found[len(found) // 2]:.1f} | {found[-1]:.1f} |\n")
            sys.stdout.flush()
    finally:
        world.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the orchestrator service costs while nothing goes wrong: 1,000 active runs, its processor time and Redis's.

Of 1,000 chains of ten, submitted one by one, 40 have a stage under a lease that is renewed as workers do, 100 are held
under a deadline, 100 wait for a retry in an hour, and the others stand in the broker's queue. Redis's own share is its
processor time with the service less that without it, over equal spans with the same renewals.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psutil

from benchmarks.conditions import redis_server, until
from orchestrator.contracts.calls import Hold, Plan, Policy, Purity, StageCall
from orchestrator.contracts.records import StageError
from orchestrator.contracts.tasks import TASKS
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Accepted, Lease, Pool
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from orchestrator.store.connection import connect

RUNS, LENGTH = 1000, 10
LEASED, HELD, RETRYING = 40, 100, 100
SETTLE_S, SPAN_S = 6.0, 30.0
PROBE = TASKS["ops.probe"]


def reconciler() -> dict[str, float]:
    """Percent of one core: the service's process, what it asks of Redis, and both together."""
    with tempfile.TemporaryDirectory(prefix="cyclery-bench-") as folder, redis_server() as server:
        settings = Settings(redis_url=server.url, namespace="bench", home=Path(folder), store=f"{folder}/store")
        ledger = Ledger(connect(settings), settings)
        leases = _populate(ledger)
        _spend(ledger, leases, SETTLE_S, None)
        _, alone = _spend(ledger, leases, SPAN_S, None)
        with _service(server.url, Path(folder)) as process:
            _spend(ledger, leases, SETTLE_S, None)  # its start, and the submissions' entries of the audit log
            until(lambda: not ledger.redis.exists(ledger.keys("audit:outbox")))
            own, both = _spend(ledger, leases, SPAN_S, process)
        assert ledger.redis.scard(ledger.keys("active")) == RUNS
    of_redis = max(0.0, both - alone)
    return {
        "service_percent": round(own, 3),
        "redis_percent": round(of_redis, 3),
        "percent": round(own + of_redis, 3),
    }


def _populate(ledger: Ledger) -> list[Lease]:
    """1,000 active runs, some of them in each state that the reconciler looks at; the leases to renew."""
    History(ledger.redis, ledger.settings.namespace).register(
        Pool("ops@bench", "ops", "bench", LEASED, "environment", "0", 1, {})
    )
    leases: list[Lease] = []
    for number in range(RUNS):
        held = LEASED + RETRYING <= number < LEASED + RETRYING + HELD
        accepted = ledger.submit(Submission(Plan(workflow="bench", stages=_chain(held=held)), new=True))
        if number < LEASED:
            leases.append(_claim(ledger, accepted))
        elif number < LEASED + RETRYING:
            ledger.fail(_claim(ledger, accepted), StageError(family="transient", message="for the bench"))
    return leases


def _chain(*, held: bool) -> tuple[StageCall, ...]:
    first = Policy(hold=Hold(deadline_s=3600)) if held else Policy(backoff_s=3600)
    return tuple(_stage(f"s{i}", (f"s{i - 1}",) if i else (), Policy() if i else first) for i in range(LENGTH))


def _stage(identifier: str, after: tuple[str, ...], policy: Policy) -> StageCall:
    return StageCall(id=identifier, task=PROBE.name, queue=PROBE.queue.value, version=PROBE.version, after=after,
                     policy=policy, purity=Purity.VOLATILE)  # fmt: skip


def _claim(ledger: Ledger, accepted: Accepted) -> Lease:
    bell = accepted.bells[0]
    claim = ledger.claim(accepted.run, "s0", worker="ops@bench", host="bench", pid=os.getpid(), stamp=bell.stamp)
    assert claim is not None
    return claim.lease


def _spend(ledger: Ledger, leases: list[Lease], seconds: float, process: psutil.Process | None) -> tuple[float, float]:
    """Percent of a core over a span: of the process, and of Redis; leases are renewed meanwhile, one by one."""
    own, redis_s, begun = _cpu(process), _redis_cpu(ledger), time.monotonic()
    beat = begun
    while time.monotonic() - begun < seconds:
        if time.monotonic() >= beat:
            beat += ledger.settings.heartbeat_s
            for lease in leases:
                assert ledger.heartbeat({lease: None})[lease] == "held"
        time.sleep(0.05)
    wall = time.monotonic() - begun
    return 100 * (_cpu(process) - own) / wall, 100 * (_redis_cpu(ledger) - redis_s) / wall


def _cpu(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


def _redis_cpu(ledger: Ledger) -> float:
    facts = cast("dict[str, Any]", ledger.redis.info("cpu"))
    return float(facts["used_cpu_user_main_thread"]) + float(facts["used_cpu_sys_main_thread"])


@contextmanager
def _service(url: str, folder: Path) -> Iterator[psutil.Process]:
    environment = os.environ | {
        "CYCLERY_REDIS_URL": url,
        "CYCLERY_NAMESPACE": "bench",
        "CYCLERY_HOME": str(folder),
        "CYCLERY_STORE": f"{folder}/store",
    }
    with (folder / "service.log").open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.service"], env=environment, stdout=sink, stderr=sink
        )
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()

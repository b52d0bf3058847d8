"""`python -m benchmarks.lag`: how long what Redis has accepted is not yet in the store, as its loss would cost it.

The real service, default settings, a store in a folder; submissions, decisions and ends of runs come at random moments.
A lag is from the moment in which the caller has its answer to the moment in which the record is in the store.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.conditions import redis_server, running, until
from orchestrator.contracts.calls import ArtifactRef, Kind, Plan, StageCall
from orchestrator.contracts.records import ModelVersion
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Completion
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from orchestrator.store.connection import connect
from orchestrator.store.models import Registry

REF = ArtifactRef(kind=Kind.FILE, digest=f"sha256:{0:064x}", size=1)
KINDS = ("submission", "decision", "end of a run")


@contextmanager
def service() -> Iterator[Settings]:
    """A Redis, an empty store and the orchestrator service."""
    with tempfile.TemporaryDirectory(prefix="cyclery-lag-") as folder, redis_server() as server:
        settings = Settings(redis_url=server.url, home=Path(folder), author="bench")
        environment = {"CYCLERY_REDIS_URL": server.url, "CYCLERY_HOME": folder}
        with running(["orchestrator.service"], environment, Path(folder) / "service.log"):
            yield settings


def accept(settings: Settings, rounds: int, draw: random.Random) -> list[tuple[str, Path, float]]:
    """What was accepted: its kind, the file that will hold it, and when the caller had its answer."""
    with connect(settings) as client:
        ledger, registry = Ledger(client, settings), Registry(client, settings)
        store, accepted, entry = Path(settings.store_url), [], 0
        for number in range(2):
            registry.register(_draft(), f"key{number}")
            entry += 1
        for number in range(rounds):
            time.sleep(draw.uniform(0, 0.5))
            run, entry = ledger.submit(Submission(_plan(number))), entry + 1
            accepted.append(("submission", store / "submissions" / f"{run.run}.json", time.time()))
            registry.promote(f"m@{1 + number % 2}", by="bench")
            entry += 1
            accepted.append(("decision", store / "audit" / f"{entry:012d}.json", time.time()))
            time.sleep(draw.uniform(0, 0.5))
            claim = ledger.claim(run.run, "only", worker="ops@bench", host="bench", pid=1)
            assert claim is not None
            ledger.complete(claim.lease, Completion(outputs={}, seconds=0.0))
            accepted.append(("end of a run", store / "manifests" / f"{run.run}.json", time.time()))
    return accepted


def _plan(number: int) -> Plan:
    call = StageCall(id="only", task="ops.probe", queue="ops", version=1, params={"echo": number})
    return Plan(workflow="lag", stages=(call,), spec={"run": {}})


def _draft() -> ModelVersion:
    given = dict.fromkeys(("bundle", "rows", "signature", "evaluation", "ranking"), REF)
    head = {"model": "m", "version": 0, "stage": "candidate", "run": "lag-1", "created": 0.0, "candidate": "none"}
    return ModelVersion.model_validate({**head, "digest": REF.digest, **given})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="of one submission, decision and end each")
    rounds = parser.parse_args().rounds
    with service() as settings:
        accepted = accept(settings, rounds, random.Random(1))
        until(lambda: all(path.exists() for _, path, _ in accepted))
        lags = {kind: [path.stat().st_mtime - at for one, path, at in accepted if one == kind] for kind in KINDS}
    table = Table("record", "median s", "95 % s", "longest s", title=f"from the answer to the store, {rounds} of each")
    for kind, seconds in lags.items():
        high = sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]
        table.add_row(kind, *(f"{one:.2f}" for one in (statistics.median(seconds), high, max(seconds))))
    Console().print(table)


if __name__ == "__main__":
    main()

"""Eight probes of two seconds on the queue `train`, all at once: shows what more workers are worth.

`python deploy/eight_probes.py [WORKERS]` waits until so many serve the queue, then prints how long the eight took.
"""

from __future__ import annotations

import secrets
import sys
import time

from orchestrator.client.session import Session
from orchestrator.contracts.calls import Plan, StageCall
from orchestrator.contracts.tasks import TASKS
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings


def main(workers: int) -> None:
    """Wait for the workers, submit, wait for the end."""
    session = Session(Settings(), embedded=False)
    while sum(pool.processes for pool in session.history.pools() if pool.queue == "train") < workers:
        time.sleep(0.2)
    task = TASKS["ops.probe"]
    calls = tuple(
        StageCall(
            id=f"probe{number}",
            task=task.name,
            queue="train",
            version=task.version,
            params={"seconds": 2, "echo": secrets.token_hex(8)},
        )
        for number in range(8)
    )
    began = time.monotonic()
    accepted = session.ledger.submit(Submission(Plan(workflow="eight-probes", stages=calls), new=True))
    while (record := session.history.snapshot(accepted.run)) is None or not record.status.ended:
        time.sleep(0.05)
    sys.stdout.write(f"{workers} worker(s): {time.monotonic() - began:.1f} s, {record.status}\n")


if __name__ == "__main__":
    main(int(next(iter(sys.argv[1:]), "1")))

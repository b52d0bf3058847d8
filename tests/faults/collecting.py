"""`python -m tests.faults.collecting`: a hurried collector of garbage beside the service's own, which comes hourly."""

from __future__ import annotations

import logging
import threading

from orchestrator.contracts.errors import CycleryError
from orchestrator.engine.garbage import Collector
from orchestrator.engine.ledger import Ledger
from orchestrator.service import PATIENCE_S, stop_on_signals
from orchestrator.settings import Settings
from orchestrator.store.artifacts import open_store
from orchestrator.store.connection import connect

YOUNG_S = 45.0  # longer than any submission here is made, as a day is in earnest
GRACE_S = 3.0
EVERY_S = 1.0

log = logging.getLogger("collecting")


def main() -> None:
    """Rounds of collection until told to stop; an outage ends a round, not the collector."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stop = threading.Event()
    stop_on_signals(stop)
    settings = Settings()
    ledger = Ledger(connect(settings, PATIENCE_S), settings)
    ledger.redis.delete(ledger.keys("collecting"))  # of the one before, which was killed: it would last for an hour
    collector = Collector(ledger, open_store(settings), young_s=YOUNG_S, grace_s=GRACE_S)
    while not stop.wait(EVERY_S):
        try:
            gone = collector.collect()
        except (CycleryError, OSError) as error:
            log.warning("%s", error)
            continue
        if gone:
            log.info("collected %d", gone)


if __name__ == "__main__":
    main()

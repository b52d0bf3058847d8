"""The artifact store as stages see it: one that is away or full is waited for, and no stage fails of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.errors import Unreachable
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore, store_config

WAIT_S = 300.0  # for one answer; then the stage goes back to the ledger, which does not count it as a try
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
MARGIN_S = 10.0  # before a stage's time limit, which is for its work: enough to tell the ledger

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class PatientStore(ArtifactStore):
    """Asks again while the store does not answer; `until` is when the stage under way has to give up (monotonic).

    `stopping` tells whether the stage was asked to stop: then there is nothing to wait for.
    """

    until: float | None = None
    stopping: Callable[[], bool] = staticmethod(lambda: False)

    def limit(self, seconds: float) -> None:
        """A stage begins that may take so long."""
        self.until = time.monotonic() + seconds - MARGIN_S

    def put_bytes(self, data: bytes, kind: Kind, rows: int | None = None, *, durable: bool = False) -> ArtifactRef:
        """Keep these bytes."""
        put = super().put_bytes
        return self._patiently(lambda: put(data, kind, rows, durable=durable))

    def put_file(self, path: Path, kind: Kind, rows: int | None = None, *, durable: bool = False) -> ArtifactRef:
        """Keep a file's content."""
        put = super().put_file
        return self._patiently(lambda: put(path, kind, rows, durable=durable))

    def fetch(self, ref: ArtifactRef) -> Path:
        """A file with the artifact's bytes."""
        fetch = super().fetch
        return self._patiently(lambda: fetch(ref))

    def has(self, digest: str) -> bool:
        """Whether the store can give this artifact."""
        has = super().has
        return self._patiently(lambda: has(digest))

    def put_at_once(self, data: bytes, kind: Kind) -> ArtifactRef:
        """Keep bytes that are not worth waiting for."""
        return super().put_bytes(data, kind)

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        began, pause, told = time.monotonic(), FIRST_PAUSE_S, False
        deadline = min(began + WAIT_S, self.until or began + WAIT_S)
        while True:
            try:
                return ask()
            except Unreachable as error:
                if time.monotonic() + pause > deadline or self.stopping():
                    raise
                if not told:
                    log.warning("%s; waiting for it", error)
                told = True
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)


def open_patient_store(settings: Settings) -> PatientStore:
    """The store that the settings name, for stages; nothing is reached before it is used."""
    return PatientStore(settings.store_url, settings.cache_path, settings.cache_bytes, store_config(settings))

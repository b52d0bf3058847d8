"""One run, as Python code sees it: its state, its document, its champion."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.client.reports import Reports
from orchestrator.client.resolving import record_of
from orchestrator.client.session import Session
from orchestrator.client.waiting import Waiting, waiting_of
from orchestrator.contracts.documents.evaluation import Interval, Verdict
from orchestrator.contracts.documents.training import RankedTrial
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import RunRecord
from orchestrator.contracts.status import RunStatus
from orchestrator.engine.messages import Settled

if TYPE_CHECKING:
    from orchestrator.contracts.feasibility import Feasibility
    from orchestrator.report.evidence import Evidence

BLOCK_MS = 1000  # one wait for events; below the patience of the connection
QUIET_S = 0.1  # between two snapshots while much happens


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that a run chose."""

    model: str | None  # NAME@VERSION, once it is registered
    candidate: str
    params: dict[str, Any]
    features: tuple[str, ...]
    metrics: Mapping[str, Interval]


class Run:
    """A handle on one run; everything is read when it is asked for."""

    def __init__(self, session: Session, identifier: str, *, attached: bool = False) -> None:
        self._session = session
        self.id = identifier
        self.attached = attached  # an identical run was active: this is it

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def record(self) -> RunRecord:
        """The run as it stands; from its manifest when it left Redis."""
        found = record_of(self._session, self.id)
        if found is None:
            raise InvalidInput(f"there is no run {self.id}; `cyclery runs` lists them")
        return found

    @property
    def status(self) -> RunStatus:
        """How it stands."""
        return self.record().status

    def follow(self) -> Iterator[RunRecord]:
        """The run now and after each change, until it ended or waits for a person and nothing else is under way."""
        while True:
            began = time.monotonic()
            record = self.record()
            cost = time.monotonic() - began
            yield record
            if record.status is not RunStatus.RUNNING:
                return
            self._await_change(record.position)
            # A run of thousands of stages takes a while to read: reading is to stay a small part of the time.
            time.sleep(max(QUIET_S, 3 * cost))

    def _await_change(self, position: str) -> None:
        deadline = time.monotonic() + 5.0  # looks anew even where nothing is heard: the run may have left Redis
        while time.monotonic() < deadline:
            happened = self._session.history.events(self.id, position, block_ms=BLOCK_MS)
            if happened is None or happened:
                return

    def waiting(self, record: RunRecord) -> tuple[Waiting, ...]:
        """Why it may not get on: queues that nobody works on, or pools that do not know what it asks."""
        return waiting_of(self._session, record)

    def wait(self) -> Run:
        """Return when the run ended, or is held for a person."""
        for _ in self.follow():
            pass
        return self

    def document(self, *, report: bool = False, record: RunRecord | None = None) -> dict[str, Any]:
        """The run document of the interface; with `report` the HTML report of an ended run is written too.

        `record` saves reading a run of very many stages again.
        """
        from orchestrator.report.document import run_document

        record = record or self.record()
        reports = Reports(self._session)
        place, unwritten = reports.place(self.id), None
        if report and record.status.ended:
            try:
                place = reports.ensure(record)
            except OSError as error:  # a full disk, or a folder of somebody else's: the run is what it is
                unwritten = f"the report cannot be written ({error.strerror}: {error.filename or place})"
        document = run_document(record, self._session.store.read, str(place) if place.exists() else None)
        notes = [*document["notes"], unwritten] if unwritten else document["notes"]
        return document | {"notes": notes, "waiting_for": [asdict(one) for one in self.waiting(record)]}

    def evidence(self, record: RunRecord | None = None) -> Evidence:
        """The documents that its stages left, read when they are asked for."""
        from orchestrator.report.evidence import Evidence

        return Evidence(record or self.record(), self._session.store.read)

    @property
    def champion(self) -> Champion:
        """The chosen model with its intervals; raises InvalidInput before there is one."""
        found = self.document()["champion"]
        if found is None:
            raise InvalidInput(f"{self.id} has no champion (it is {self.status}); see `cyclery status {self.id}`")
        metrics = {name: Interval.model_validate(one) for name, one in found["metrics"].items()}
        return Champion(found["model"], found["candidate"], found["params"], tuple(found["features"]), metrics)

    @property
    def trials(self) -> tuple[RankedTrial, ...]:
        """The ranked trials, best first; none before the selection."""
        from orchestrator.contracts.documents.training import Ranking

        record = self.record().stage("select")
        ref = record.outputs.get("ranking") if record is not None else None
        return Ranking.model_validate_json(self._session.store.read(ref)).trials if ref is not None else ()

    @property
    def feasibility(self) -> Feasibility | None:
        """Whether the target is in reach; None where the run does not ask, or has no answer yet."""
        return self.evidence().feasibility

    @property
    def gates(self) -> tuple[Verdict, ...]:
        """The gates' verdicts; none before they are judged."""
        from orchestrator.contracts.documents.evaluation import Verdicts

        record = self.record().stage("gates")
        ref = record.outputs.get("verdicts") if record is not None else None
        return Verdicts.model_validate_json(self._session.store.read(ref)).verdicts if ref is not None else ()

    def report(self) -> Path:
        """Write the HTML report below the home and answer where it is."""
        return Reports(self._session).write(self.record())

    def logs(self, stage: str | None = None) -> list[str]:
        """The lines that its stages wrote, each as `stage: line`; of the stage named the bare lines."""
        from orchestrator.client.logs import lines_of

        lines = lines_of(self._session, self, stage)
        return [f"{lead}: {line.line}" if (lead := line.of(stage)) else line.line for line in lines]

    def cancel(self, by: str | None = None) -> Settled:
        """Stop it: what has not begun never begins."""
        return self._session.ledger.cancel(self.id, by or self._session.settings.author)

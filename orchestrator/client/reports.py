"""The HTML reports of this home: written when a run ended, shared by runs that took every result from another."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from orchestrator.client.session import Session
from orchestrator.contracts.records import RunRecord
from orchestrator.contracts.status import RunStatus
from orchestrator.contracts.values import as_file_name


class Reports:
    """One report a run, in `HOME/reports/RUN/report.html`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._home = session.settings.home.absolute()

    def place(self, run: str) -> Path:
        """Where the report of a run is, or would be."""
        return self._home / "reports" / as_file_name(run) / "report.html"

    def write(self, record: RunRecord) -> Path:
        """Render the report of a run as it stands."""
        from orchestrator.report.html import write_report

        path = write_report(record, self._session.store.read, self._home)
        if record.status in (RunStatus.SUCCEEDED, RunStatus.REFUSED):
            _copy(path, self._shared(record))
        return path

    def ensure(self, record: RunRecord) -> Path:
        """The report of an ended run.

        A run that took every stage from the cache gets the page of the run that did the work: rendering would cost
        more than all the rest of such a run.
        """
        shared = self._shared(record)
        if not (shared.exists() and all(stage.cached for stage in record.stages)):
            return self.write(record)
        _copy(shared, self.place(record.run))
        return self.place(record.run)

    def _shared(self, record: RunRecord) -> Path:
        return self._home / "reports" / "by-plan" / f"{as_file_name(record.plan_digest.removeprefix('sha256:'))}.html"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    shutil.copyfile(source, draft)
    draft.replace(target)

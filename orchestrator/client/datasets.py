"""The tables that runs have ingested, as the runs' records tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.client.resolving import record_of, resolve_run
from orchestrator.client.session import Session
from orchestrator.contracts.calls import ArtifactRef
from orchestrator.contracts.documents.data import Profile
from orchestrator.contracts.errors import InvalidInput

SEEN = 100  # newest runs that are looked at


@dataclass(frozen=True, slots=True)
class Dataset:
    """One ingested table; equal bytes are one dataset, whichever runs have read them."""

    source: str
    file: str  # as the spec names it
    table: ArtifactRef
    profile: ArtifactRef
    columns: int
    created: float  # of the first run that is still known
    runs: tuple[str, ...]  # the newest first

    @property
    def digest(self) -> str:
        """Of the table."""
        return self.table.digest

    @property
    def rows(self) -> int | None:
        """Of the table."""
        return self.table.rows

    @property
    def short(self) -> str:
        """The beginning of the digest, as people type it."""
        return self.digest.removeprefix("sha256:")[:12]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "digest": self.digest,
            "source": self.source,
            "file": self.file,
            "rows": self.rows,
            "columns": self.columns,
            "created": self.created,
            "runs": list(self.runs),
        }


def datasets(session: Session) -> list[Dataset]:
    """Each table once, the newest first."""
    found: dict[str, Dataset] = {}
    for summary in session.history.runs(SEEN):
        record = record_of(session, summary.run)
        for stage in record.stages if record is not None else ():
            if stage.task != "data.ingest" or not {"table", "profile"} <= stage.outputs.keys():
                continue
            table, profile = stage.outputs["table"], stage.outputs["profile"]
            known = found.get(table.digest)
            found[table.digest] = Dataset(
                source=str(stage.params["source"]),
                file=str(stage.params["filename"]),
                table=table,
                profile=profile,
                columns=known.columns if known else _columns(session, profile),
                created=summary.created,
                runs=(*(known.runs if known else ()), summary.run),
            )
    return list(found.values())


def choose(session: Session, known: Sequence[Dataset], reference: str) -> Dataset:
    """The newest dataset with this digest (or its beginning), of this source, or of this run as people type it."""
    wanted = reference.removeprefix("sha256:")
    for one in known:
        by_digest = len(wanted) >= 4 and one.digest.removeprefix("sha256:").startswith(wanted)
        if by_digest or one.source == reference:
            return one
    run = _run(session, reference)
    for one in known:
        if run in one.runs:
            return one
    raise InvalidInput(f"no data is known as {reference!r}; `cyclery data list` shows what runs have seen")


def _run(session: Session, reference: str) -> str | None:
    try:
        return resolve_run(session, reference)
    except InvalidInput:
        return None


def profile_of(session: Session, dataset: Dataset) -> Profile:
    """The columns of a dataset."""
    return Profile.model_validate_json(session.store.read(dataset.profile))


def _columns(session: Session, profile: ArtifactRef) -> int:
    return (
        len(Profile.model_validate_json(session.store.read(profile)).columns)
        if session.store.has(profile.digest)
        else 0
    )

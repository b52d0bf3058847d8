"""What a client asks of a restore: the document of what came back, with how to submit lost runs again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.client.origins import Origins
from orchestrator.client.session import Session

if TYPE_CHECKING:
    from orchestrator.engine.restore import InFlight, Restored, Tell


def restore(session: Session, *, dry_run: bool, accept_gaps: bool, tell: Tell) -> dict[str, Any]:
    """Restore the namespace from the store, or see what that would bring; the document of `cyclery restore`."""
    from orchestrator.engine.restore import Restore

    work = Restore(session.ledger, session.store, dry_run=dry_run)
    return _document(session, work.run(accept_gaps=accept_gaps, tell=tell), dry_run=dry_run)


def _document(session: Session, found: Restored, *, dry_run: bool) -> dict[str, Any]:
    origins = Origins(session.settings.home)
    return {
        "namespace": session.settings.namespace,
        "store": session.store.where,
        "dry_run": dry_run,
        "runs": found.runs,
        "older_runs": found.older,
        "models": [
            {"model": model, "versions": versions, "production": live}
            for model, (versions, live) in sorted(found.models.items())
        ],
        "decisions": found.decisions,
        "audit": found.last,
        "results": found.results,
        "newest": found.newest,
        "in_flight": [_in_flight(one, origins) for one in found.in_flight],
        "missing": found.missing,
        "damaged": found.damaged,
    }


def _in_flight(one: InFlight, origins: Origins) -> dict[str, Any]:
    return {**asdict(one), "next": _again(one, origins)}


def _again(one: InFlight, origins: Origins) -> str:
    """The command that submits it again: from its file where this home knows it, else as it was planned."""
    if one.stages is None:
        return "cyclery run FILE"
    return f"cyclery retry {one.run}" + ("" if origins.of(one.run) is not None else " --same-code")

"""Names that people type → the run that they mean."""

from __future__ import annotations

from orchestrator.client.session import Session
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import RunRecord
from orchestrator.spec.problems import did_you_mean
from orchestrator.store.manifests import manifests, read_manifest


def resolve_run(session: Session, text: str) -> str:
    """The id of a run from itself, from a prefix that no other has, or from `last`.

    Runs that left Redis are found by their manifests. Raises InvalidInput.
    """
    known = session.history.run_ids()
    if text == "last":
        if known:
            return known[0]
        raise InvalidInput("there is no run yet: `cyclery run FILE` starts one")
    if text in known:
        return text
    found = [run for run in known if run.startswith(text)]
    if not found:
        known = list(dict.fromkeys([*known, *manifests(session.store)]))
        found = [run for run in known if run == text] or [run for run in known if run.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidInput(f"{text!r} is the beginning of several runs: {', '.join(found[:5])}; type more of it")
    hint = did_you_mean(text, known) if known else ""
    raise InvalidInput(f"there is no run {text!r}{hint}; `cyclery runs` lists them")


def record_of(session: Session, run: str) -> RunRecord | None:
    """The run as it stands; from its manifest when it left Redis."""
    return session.history.snapshot(run) or read_manifest(session.store, run)

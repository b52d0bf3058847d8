"""What a spec may not say yet: sections, keys and gates of later versions are refused by name, never skipped."""

from __future__ import annotations

from orchestrator.spec.problems import Problems
from orchestrator.spec.written import Step, Written

_NOT_YET = "is not yet available in this version"
_IDENTITY = "needs verified identities, which are not yet available in this version"

_SECTIONS = ("deploy", "monitor", "retrain", "schedule", "notify")
_SOURCE_KINDS = ("database", "sql", "query", "api", "url", "http", "html", "stream", "mqtt", "kafka", "dataset", "view")
_GATE_KEYS = ("stability", "when")


def refuse_later(document: Written, problems: Problems) -> None:
    """Note and take out everything that only a later version can run."""
    for section in _SECTIONS:
        _refuse(document, (section,), f"`{section}` {_NOT_YET}", problems)
    _refuse(document, ("features", "search"), f"`features.search` {_NOT_YET}", problems)
    for key in ("roles", "not_author"):
        _refuse(document, ("approve", key), f"`approve.{key}` {_IDENTITY}", problems)
    _refuse_sources(document, problems)
    _refuse_gates(document, problems)


def _refuse(document: Written, path: tuple[Step, ...], message: str, problems: Problems) -> None:
    if document.find(path) == path:
        problems.add(document.place_of(path, key=True), message)
        document.remove(path)


def _refuse_sources(document: Written, problems: Problems) -> None:
    sources = document.at(document.find(("data", "sources")))
    for name in list(sources.value) if isinstance(sources.value, dict) else []:
        for kind in _SOURCE_KINDS:
            path = ("data", "sources", name, kind)
            if document.find(path) == path:
                message = f"sources of kind `{kind}` are not yet available in this version (write file: PATH)"
                problems.add(document.place_of(path, key=True), message)
                document.remove(path[:-1])
                break


def _refuse_gates(document: Written, problems: Problems) -> None:
    gates = document.child("gates")
    if gates is None or not isinstance(gates.value, list):
        return
    for index in reversed(range(len(gates.value))):
        if (word := _later_gate(gates.value[index])) is not None:
            problems.add(gates.value[index].place, f"the gate `{word}` {_NOT_YET}")
            document.remove(("gates", index))


def _later_gate(gate: Written) -> str | None:
    value = gate.plain()
    return next((key for key in _GATE_KEYS if key in value), None) if isinstance(value, dict) else None

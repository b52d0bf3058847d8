"""The audit log, read from its beginning: models, which are live, what was judged, and what was decided of runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.contracts.values import canonical
from orchestrator.store.keys import Keys

Command = tuple[str, ...]


@dataclass
class Shelf:
    """The versions of one model, as its decisions left them."""

    records: dict[int, str] = field(default_factory=dict)  # JSON by version
    stages: dict[int, str] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)  # version by idempotency key
    runs: dict[int, str] = field(default_factory=dict)  # which registered it
    live: int | None = None
    history: list[int] = field(default_factory=list)  # live before, the latest last


@dataclass
class Replay:
    """What a log tells up to where it was read."""

    models: dict[str, Shelf] = field(default_factory=dict)
    looks: dict[str, dict[str, str]] = field(default_factory=dict)  # judgements as JSON by key, by objective
    submitted: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)  # by run and generation
    generations: dict[str, int] = field(default_factory=dict)  # the latest by run
    decided: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # of stages, by run
    entries: int = 0
    last: int = 0  # number of the last entry
    newest: float | None = None  # its time, seconds since the epoch
    missing: list[int] = field(default_factory=list)  # numbers that the store does not have

    def take(self, entries: Iterable[dict[str, Any]]) -> Replay:
        """Read entries in their order."""
        for entry in entries:
            number = int(entry["number"])
            self.missing += range(self.last + 1, number)
            self.last, self.entries = number, self.entries + 1
            self.newest = entry.get("at", self.newest)
            act = _ACTS.get(str(entry.get("event")))
            if act is not None:
                act(self, entry)
        return self


def _registered(log: Replay, entry: dict[str, Any]) -> None:
    shelf = log.models.setdefault(entry["model"], Shelf())
    version = int(entry["version"])
    if version in shelf.records:  # an entry that a Redis which had lost its count wrote twice
        return
    shelf.records[version] = canonical(entry["record"]).decode()
    shelf.stages[version] = entry["stage"]
    shelf.runs[version] = entry["run"]
    if "key" in entry:  # 0.1.0 did not say it
        shelf.keys[entry["key"]] = version


def _moved(log: Replay, entry: dict[str, Any]) -> None:
    shelf, version, to = _shelf_before(log, entry), int(entry["version"]), str(entry["to"])
    if version not in shelf.records or shelf.live == version:
        return
    if to == "production":
        if shelf.live is not None:
            shelf.stages[shelf.live] = "archived"
            shelf.history.append(shelf.live)
        shelf.live = version
    shelf.stages[version] = to


def _rolled_back(log: Replay, entry: dict[str, Any]) -> None:
    shelf, version = _shelf_before(log, entry), int(entry["version"])
    if version not in shelf.records or shelf.live == version:
        return
    if shelf.live is not None:
        shelf.stages[shelf.live] = "archived"
    if version in shelf.history:
        del shelf.history[len(shelf.history) - 1 - shelf.history[::-1].index(version) :]
    shelf.live = version
    shelf.stages[version] = "production"


def _shelf_before(log: Replay, entry: dict[str, Any]) -> Shelf:
    """The model as it was before a decision, which says what was live: so a missing entry harms no later one.

    Where none is missing, a decision on what is live already is an entry that was written twice.
    """
    shelf = log.models.setdefault(entry["model"], Shelf())
    live = entry.get("live_before") if log.missing else None
    if live in shelf.records and live not in (shelf.live, entry["version"]):
        if shelf.live is not None:
            shelf.stages[shelf.live] = "archived"
            shelf.history.append(shelf.live)
        shelf.live = live
        shelf.stages[live] = "production"
    return shelf


def _judged(log: Replay, entry: dict[str, Any]) -> None:
    log.looks.setdefault(entry["objective"], {})[entry["key"]] = canonical(entry["record"]).decode()


def _submitted(log: Replay, entry: dict[str, Any]) -> None:
    run = entry["run"]
    generation = int(entry.get("generation", log.generations.get(run, 0) + 1))  # 0.1.0 did not say it
    log.generations[run] = max(generation, log.generations.get(run, 0))
    log.submitted[run, generation] = entry


def _decided(log: Replay, entry: dict[str, Any]) -> None:
    told = {name: entry.get(name) for name in ("stage", "by", "at", "note")}
    log.decided.setdefault(entry["run"], []).append({"verdict": entry["event"], **told})


_ACTS = {
    "registered": _registered,
    "promoted": _moved,
    "archived": _moved,
    "rolled back": _rolled_back,
    "judged": _judged,
    "submitted": _submitted,
    "approved": _decided,
    "rejected": _decided,
}


def looks_commands(keys: Keys, looks: dict[str, dict[str, str]]) -> Iterator[Command]:
    """What puts the account of test rows into an empty namespace."""
    for objective, judgements in looks.items():
        for key, record in judgements.items():
            yield "HSET", keys("looks", objective), key, record


def registry_commands(keys: Keys, models: dict[str, Shelf]) -> Iterator[Command]:
    """What puts the registry into an empty namespace; doing it twice changes nothing."""
    for model, shelf in models.items():
        base = ("model", model)
        for version, record in shelf.records.items():
            yield "HSET", keys(*base, "versions"), str(version), record
            yield "HSET", keys(*base, "stages"), str(version), shelf.stages[version]
        for key, version in shelf.keys.items():
            yield "HSET", keys(*base, "keys"), key, str(version)
        if shelf.live is not None:
            yield "HSET", keys(*base), "production", str(shelf.live)
        yield "DEL", keys(*base, "history")
        for version in shelf.history:
            yield "RPUSH", keys(*base, "history"), str(version)
        yield "SADD", keys("models"), model

"""The state file of a stack: who runs, how to reach it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.contracts.errors import Outdated
from orchestrator.local.lock import is_held
from orchestrator.local.place import Place, write_private

STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process of the stack."""

    name: str
    pid: int | None  # None while it waits to be started again
    restarts: int
    since: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class StackState:
    """A running stack as its supervisor describes it."""

    pid: int  # of the supervisor
    identity: str  # tells it from a later process with the same pid
    release: str  # of Cyclery, when it was started
    redis_url: str
    flower_url: str | None  # None: only Redis runs, for verbs that read
    processes: tuple[ProcessState, ...]
    version: int = STATE_VERSION


def write_state(place: Place, state: StackState) -> None:
    """Replace the state file."""
    write_private(place.state, json.dumps(asdict(state), indent=1))


def read_state(place: Place) -> StackState | None:
    """What the state file says, whether or not it is still true; None without one, or with one of another version."""
    found = _read(place)
    if found is None or found.get("version") != STATE_VERSION:
        return None
    try:
        processes = tuple(ProcessState(**_known(ProcessState, one)) for one in found["processes"])
        return StackState(**_known(StackState, found) | {"processes": processes})
    except (KeyError, TypeError, AttributeError):  # nothing that write_state has written
        return None


def running(place: Place) -> StackState | None:
    """The state of a stack that lives; what a reboot or a kill left behind is not one.

    Raises Outdated for the stack of a newer release that describes itself otherwise.
    """
    if not is_held(place.running):
        return None
    found = _read(place)
    version = found.get("version") if found is not None else None
    if found is not None and isinstance(version, int) and version > STATE_VERSION:
        raise Outdated(
            f"the stack in {place.home} is of a newer release of Cyclery ({found.get('release')}): use that one"
        )
    return read_state(place)


def _read(place: Place) -> dict[str, Any] | None:
    try:
        found = json.loads(place.state.read_text())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _known(kind: type[StackState | ProcessState], found: dict[str, Any]) -> dict[str, Any]:
    """Without what a newer release says more."""
    return {name: value for name, value in found.items() if name in kind.__dataclass_fields__}

"""The state file of a stack: who runs, how to reach it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

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
    try:
        found = json.loads(place.state.read_text())
    except (FileNotFoundError, ValueError):
        return None
    if found.get("version") != STATE_VERSION:
        return None
    return StackState(**found | {"processes": tuple(ProcessState(**one) for one in found["processes"])})


def running(place: Place) -> StackState | None:
    """The state of a stack that lives; what a reboot or a kill left behind is not one."""
    return read_state(place) if is_held(place.running) else None

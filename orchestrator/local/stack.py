"""What the command calls: bring the embedded stack up, find it, look at it, take it down."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version
from pydantic import SecretStr

from orchestrator.contracts.errors import InvalidInput, Unreachable
from orchestrator.local.lock import Lock, is_held
from orchestrator.local.place import Place
from orchestrator.local.state import StackState, running
from orchestrator.settings import Settings

_START_PATIENCE = 660.0  # Redis may have a long file to read
_WARDEN_PATIENCE = 30.0  # it waits for a lock, then asks processes to stop and kills those that have not
_STOP_PATIENCE = 120.0  # the pools' soft shutdown, then the others, then Redis's file
_HEAVY = ("pandas", "pyarrow", "sklearn", "skops", "workers")

Announce = Callable[[str], None]


def ensure_up(settings: Settings, announce: Announce, *, pools: bool = True) -> Settings:
    """Settings that reach a Redis: as they are when they name one, else of this home's stack, started if need be.

    Without `pools` only Redis is started, for verbs that read; it stops by itself when nobody has asked for a minute.
    """
    if settings.redis_url is not None:
        return settings
    return _reaching(settings, _ensure(settings, announce, pools=pools)[0])


def find(settings: Settings) -> Settings | None:
    """Settings that reach the Redis they name or this home's running stack; None when none runs."""
    if settings.redis_url is not None:
        return settings
    state = running(Place.of(settings.home))
    return None if state is None else _reaching(settings, state)


def up(settings: Settings, announce: Announce) -> tuple[StackState, bool]:
    """Start the stack of this home; returns its state, and whether it was started now."""
    if settings.redis_url is not None:
        raise InvalidInput(
            "CYCLERY_REDIS_URL is set, so there is no embedded stack to start: unset it, or start workers for that "
            "Redis (see deploy/README.md)"
        )
    return _ensure(settings, announce, pools=True)


def status(settings: Settings) -> StackState | None:
    """The running stack of this home."""
    return running(Place.of(settings.home))


def down(settings: Settings, announce: Announce) -> bool:
    """Stop the stack of this home in order and clear what was left of earlier ones; returns whether one ran."""
    from orchestrator.local import processes  # psutil: verbs that only `find` do without

    place = Place.of(settings.home)
    if not place.home.exists():
        return False
    with _exclusively(place):
        state = running(place)
        if state is not None:
            if state.flower_url is not None:
                announce("Stopping the stack; stages under way may take up to 30 s to end …")
            _stop(place, state)
        left = processes.sweep(place.marker())
        _clear(place)
    return state is not None or left > 0


def _ensure(settings: Settings, announce: Announce, *, pools: bool) -> tuple[StackState, bool]:
    place = Place.of(settings.home)
    found = running(place)
    if found is not None and (found.flower_url is not None or not pools) and not (pools and _is_older(found)):
        return _noting_release(found, announce), False
    if pools:
        _require_workers()
    place.prepare()
    with _exclusively(place):
        found = running(place)
        if found is not None and pools and _is_older(found):
            announce(f"The running stack is of Cyclery {found.release}: restarting it with {version('cyclery')} …")
            _stop(place, found)
            found = running(place)
        if found is None:
            announce(f"Starting {'the stack' if pools else 'Redis'} in {place.home} …")
            _launch(place, settings, full=pools)
        elif pools and found.flower_url is None:
            announce(f"Starting the pools in {place.home} …")
            _complete(place, found)
        else:
            return found, False  # somebody else started it while we waited
        state = running(place)
    if state is None:
        raise Unreachable(f"the stack ended as soon as it had started: see {place.log('supervisor')}")
    return state, True


def _launch(place: Place, settings: Settings, *, full: bool) -> None:
    """Start the supervisor, detached, and wait for its report."""
    from orchestrator.local.processes import MARKER, await_end

    # The warden of a killed supervisor clears away all that belongs to this home: it would take the next one with it.
    await_end(place.marker(), "orchestrator.local.warden", _WARDEN_PATIENCE)
    # SPT_NOENV: where the setproctitle package is installed, Celery's titles would be written over the environment.
    reader, writer = os.pipe()
    command = [sys.executable, "-P", "-m", "orchestrator.local.supervisor", str(place.home), "--report", str(writer)]
    with place.log("supervisor").open("ab") as log:
        process = subprocess.Popen(
            command if full else [*command, "--redis-only"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment(settings), MARKER: place.marker(), "SPT_NOENV": "1"},
            start_new_session=True,  # a Ctrl-C in this terminal is not meant for it
            pass_fds=(writer,),
        )
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()  # until the supervisor has reported, or died
    if not said:
        raise Unreachable(
            f"the stack's supervisor died while starting ({process.wait()}): see {place.log('supervisor')}"
        )
    problem = json.loads(said)["problem"]
    if problem is not None:
        process.wait(10)
        raise Unreachable(problem)
    process.returncode = 0  # it lives on by itself: Popen is not to warn that it does


def _complete(place: Place, state: StackState) -> None:
    """Have a stack that is only a Redis start the rest."""
    os.kill(state.pid, signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while (now := running(place)) is not None and now.flower_url is None:
        if time.monotonic() > deadline:
            raise Unreachable(f"the stack does not answer: `cyclery down`, then try again ({place.log('supervisor')})")
        time.sleep(0.02)


def _stop(place: Place, state: StackState) -> None:
    from orchestrator.local.processes import is_alive

    if is_alive(state.pid, state.identity):
        os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_PATIENCE
    while is_held(place.running) and time.monotonic() < deadline:
        time.sleep(0.02)


def _clear(place: Place) -> None:
    """Remove what a killed stack could not remove itself."""
    for left in (place.state, place.running):
        left.unlink(missing_ok=True)
    socket = place.socket()
    if socket is not None:
        socket.unlink(missing_ok=True)
        if socket.parent != place.redis:
            socket.parent.rmdir()


def _exclusively(place: Place) -> Lock:
    busy = f"{place.home}: another `cyclery up` or `down` is at work; try again when it has ended"
    return Lock(place.starting, _START_PATIENCE, busy)


def _require_workers() -> None:
    missing = [name for name in _HEAVY if not _is_installed(name)]
    if missing:
        raise Unreachable(
            f"the pools need {', '.join(missing)}, which this environment does not have: pip install 'cyclery[workers]'"
        )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of its parent
        return False


def _is_older(state: StackState) -> bool:
    """Whether an older release started it, so that this one may take its place; never the other way round."""
    return Version(state.release) < Version(version("cyclery"))


def _noting_release(state: StackState, announce: Announce) -> StackState:
    own = version("cyclery")
    if state.release != own:
        renew = "`cyclery up` renews it" if _is_older(state) else "use that release, or `cyclery down` and `up`"
        announce(f"The running stack is of Cyclery {state.release}, this is {own}: {renew}")
    return state


def _reaching(settings: Settings, state: StackState) -> Settings:
    return settings.model_copy(update={"redis_url": SecretStr(state.redis_url)})


def environment(settings: Settings) -> dict[str, str]:
    """The settings as variables, so that every process of the stack has them whatever its working directory."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    if settings.store is not None and "://" not in settings.store:
        values["store"] = Path(settings.store).absolute()
    return {f"CYCLERY_{name.upper()}": _spelled(value) for name, value in values.items() if value is not None}


def _spelled(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.absolute() if isinstance(value, Path) else value)

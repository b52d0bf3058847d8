"""The supervisor: one detached process that starts the stack, starts again what dies, and stops it in order."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from orchestrator.contracts.errors import CycleryError, Unreachable
from orchestrator.local import programs, redis_server
from orchestrator.local.child import Child, Program
from orchestrator.local.lock import Lock
from orchestrator.local.place import Place
from orchestrator.local.ports import remembered_port
from orchestrator.local.processes import identity, sweep
from orchestrator.local.state import StackState, read_state, write_state
from orchestrator.local.warden import Warden

_TICK = 1.0  # seconds between two looks, unless a signal comes first
_LOAD_PATIENCE = 600.0  # for Redis to read its file
_REDIS_PATIENCE = 30.0  # for Redis to write its file
_IDLE = 60.0  # a Redis that was started for a reader stops when nobody has asked for so long
_FLOWER_PORTS = range(5555, 5575)

_NOTICED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1)


class Supervisor:
    """The tree of one home; `rest` gives the programs that run beside Redis, with Flower's address."""

    def __init__(self, place: Place, rest: Callable[[str], tuple[Sequence[Program], str]], *, full: bool) -> None:
        self.place = place
        self.rest = rest
        self.marker = place.marker()  # now: the home may be removed under us
        self.full = full
        self.address = redis_server.address(place)
        log = place.log("redis")
        self.redis = Child(Program("redis", tuple(redis_server.command(place, self.address)), log, _REDIS_PATIENCE))
        self.others: list[Child] = []
        self.flower_url: str | None = None
        self._pending: set[int] = set()
        self._wake = os.pipe()
        self._idle_since: float | None = None

    def run(self, report: Callable[[str | None], None]) -> None:
        """Live until told to stop; `report` is called once: with None when Redis accepts, else with the problem."""
        sweep(self.marker)
        self._listen()
        warden = Warden(self.place)
        try:
            self._begin()
        except CycleryError as problem:
            self.redis.await_stop(0)
            warden.dismiss()
            report(str(problem))
            return
        report(None)
        while True:
            self._drain()  # before the look: a signal that comes later is seen by `select`
            if self._asked_to_stop():
                break
            if not warden.alive:
                warden.dismiss()
                warden = Warden(self.place)
            self._tend()
            select.select([self._wake[0]], [], [], _TICK)
        self._stop()
        warden.dismiss()

    def _listen(self) -> None:
        for end in self._wake:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        for number in _NOTICED:
            signal.signal(number, lambda got, _: self._pending.add(got))

    def _begin(self) -> None:
        """Start Redis, wait until it accepts, and send the others on their way."""
        self.redis.start()
        deadline = time.monotonic() + _LOAD_PATIENCE
        while not redis_server.answers(self.address):
            if not self.redis.alive or time.monotonic() > deadline:
                raise Unreachable(f"Redis did not start: {_last_line(self.redis.program.log)}")
            time.sleep(0.01)
        if self.full:
            self._start_rest()
        self._publish()

    def _start_rest(self) -> None:
        self.full = True
        found, self.flower_url = self.rest(self.address.url)
        self.others = [Child(program) for program in found]
        for child in self.others:
            child.start()

    def _tend(self) -> None:
        """Look after every process once."""
        if signal.SIGUSR1 in self._pending and not self.full:
            self._start_rest()
            self._publish()
        now = time.monotonic()
        changed = [child.tend(now) for child in (self.redis, *self.others)]
        if any(changed):
            self._publish()
        for child in (self.redis, *self.others):
            child.trim()

    def _asked_to_stop(self) -> bool:
        if self._pending & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
            return True
        described = read_state(self.place)
        if described is None or described.pid != os.getpid():
            return True  # the home was removed or given to another: nobody could find this stack any more
        return not self.full and self._is_idle()

    def _is_idle(self) -> bool:
        """Whether nobody has used a Redis without pools for a while."""
        now = time.monotonic()
        try:
            alone = "connected_clients:1\r" in redis_server.ask(self.address, "INFO", "clients")
        except OSError:
            alone = False
        if not alone or self._idle_since is None:
            self._idle_since = now
        return now - self._idle_since > _IDLE

    def _stop(self) -> None:
        """Pools first, so that stages can end and say so; then who serves them; Redis last, its file flushed."""
        for child in self.others:
            child.ask_to_stop()
            child.await_stop(child.program.patience)
        try:
            redis_server.ask(self.address, "SHUTDOWN", timeout=_REDIS_PATIENCE)
        except OSError:
            self.redis.ask_to_stop()  # it does not listen
        self.redis.await_stop(_REDIS_PATIENCE)
        sweep(self.marker)
        if self.address.socket is not None:
            self.address.socket.unlink(missing_ok=True)
            if self.address.socket.parent != self.place.redis:
                self.address.socket.parent.rmdir()
        self.place.state.unlink(missing_ok=True)

    def _publish(self) -> None:
        if not self.place.home.exists():
            return
        known = identity(os.getpid())
        assert known is not None  # noqa: S101
        states = tuple(child.state() for child in (self.redis, *self.others))
        write_state(
            self.place,
            StackState(os.getpid(), known, version("cyclery"), self.address.url, self.flower_url, states),
        )

    def _drain(self) -> None:
        try:
            while os.read(self._wake[0], 1024):
                continue
        except BlockingIOError:
            return


def standard(place: Place, sizes: tuple[str, ...], umask: int) -> Callable[[str], tuple[Sequence[Program], str]]:
    """The programs of a full stack, once Redis's URL is known; `umask` is of those that write the store."""

    def rest(redis_url: str) -> tuple[Sequence[Program], str]:
        port = remembered_port(place.home / "flower.port", *_FLOWER_PORTS)
        reach = {"CYCLERY_REDIS_URL": redis_url}
        found = (
            replace(programs.pools(place, reach, sizes), umask=umask),
            replace(programs.service(place, reach), umask=umask),
            programs.flower(place, reach, port),
        )
        return found, f"http://127.0.0.1:{port}"

    return rest


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else f"nothing in {log}"


def main() -> None:
    """`python -m orchestrator.local.supervisor HOME --report FD [--redis-only] POOL:SIZE…`."""
    parser = argparse.ArgumentParser(prog="orchestrator.local.supervisor")
    parser.add_argument("home", type=Path)
    parser.add_argument("sizes", nargs="*")
    parser.add_argument("--report", type=int, required=True)
    parser.add_argument("--redis-only", action="store_true")
    arguments = parser.parse_args()

    def report(problem: str | None) -> None:
        os.write(arguments.report, json.dumps({"problem": problem}).encode())
        os.close(arguments.report)

    place = Place(arguments.home)
    umask = os.umask(0o077)  # logs and what Redis writes are nobody else's business; a store may be shared
    try:
        with Lock(place.running, patience=30, busy=f"{place.home}: another stack is running"):
            supervisor = Supervisor(
                place,
                standard(place, tuple(arguments.sizes) or programs.default_sizes(), umask),
                full=not arguments.redis_only,
            )
            supervisor.run(report)
    except CycleryError as problem:
        report(str(problem))


if __name__ == "__main__":
    main()

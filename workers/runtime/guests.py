"""Guests as a pool's child sees them: started, kept warm, called, stopped and replaced."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from orchestrator.contracts.calls import Code
from orchestrator.contracts.errors import CycleryError, InvalidInput, UserCodeError
from orchestrator.contracts.records import StageError
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.snapshots import code_folder
from workers.runtime.channel import Channel, ChannelClosed, ChannelGarbled
from workers.runtime.interruption import StageCancelled
from workers.runtime.job import Job, Outcome
from workers.runtime.process_tree import descendants, resident
from workers.runtime.requirements import check_requirements
from workers.runtime.running import Running
from workers.runtime.scratch import new_scratch

WARM = 2  # guests that one child keeps
GROWTH = 512 << 20  # bytes of memory that a guest may gain before it is replaced
LAST_WORD_S = 1.0  # from a closed channel to the end of the process
POLL_S = 0.5  # a guest's own child may hold the channel open after its death
HIDDEN_SETTINGS = ("CYCLERY_REDIS_URL",)  # no business of a team's code


class GuestFailed(CycleryError):
    """A stage failed inside its guest; `error` says how, `outage` whether of what surrounds it."""

    def __init__(self, error: StageError, *, outage: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.outage = outage


class GuestKilled(UserCodeError):
    """Somebody killed the guest, an administrator or the host's lack of memory: nothing is known about the stage."""


class GuestProcess(Protocol):
    """A process, however it was started."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def wait(self) -> int:
        """The exit code, once there is one."""


Start = Callable[[socket.socket, dict[str, str]], GuestProcess]


def start_process(channel: socket.socket, environment: dict[str, str]) -> GuestProcess:
    """A guest as a new interpreter, where there is no nursery: it takes a second or more to import what it needs."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "workers.runtime.guest", str(channel.fileno())],
        pass_fds=(channel.fileno(),),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )


class Guest:
    """One process for one snapshot of a team's code, the leader of its own process group."""

    def __init__(self, snapshot: Path, settings: Settings, start: Start) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if name not in HIDDEN_SETTINGS}
        with theirs, _held_back(signal.SIGUSR1, signal.SIGUSR2):
            self.process = start(theirs, environment)
        self.channel = Channel(ours)
        with contextlib.suppress(ChannelClosed):  # it ended at once: whoever asks it first tells how
            self.channel.send({"snapshot": str(snapshot), "settings": _open_settings(settings)})
        self.baseline: int | None = None  # memory after the first stage, bytes

    def signal(self, number: int) -> None:
        """Send a signal to the guest itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End the guest with everything that it started."""
        family = self.family()
        for end, number in ((os.killpg, self.process.pid), *((os.kill, pid) for pid in family)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(number, signal.SIGKILL)

    def close(self) -> None:
        """End the guest and forget it."""
        self.kill()
        self.channel.close()
        self.process.wait()

    def family(self) -> list[int]:
        """Processes that the guest's code started and that still run."""
        return descendants(self.process.pid)

    def memory(self) -> int:
        """Resident memory of the guest and of what it started, bytes."""
        return sum(resident(pid) for pid in (self.process.pid, *self.family()))

    def grown(self) -> bool:
        """Whether it holds much more memory than after its first stage."""
        used = self.memory()
        if self.baseline is None:
            self.baseline = used
        return used > self.baseline + GROWTH

    def was_killed(self) -> bool:
        """Whether its silence is that of a killed process; asked before this one kills it."""
        deadline = time.monotonic() + LAST_WORD_S
        while (code := self.process.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.01)  # its channel closes a moment before its end is known
        return code == -signal.SIGKILL

    def ended(self) -> str:
        """How the process ended, in words."""
        code = self.process.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (" (the host may have run out of memory)" if name == "SIGKILL" else "")


class Guests:
    """The warm guests of one child, least recently used first."""

    def __init__(self, settings: Settings, store: ArtifactStore, node: str, start: Start = start_process) -> None:
        self._start = start
        self.settings = settings
        self.store = store
        self.node = node
        self._warm: OrderedDict[str, Guest] = OrderedDict()

    def take(self, code: Code) -> Guest:
        """The guest of this snapshot, started where there is none."""
        folder = code_folder(self.store, code.snapshot)
        guest = self._warm.pop(code.snapshot.digest, None)
        if guest is not None and guest.process.poll() is not None:
            guest.close()
            guest = None
        while len(self._warm) >= WARM:
            self._warm.popitem(last=False)[1].close()
        if guest is None:
            guest = Guest(folder, self.settings, self._start)
        self._warm[code.snapshot.digest] = guest
        return guest

    def drop(self, guest: Guest) -> None:
        """End a guest that cannot be used again."""
        for digest, known in list(self._warm.items()):
            if known is guest:
                del self._warm[digest]
        guest.close()

    def close(self) -> None:
        """End all guests."""
        for guest in list(self._warm.values()):
            self.drop(guest)


class GuestBody:
    """A guest as the body of one stage: the child waits for it, and ends it when it must."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._guest: Guest | None = None

    def run(self, job: Job, running: Running) -> Outcome:
        """Have the guest run the stage.

        Raises GuestFailed for what its code did, GuestKilled when it was killed, and UserCodeError when it died.
        """
        code = job.call.code
        if code is None:
            raise InvalidInput(f"{job.place} has no code to run: submit the workflow again")
        check_requirements(code.requires, job.call.id, self._guests.node)
        guest = self._guests.take(code)
        self._guest = guest
        if running.cancelled:  # asked to stop while there was no guest to tell
            raise StageCancelled
        scratch = new_scratch(self._guests.settings.cache_path)
        try:
            guest.channel.send({"job": job.model_dump(mode="json"), "scratch": str(scratch), "node": self._guests.node})
            answer = self._answer(guest, running)
            result = _result(answer)
        except ChannelClosed as error:
            killed = guest.was_killed()
            guest.kill()
            how = guest.ended()
            self._guests.drop(guest)
            if isinstance(error, ChannelGarbled):
                how = "wrote into the channel to its worker: let it use no file descriptor that it did not open"
            kind = GuestKilled if killed else UserCodeError
            raise kind(f"{job.place}: the process that ran its code {how}: see `cyclery logs`") from None
        signalled = running.cancelled or running.soft_done  # a late signal must not meet the next stage
        if signalled or answer.get("recycle") or guest.family() or guest.grown():
            self._guests.drop(guest)
        if isinstance(result, StageError):
            raise GuestFailed(result, outage=bool(answer.get("outage")))
        return result

    def soft_limit(self) -> None:
        """Raise StageTimeout inside the stage."""
        if self._guest is not None:
            self._guest.signal(signal.SIGUSR2)

    def stop(self) -> None:
        """Raise StageCancelled inside the stage."""
        if self._guest is not None:
            self._guest.signal(signal.SIGUSR1)

    def kill(self, running: Running) -> None:  # noqa: ARG002  (the child reports by itself when the guest is gone)
        """End the guest at once, with everything that it started."""
        if self._guest is not None:
            self._guest.kill()

    def memory(self) -> int:
        """Resident memory of the guest and of what it started, bytes."""
        return self._guest.memory() if self._guest is not None else 0

    def _answer(self, guest: Guest, running: Running) -> dict[str, Any]:
        """The last message of the guest; on the way it tells its progress."""
        while True:
            while not select.select([guest.channel], [], [], POLL_S)[0]:
                if guest.process.poll() is not None:
                    raise ChannelClosed
            message = guest.channel.receive()
            if "progress" not in message:
                return message
            running.progress(_share(message["progress"]))


def _result(answer: dict[str, Any]) -> Outcome | StageError:
    try:
        if "error" in answer:
            return StageError.model_validate(answer["error"])
        return Outcome.model_validate(answer["outcome"])
    except (KeyError, ValueError) as error:
        raise ChannelGarbled from error


def _share(told: object) -> float:
    if isinstance(told, int | float) and 0 <= told <= 1:
        return float(told)
    raise ChannelGarbled


@contextlib.contextmanager
def _held_back(*signals: signal.Signals) -> Iterator[None]:
    """A process that starts here gets these signals only once it has unblocked them: its handlers are in place then."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _open_settings(settings: Settings) -> dict[str, Any]:
    """What a guest needs to reach the store; it travels through the private channel only."""
    told = settings.model_dump(mode="json", exclude={"redis_url", "store_secret"})
    secret = settings.store_secret.get_secret_value() if settings.store_secret else None
    return told | {"store_secret": secret}

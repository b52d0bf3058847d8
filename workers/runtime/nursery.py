"""The nursery: a process with the heavy libraries loaded and nothing else, which forks guests in milliseconds.

    python -P -m workers.runtime.nursery FD    (a pool's main process forks it instead)

A pool's children cannot fork guests themselves: they hold threads and connections, and libraries that have computed in
parallel do not survive a fork. The nursery is forked (or started) before anything of that kind exists. It ends a guest
whose child has died, and itself with the pool.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import random
import select
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

from workers.runtime.process_tree import (
    adopt_orphans,
    alive,
    children,
    descendants,
    end_with_parent,
    wakeup_pipe,
)
from workers.runtime.threads import pin_threads

LOOK_EVERY_S = 0.5
LARGEST = 1 << 17  # bytes of a request: the environment of a process
_DESCRIPTORS = 4  # channel, standard output, standard error, status


class NurseryProcess:
    """A guest that the nursery forked, as far as its child must know it."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._code: int | None = None
        self._text = b""
        while b"\n" not in self._text and self._read():
            pass
        line, _, self._text = self._text.partition(b"\n")
        if not line:
            raise ConnectionResetError("the nursery ended")
        self.pid = int(line)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        while self._code is None and select.select([self._status], [], [], 0)[0]:
            self._read()
        return self._code

    def wait(self) -> int:
        """The exit code, once there is one."""
        while self._code is None:
            self._read()
        return self._code

    def _read(self) -> bool:
        """Take what the nursery tells; the exit code is its last word, and its silence is its death."""
        data = os.read(self._status, 64)
        self._text += data
        if not data:
            self._code = int(self._text) if self._text.strip() else -signal.SIGKILL
            os.close(self._status)
        return bool(data)


@dataclass(frozen=True, slots=True)
class Nursery:
    """The children's end of the nursery's socket; several processes may use it at once."""

    requests: socket.socket

    @classmethod
    def fork(cls) -> Nursery:
        """Fork a nursery off this process, which must have neither threads nor connections."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        if os.fork() == 0:
            ours.close()
            end_with_parent(signal.SIGKILL, parent)
            _serve(theirs)
        theirs.close()
        return cls(ours)

    def start(self, channel: socket.socket, environment: dict[str, str], processes: int) -> NurseryProcess:
        """A new guest on this end of a channel, with this process's output as its own.

        Raises OSError when the nursery is gone.
        """
        told, status = os.pipe()
        request = {"owner": os.getpid(), "environment": environment, "processes": processes}
        descriptors = array.array("i", [channel.fileno(), 1, 2, status])
        try:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
            self.requests.sendmsg([json.dumps(request).encode()], ancillary)
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(status)
        return NurseryProcess(told)


@dataclass(frozen=True, slots=True)
class _Ward:
    """A guest and whom to tell of its end."""

    owner: int
    status: int


class _Keeper:
    """The nursery's own side."""

    def __init__(self, requests: socket.socket) -> None:
        self.requests = requests
        self.wards: dict[int, _Ward] = {}
        self.reader, self.writer = wakeup_pipe()

    def run(self) -> None:
        """Fork, reap and look after guests until nobody can ask for more."""
        adopt_orphans()
        signal.set_wakeup_fd(self.writer)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop
        for number in (signal.SIGINT, signal.SIGTERM):  # it ends with its pool
            signal.signal(number, signal.SIG_IGN)
        # Guests unblock these once their handlers are in place.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1, signal.SIGUSR2))
        open_ = True
        while open_:
            ready = select.select([self.requests.fileno(), self.reader], [], [], LOOK_EVERY_S)[0]
            if self.reader in ready:
                os.read(self.reader, 4096)
            if self.requests.fileno() in ready:
                open_ = self._take()
            self._reap()
            self._end_orphans()
            self._end_strays()
        for pid in self.wards:
            _end(pid)

    def _take(self) -> bool:
        data, ancillary, _, _ = self.requests.recvmsg(LARGEST, socket.CMSG_SPACE(4 * _DESCRIPTORS))
        if not data:
            return False
        descriptors = array.array("i")
        for _, _, item in ancillary:
            descriptors.frombytes(item[: len(item) - len(item) % descriptors.itemsize])
        channel, out, error, status = descriptors
        request = json.loads(data)
        pid = os.fork()
        if pid == 0:
            os.close(status)
            _become_guest(self, channel, (out, error), request)
        for descriptor in (channel, out, error):
            os.close(descriptor)
        self.wards[pid] = _Ward(request["owner"], status)
        _tell(status, f"{pid}\n")
        return True

    def _reap(self) -> None:
        while True:
            try:
                pid, result = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            ward = self.wards.pop(pid, None)
            if ward is not None:
                _tell(ward.status, str(os.waitstatus_to_exitcode(result)))
                os.close(ward.status)

    def _end_orphans(self) -> None:
        for pid, ward in self.wards.items():
            if not alive(ward.owner):
                _end(pid)

    def _end_strays(self) -> None:
        """What guests left behind when they were killed themselves: it fell to the nursery, which has no other."""
        for pid in children(os.getpid()):
            if pid not in self.wards:
                _end(pid)


def _become_guest(keeper: _Keeper, channel: int, outputs: tuple[int, int], request: dict[str, Any]) -> NoReturn:
    """The fork's side: forget the nursery, be a guest."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        keeper.requests.close()
        for ward in keeper.wards.values():
            os.close(ward.status)
        os.setsid()
        _redirect(*outputs)
        os.environ.clear()
        os.environ.update(request["environment"])
        pin_threads(request["processes"])
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        from workers.runtime.guest import main

        main(channel)
    finally:
        os._exit(1)


def _redirect(out: int, error: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (error, 2)):
        os.dup2(source, target)
        os.close(source)


def _tell(status: int, text: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the child is gone; its guest follows
        os.write(status, text.encode())


def _end(pid: int) -> None:
    family = [pid, *descendants(pid)]  # a stray leads no group
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for one in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)


def _serve(requests: socket.socket) -> NoReturn:
    try:
        _Keeper(requests).run()
    finally:
        os._exit(0)


if __name__ == "__main__":
    end_with_parent(signal.SIGKILL)
    _serve(socket.socket(fileno=int(sys.argv[1])))

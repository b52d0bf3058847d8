"""A relay in front of a TCP server: delay, which this kernel may have no netem for, and connections that go silent."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path


class Relay:
    """Passes bytes between whoever connects and a server, later or not at all while it is told so."""

    def __init__(self, connect: Callable[[], socket.socket], address: str = "127.0.0.1") -> None:
        self._connect = connect
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay_s = 0.0  # of each piece, in each way
        self._open = threading.Event()  # bytes pass
        self._open.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def to_unix(cls, path: Path, address: str = "127.0.0.1") -> Relay:
        """A relay to a Unix socket."""

        def connect() -> socket.socket:
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(path))
            return upstream

        return cls(connect, address)

    def hold(self) -> None:
        """Nothing passes, and nobody is told: connections are half open."""
        self._open.clear()

    def heal(self) -> None:
        """Everything passes at once again."""
        self.delay_s = 0.0
        self._open.set()

    def forget(self) -> None:
        """The connections so far never pass another byte, though they stay open; new ones do, when they may."""

    def close(self) -> None:
        """End all connections, and take no more."""
        self._closed = True
        self._open.set()
        for one in (self._listener, *(end for pair in self._pairs for end in pair)):
            _end(one)

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
                far = self._connect()
            except OSError:  # the relay is closed, or its server away: whoever connected is hung up on
                with contextlib.suppress(UnboundLocalError):
                    _end(near)
                continue
            pair = (near, far)
            self._pairs.append(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                if self.delay_s:
                    time.sleep(self.delay_s)
                sink.sendall(data)
        for one in (source, sink):
            _end(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()

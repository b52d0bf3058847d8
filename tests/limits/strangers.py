"""What may stand where a Redis should: somebody who speaks another protocol, who says nothing, or who is full."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>"
SSH = b"SSH-2.0-OpenSSH_9.2p1\r\n"
POLITE = b"+OK\r\n"  # to whatever one says


@contextlib.contextmanager
def answering_with(words: bytes) -> Iterator[int]:
    """A port where everything that is said is answered with these words."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, words), daemon=True).start()
        yield server.getsockname()[1]


@contextlib.contextmanager
def saying_nothing() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def dropping() -> Iterator[int]:
    """A port whose host drops what is sent there: the queue of connections is full, so the next gets no answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def _serve(server: socket.socket, words: bytes) -> None:
    with contextlib.suppress(OSError):  # closed by the test
        while True:
            line, _ = server.accept()
            threading.Thread(target=_answer, args=(line, words), daemon=True).start()


def _answer(line: socket.socket, words: bytes) -> None:
    with line, contextlib.suppress(OSError):
        if words is SSH:
            line.sendall(words)
        while line.recv(4096):
            line.sendall(words)

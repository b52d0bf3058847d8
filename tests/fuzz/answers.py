"""HTTP answers: of a server that says that it is S3, which is all that Cyclery asks over HTTP."""

from __future__ import annotations

import atexit
import contextlib
import socket
import threading
from collections.abc import Callable
from functools import cache

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.store.artifacts import ArtifactStore
from tests.fuzz import place
from tests.fuzz.contract import Broken, target

REF = ArtifactRef(kind=Kind.FILE, digest="sha256:" + "1" * 64, size=5)
ASK: tuple[Callable[[ArtifactStore], object], ...] = (
    lambda store: store.get_record("manifests/run.json"),
    lambda store: list(store.records("manifests/")),
    lambda store: store.has(REF.digest),
    lambda store: store.fetch(REF),
    lambda store: store.put_record("audit/1.json", b"{}"),
    lambda store: list(store.digests()),
)


@target
def s3_answer(data: bytes) -> None:
    """The first byte says what is asked, the rest is what the server answers, again and again."""
    if data:
        _server().answer = data[1:]
        answered = ASK[data[0] % len(ASK)](_store())
        if data[0] % len(ASK) == 3:
            raise Broken(f"bytes of another digest were taken for the artifact: {answered}")


class _Liar:
    """A server on loopback that answers every request with the same bytes, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        atexit.register(self._socket.close)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        head = b""
        while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
            head += more
        connection.sendall(self.answer)
        connection.shutdown(socket.SHUT_WR)


@cache
def _server() -> _Liar:
    return _Liar()


@cache
def _store() -> ArtifactStore:
    address = f"http://127.0.0.1:{_server().port}"
    told = {"endpoint": address, "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
    return ArtifactStore("s3://bucket/prefix", place.folder() / "remote", 2**30, told)

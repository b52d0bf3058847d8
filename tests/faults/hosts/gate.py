"""A gate in front of an S3 server that answers as a sick store would: late, half, garbled, with errors, not at all."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from tests.servers import S3Server

Sickness = Literal["well", "error", "half", "garbled", "reset", "slow"]
SICKNESSES: tuple[Sickness, ...] = ("error", "half", "garbled", "reset", "slow")
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class StoreGate:
    """Stands between stores' clients and an S3 server; `sickness` is how it answers from now on."""

    def __init__(self, server: S3Server, address: str = "127.0.0.1") -> None:
        self.server, self.address = server, address
        self.sickness: Sickness = "well"
        self._cured = threading.Event()
        self.slow_s = 1.0
        self.only = ""  # paths with this in them; the others are answered well
        self.answered = 0  # requests that met the sickness
        self._http = _Server((address, 0), self._handler())
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """What CYCLERY_STORE_ENDPOINT would hold."""
        return f"http://{self.address}:{self._http.server_address[1]}"

    def settings(self) -> dict[str, str]:
        """CYCLERY_* variables of whoever uses the store through this gate."""
        return {
            "CYCLERY_STORE_ENDPOINT": self.endpoint,
            "CYCLERY_STORE_REGION": "us-east-1",
            "CYCLERY_STORE_KEY_ID": "test",
            "CYCLERY_STORE_SECRET": "test",
        }

    def heal(self) -> None:
        """Answer well again."""
        self.sickness, self.only = "well", ""
        self._cured.set()

    def close(self) -> None:
        """Answer nothing any more."""
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                gate.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """Ask the server, and pass on what it says in the way of the sickness."""
        body = asked.rfile.read(int(asked.headers.get("content-length") or 0))
        sickness: Sickness = self.sickness if self.only in asked.path else "well"
        if sickness != "well":
            self.answered += 1
        if sickness == "reset":
            _reset(asked.connection)
            asked.close_connection = True
            return
        if sickness == "slow":
            self._cured.clear()
            self._cured.wait(self.slow_s)
        if sickness == "error":
            _write(asked, 500, [], b"<Error><Code>InternalError</Code></Error>")
            return
        status, headers, data = self._ask(asked, body)
        if sickness == "garbled" and data:
            data = data[:-1] + bytes([data[-1] ^ int.from_bytes(struct.pack("B", 1 + self.answered % 250))])
        if sickness == "half" and len(data) > 1:
            _write(asked, status, headers, data[: len(data) // 2], length=len(data))
            asked.close_connection = True
            return
        _write(asked, status, headers, data)

    def _ask(self, asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            upstream.request(asked.command, asked.path, body, dict(asked.headers.items()))
            answer = upstream.getresponse()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            if asked.command == "HEAD":
                headers.append(("Content-Length", answer.getheader("content-length") or "0"))
            return answer.status, headers, answer.read()
        finally:
            upstream.close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Who asked has hung up: nobody need know."""


def _write(
    asked: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], data: bytes, length: int | None = None
) -> None:
    asked.send_response_only(status)
    for name, value in headers:
        asked.send_header(name, value)
    if asked.command != "HEAD":
        asked.send_header("Content-Length", str(len(data) if length is None else length))
    asked.end_headers()
    if asked.command != "HEAD":
        asked.wfile.write(data)


def _reset(connection: socket.socket) -> None:
    """Close with RST, as a crashed peer does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RD)

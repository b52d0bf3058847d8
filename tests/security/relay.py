"""A door in front of a Redis: it passes bytes on, under TLS when it is given a context, and knows who came by it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass, field

PIECE = 1 << 16


@dataclass
class Relay:
    """A loopback port whose connections go on to another one, all in one thread of its own."""

    upstream: int
    tls: ssl.SSLContext | None = None
    port: int = 0
    peers: set[int] = field(default_factory=set)  # our own ports towards the upstream: who a connection is, there

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # handshakes that clients refuse are what tests are about
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(30)

    def close(self) -> None:
        """Cut every connection and take no more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _run(self, ready: threading.Event) -> None:
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls, backlog=64)
        )
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(_cancel_all())
        self._loop.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            self.peers.add(far_writer.get_extra_info("sockname")[1])
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    """All that one side says, to the other; which is then told that it ended."""
    try:
        with contextlib.suppress(OSError):
            while piece := await source.read(PIECE):
                sink.write(piece)
                await sink.drain()
    finally:
        sink.close()

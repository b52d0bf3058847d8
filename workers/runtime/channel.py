"""Framed JSON between a pool's child and its guest: four bytes of length, then the message."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct(">I")
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode  # a stage may replace what a module holds, json.dumps too
LARGEST = 64 << 20  # bytes; messages hold references, never data


class ChannelClosed(Exception):
    """The other side is gone."""


class ChannelGarbled(ChannelClosed):
    """What came is none of the other side's messages: somebody else writes into the channel."""


class Channel:
    """One end of a socket pair."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message, whole."""
        data = _ENCODE(message).encode()
        try:
            self._socket.sendall(_LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise ChannelClosed from error

    def receive(self) -> dict[str, Any]:
        """The next message; waits for it."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > LARGEST:
            raise ChannelGarbled
        data = self._exactly(length)
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ChannelGarbled from error
        if not isinstance(message, dict):
            raise ChannelGarbled
        return message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < size:
            try:
                piece = self._socket.recv(size - len(pieces))
            except OSError as error:
                raise ChannelClosed from error
            if not piece:
                raise ChannelClosed
            pieces += piece
        return bytes(pieces)

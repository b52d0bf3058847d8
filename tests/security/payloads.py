"""What attackers send: pickles that run, bombs that grow, trees without end. Harmless in a test: they touch a file."""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import pickle
import secrets
import zlib
from pathlib import Path
from typing import Any

BOMB_BYTES = 1200 << 20  # what a bomb unpacks to: more than a process may come to hold in the tests


class Touch:
    """Unpickled it makes the file, which tells that somebody unpickled it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def evil_pickle(marker: Path, protocol: int = 2) -> bytes:
    """A pickle that makes the marker when it is loaded."""
    return pickle.dumps(Touch(marker), protocol)


def evil_yaml(marker: Path) -> str:
    """A YAML document that makes the marker when an unsafe loader reads it."""
    return f"!!python/object/apply:os.mkdir ['{marker}']"


def zlib_bomb(size: int = BOMB_BYTES) -> bytes:
    """Zeros, deflated: a thousandth of their size."""
    packer = zlib.compressobj(9)
    piece = bytes(1 << 24)
    return b"".join(packer.compress(piece) for _ in range(size >> 24)) + packer.flush()


def bz2_bomb(size: int = BOMB_BYTES) -> bytes:
    """Zeros, which bz2 makes a millionth of."""
    packer = bz2.BZ2Compressor()
    piece = bytes(1 << 24)
    return b"".join(packer.compress(piece) for _ in range(size >> 24)) + packer.flush()


def message(
    body: bytes | str,
    *,
    content_type: str = "application/json",
    encoding: str = "utf-8",
    task: str = "ops.probe",
    queue: str = "prep",
    headers: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A message as kombu's Redis transport keeps it; bytes are sent in base64, as kombu does."""
    named = secrets.token_hex(8)
    coded = {"body_encoding": "base64"} if isinstance(body, bytes) else {}
    return {
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "content-type": content_type,
        "content-encoding": encoding,
        "headers": {"lang": "py", "task": task, "id": named, "root_id": named, "parent_id": None, "group": None}
        | (headers or {}),
        "properties": {
            "correlation_id": named, "reply_to": "", "delivery_mode": 2, "priority": 0, "delivery_tag": named,
            "delivery_info": {"exchange": "", "routing_key": queue},
        } | coded | (properties or {}),
    }  # fmt: skip


def call(kwargs: Any, args: Any = ()) -> str:
    """The body of a task message: what our doorbells have, with any arguments."""
    return json.dumps([list(args), kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])


def nested(depth: int) -> str:
    """A JSON list in a list in a list, and so on."""
    return "[" * depth + "]" * depth


def xz_bomb(size: int = BOMB_BYTES) -> bytes:
    """Zeros, as lzma packs them."""
    packer = lzma.LZMACompressor(preset=0)
    piece = bytes(1 << 24)
    return b"".join(packer.compress(piece) for _ in range(size >> 24)) + packer.flush()

"""The base of every frozen value that is written to Redis, to the store or into a message."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from orchestrator.contracts.errors import InvalidInput

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,199}", re.ASCII)


class Value(BaseModel):
    """A frozen record that refuses unknown keys."""

    # Validators are built when they are first used: the command starts without those that it does not need.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def unsaid(value: object) -> bool:
    """Whether a field that earlier releases do not know says nothing: left out, they can read the rest."""
    return not value


def as_file_name(name: str) -> str:
    """The name, as a file may have it: a record from elsewhere could name a run so that it leads out of a folder."""
    if not _FILE_NAME.fullmatch(name):
        raise InvalidInput(f"{name[:100]!r} is no name of a run or a digest: its record was changed by somebody")
    return name


def canonical(value: Any) -> bytes:
    """One spelling of a JSON value: keys sorted, no blanks, UTF-8; NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: Any) -> str:
    """The SHA-256 of a JSON value's canonical spelling, as `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"


def digest_of_file(path: Path) -> str:
    """The digest of a file's bytes, which are not held in memory. Raises OSError."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether it is spelled as a digest."""
    return _DIGEST.fullmatch(text) is not None

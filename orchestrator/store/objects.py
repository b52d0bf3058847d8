"""Named bytes in a folder or a bucket, over obstore: what the artifact store is built on.

Every error of the library becomes one of ours: a missing object is an answer (`None`), all else is `Unreachable`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from orchestrator.contracts.errors import CycleryError, InvalidInput, Unreachable
from orchestrator.contracts.text import first_line

if TYPE_CHECKING:
    from obstore.store import ObjectStore

REMOTE_SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
TEMPORARY = "tmp"  # below a local root: files that are being written
# An endpoint is named with its scheme by whoever sets it; plain HTTP is for one's own network.
_CLIENT = {"connect_timeout": "3s", "timeout": "60s", "allow_http": True}
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as a listing shows it."""

    path: str
    size: int  # bytes
    modified: datetime


class Objects:
    """One store's objects by path; `root` is its folder when it is local."""

    def __init__(self, url: str, config: dict[str, Any] | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("", "file", *REMOTE_SCHEMES):
            raise InvalidInput(
                f"the store {parts.scheme}://… is of an unknown kind: set CYCLERY_STORE to a folder or s3://BUCKET/PREFIX"
            )
        local = parts.scheme in ("", "file")
        self.root = Path(parts.path if parts.scheme == "file" else url).expanduser().absolute() if local else None
        self.where = str(self.root) if self.root else f"{parts.scheme}://{parts.hostname}{parts.path}"
        self._url = url
        self._config = config or {}
        self._owner: int | None = None  # the process that first used a remote store

    def create(self, path: str, data: bytes) -> bool:
        """Write an object unless there is one of this name; whether it was written."""
        import obstore

        with self._reaching(missing=f"there is no bucket for {self.where}: create it"):
            try:
                obstore.put(self._store, path, data, mode="create")
            except obstore.exceptions.AlreadyExistsError:
                return False
        return True

    def replace(self, path: str, data: bytes) -> None:
        """Write an object, whether or not there is one of this name; readers see the old or the new one."""
        import obstore

        with self._reaching(missing=f"there is no bucket for {self.where}: create it"):
            obstore.put(self._store, path, data)

    def stream(self, path: str, chunks: Iterator[bytes]) -> None:
        """Write a long object piece by piece; when `chunks` raises, nothing is written."""
        import obstore

        if self.root is not None:
            self._stream_local(self.root, path, chunks)
            return
        with self._reaching(missing=f"there is no bucket for {self.where}: create it"):
            obstore.put(self._store, path, chunks)

    def read(self, path: str) -> bytes | None:
        """An object's bytes; None when there is none."""
        import obstore

        return self._find(lambda: bytes(obstore.get(self._store, path).bytes()))

    def read_range(self, path: str, start: int, length: int) -> bytes | None:
        """A part of an object; None when there is no such object."""
        import obstore

        return self._find(lambda: bytes(obstore.get_range(self._store, path, start=start, length=length)))

    def size(self, path: str) -> int | None:
        """An object's size in bytes; None when there is none."""
        import obstore

        return self._find(lambda: obstore.head(self._store, path)["size"])

    def set_aside(self, path: str, name: str) -> None:
        """Move an object below `tmp/`, so that its path is free; it may be gone already."""
        import obstore

        self._find(lambda: obstore.rename(self._store, path, f"{TEMPORARY}/{name}"))

    def delete(self, path: str) -> None:
        """Remove an object; it may be gone already."""
        import obstore

        self._find(lambda: obstore.delete(self._store, path))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All objects below a prefix that ends at a `/`; objects that are being written are not among them."""
        import obstore

        with self._reaching(missing=f"there is no bucket for {self.where}: create it"):
            for batch in obstore.list(self._store, prefix=prefix.rstrip("/") or None):
                for meta in batch:
                    yield Entry(meta["path"], meta["size"], meta["last_modified"])

    def flush(self, path: str) -> None:
        """Make a local object survive a power loss; a remote store has done so when it answered."""
        if self.root is None:
            return
        with self._reaching():
            for target in (self.root / path, (self.root / path).parent):
                descriptor = os.open(target, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    @cached_property
    def _store(self) -> ObjectStore:
        from obstore.store import LocalStore, from_url

        if self.root is not None:
            return LocalStore(self.root, mkdir=True)
        backoff = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=2), "base": 2}
        retry = {"max_retries": 4, "retry_timeout": timedelta(seconds=10), "backoff": backoff}
        options: dict[str, Any] = {"client_options": _CLIENT, "retry_config": retry}
        if self._config:
            options["config"] = self._config
        return from_url(self._url, **options)

    @contextmanager
    def _reaching(self, missing: str | None = None) -> Iterator[None]:
        """Turn the library's errors into ours; `missing` says what a missing parent means."""
        import obstore

        self._refuse_fork()
        try:
            yield
        except CycleryError:
            raise
        except FileNotFoundError as error:
            raise Unreachable(missing or f"the store {self.where} lost an object while it was read") from error
        except (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError) as error:
            raise Unreachable(
                f"the store {self.where} may not be used by this user ({_reason(error)}): give it the right to"
                if self.root is not None
                else f"the store {self.where} refuses the credentials: correct them (AWS_*, CYCLERY_STORE_*)"
            ) from error
        except (obstore.exceptions.BaseError, OSError) as error:
            raise Unreachable(f"the store {self.where} {_complaint(_reason(error))}") from error

    def _refuse_fork(self) -> None:
        """A remote store used before a fork would hang in the child for ever: its threads stayed in the parent."""
        if self.root is not None:
            return
        if self._owner is None:
            self._owner = os.getpid()
        elif self._owner != os.getpid():
            raise RuntimeError(f"the store {self.where} was used before this process forked: open it after the fork")

    def _find(self, ask: Callable[[], Found]) -> Found | None:
        with self._reaching():
            try:
                return ask()
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise Unreachable(f"there is no bucket for {self.where}: create it") from error
                return None

    def _stream_local(self, root: Path, path: str, chunks: Iterator[bytes]) -> None:
        """Write beside, then rename: a crash leaves no half object under a real name."""
        target = root / path
        temporary = root / TEMPORARY / f"{target.name}.{os.getpid()}.{os.urandom(4).hex()}"
        with self._reaching():
            temporary.parent.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("xb") as sink:
                    for chunk in chunks:
                        sink.write(chunk)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)


def _complaint(reason: str) -> str:
    if any(words in reason for words in ("No space left", "quota exceeded")):
        return f"is full ({reason}): free some space there"
    if "Read-only file system" in reason:
        return f"is read-only ({reason}): make it writable again"
    return f"does not answer ({reason}): see that it is there"


def _reason(error: Exception) -> str:
    """The library's message without its debugging tail."""
    return first_line(error).rsplit(" - ", 1)[-1]

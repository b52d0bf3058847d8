"""The artifact store: immutable bytes under the digest of their content, and create-only records by name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.errors import ArtifactCorrupt, ArtifactMissing, InvalidInput, RecordConflict, Unreachable
from orchestrator.contracts.values import digest_of_file, is_digest
from orchestrator.settings import Settings
from orchestrator.store.cache import HostCache, remove_older
from orchestrator.store.objects import TEMPORARY, Objects

ARTIFACTS = "artifacts/sha256"
WHOLE = 8 * 2**20  # bytes up to which a file travels in one piece
PIECE = 8 * 2**20  # bytes of one piece of a longer file
REMEMBERED = 100_000  # digests that one process remembers as verified
_RECORD = re.compile(r"(?!artifacts/|tmp/)[A-Za-z0-9_-][\w.@+-]*(/[A-Za-z0-9_-][\w.@+-]*)+", re.ASCII)


class StoredArtifact(NamedTuple):
    """One artifact as the store lists it."""

    digest: str
    size: int  # bytes
    written: float  # seconds since the epoch


class ArtifactStore:
    """Bytes in a local folder or a bucket, with a cache on this host when they are remote.

    Open it after a fork: a remote store that was used before refuses to work in the child.
    """

    def __init__(self, url: str, cache: Path, cache_bytes: int, config: dict[str, Any] | None = None) -> None:
        self._objects = Objects(url, config)
        self.cache = HostCache(cache, cache_bytes)
        self._verified: dict[str, tuple[int, ...]] = {}  # digest → identity of the file that had it
        self._corrupt: set[str] = set()

    @property
    def where(self) -> str:
        """The folder or bucket, as people may see it."""
        return self._objects.where

    def put_bytes(self, data: bytes, kind: Kind, rows: int | None = None, *, durable: bool = False) -> ArtifactRef:
        """Keep these bytes; costs little when they are there already.

        `durable` waits for the disk (milliseconds): for what nobody could make again after a power loss, such as
        sources and code. Results of stages need it not: bytes that are missing are a cache miss.
        """
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        path = _path(digest)
        ref = ArtifactRef(kind=kind, digest=digest, size=len(data), rows=rows)
        if self._objects.create(path, data):
            self._remember(ref)
        elif not self._intact(ref):
            self._objects.replace(path, data)
            self._remember(ref)
        if durable:
            self._objects.flush(path)
        return ref

    def put_file(self, path: Path, kind: Kind, rows: int | None = None, *, durable: bool = False) -> ArtifactRef:
        """Keep a file's content, without holding a long one in memory; `durable` as for bytes."""
        try:
            size = path.stat().st_size
            if size <= WHOLE:
                return self.put_bytes(path.read_bytes(), kind, rows, durable=durable)
            digest = digest_of_file(path)
        except OSError as error:
            raise InvalidInput(f"{path}: cannot be read ({error.strerror}): give a file that you may read") from error
        ref = ArtifactRef(kind=kind, digest=digest, size=size, rows=rows)
        if not self._intact(ref):
            self._objects.stream(_path(digest), _pieces(path, digest))
            self._remember(ref)
        if durable:
            self._objects.flush(_path(digest))
        return ref

    def fetch(self, ref: ArtifactRef) -> Path:
        """A file with the artifact's bytes, verified; to be read, never written.

        Raises `ArtifactMissing`, or `ArtifactCorrupt` when the bytes are not what the reference says.
        """
        if self._objects.root is not None:
            return self._verify(ref, self._objects.root / _path(ref.digest))
        name = ref.digest.removeprefix("sha256:")
        copy = self.cache.file("objects", name, lambda target: self._download(ref, target))
        if not self._copy_intact(ref, copy):
            self.cache.forget(copy)
            copy = self.cache.file("objects", name, lambda target: self._download(ref, target))
        return copy

    def read(self, ref: ArtifactRef) -> bytes:
        """An artifact's bytes, verified; for those that fit in memory."""
        return self.fetch(ref).read_bytes()

    def has(self, digest: str) -> bool:
        """Whether the store can give this artifact; one that is found damaged counts as missing.

        A long one is not read for it: whoever fetches it verifies it, and takes a damaged one out of a local store.
        """
        size = self._size(digest)
        if size is None or digest in self._corrupt:
            return False
        return size > WHOLE or self._intact(ArtifactRef(kind=Kind.FILE, digest=digest, size=size))

    def delete(self, digest: str) -> None:
        """Remove an artifact; it may be gone already."""
        self._objects.delete(_path(digest))
        self._verified.pop(digest, None)

    def digests(self) -> Iterator[StoredArtifact]:
        """All artifacts, in no order."""
        for entry in self._objects.entries(ARTIFACTS):
            digest = f"sha256:{entry.path.rsplit('/', 1)[-1]}"
            if is_digest(digest):
                yield StoredArtifact(digest, entry.size, entry.modified.timestamp())

    def put_record(self, name: str, data: bytes) -> bool:
        """Write a record once and for good; False when it was there with the same content.

        Raises `RecordConflict` when there is one with other content. Durable when it returns.
        """
        created = self._objects.create(_record_path(name), data)
        if not created and self._objects.read(_record_path(name)) != data:
            raise RecordConflict(
                f"{name} is in the store {self.where} already with other content: records never change"
            )
        self._objects.flush(_record_path(name))
        return created

    def get_record(self, name: str) -> bytes | None:
        """A record's content; None when there is none."""
        return self._objects.read(_record_path(name))

    def records(self, prefix: str) -> Iterator[str]:
        """The names of all records below a prefix such as `manifests/`, sorted."""
        return iter(sorted(entry.path for entry in self._objects.entries(prefix)))

    def clean(self, older_than_s: float = 86400.0) -> int:
        """Remove what crashed writers left in a local store and in the host's cache; how many files."""
        removed = self.cache.clean(older_than_s)
        if self._objects.root is not None:
            removed += remove_older(self._objects.root / TEMPORARY, older_than_s)
            removed += remove_older(self._objects.root, older_than_s, "**/*#[0-9]*")  # obstore's own
        return removed

    def _size(self, digest: str) -> int | None:
        if self._objects.root is None:
            return self._objects.size(_path(digest))
        try:
            return (self._objects.root / _path(digest)).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(error) from error

    def _intact(self, ref: ArtifactRef) -> bool:
        """Whether the store has these bytes; a local file is read once per process, a remote one is asked its size."""
        if self._objects.root is None:
            return ref.digest not in self._corrupt and self._objects.size(_path(ref.digest)) == ref.size
        try:
            self._verify(ref, self._objects.root / _path(ref.digest))
        except ArtifactMissing:
            return False
        return True

    def _verify(self, ref: ArtifactRef, path: Path) -> Path:
        """A local object, after comparing its size, and its digest when this process sees the file first."""
        try:
            identity = _identity(path)
            if self._verified.get(ref.digest) == identity and identity[0] == ref.size:
                return path
            found = digest_of_file(path)
        except FileNotFoundError:
            raise self._missing(ref) from None
        except OSError as error:
            raise self._unreadable(error) from error
        if found != ref.digest:
            self._set_aside(path, identity)
        if found != ref.digest or identity[0] != ref.size:
            raise self._corrupted(ref, str(path))
        self._note(ref.digest, identity)
        return path

    def _set_aside(self, path: Path, identity: tuple[int, ...]) -> None:
        """Take a damaged object out of a local store, so that every process finds it missing and may put it again."""
        aside = path.parents[3] / TEMPORARY / f"{path.name}.damaged"
        try:
            aside.parent.mkdir(exist_ok=True)
            if _identity(path) == identity:  # nobody has put it again since
                path.rename(aside)
        except OSError:
            return  # another process was first; or the store is read-only, and the next who reads it tries again

    def _copy_intact(self, ref: ArtifactRef, copy: Path) -> bool:
        """Whether this host's copy is what was fetched; it is read once per process, since disks rot."""
        try:
            stat = copy.stat()
            identity = (stat.st_size, stat.st_ino)  # each use sets the time of a copy
            if self._verified.get(ref.digest) == identity and stat.st_size == ref.size:
                return True
            found = digest_of_file(copy)
        except OSError:  # evicted meanwhile, or its disk fails: it can be fetched again
            return False
        if found == ref.digest:
            self._note(ref.digest, identity)
        return found == ref.digest

    def _download(self, ref: ArtifactRef, target: Path) -> None:
        """Fetch an object. What is damaged on its way passes; what is damaged there is taken out of the store."""
        found = self._receive(ref, target)
        again = found if found == ref.digest else self._receive(ref, target)
        if again == ref.digest:
            stat = target.stat()
            if stat.st_size != ref.size:
                raise self._corrupted(ref, f"{self.where}/{_path(ref.digest)}")
            self._note(ref.digest, (stat.st_size, stat.st_ino))
            return
        if again != found:
            raise Unreachable(f"what the store {self.where} sends arrives damaged: see its network and its disks")
        self._corrupt.add(ref.digest)
        self._objects.set_aside(_path(ref.digest), f"{ref.digest.removeprefix('sha256:')}.damaged")
        raise self._corrupted(ref, f"{self.where}/{_path(ref.digest)}")

    def _receive(self, ref: ArtifactRef, target: Path) -> str:
        """Write the object's bytes to a file; their digest."""
        hasher = hashlib.sha256()
        with target.open("wb") as sink:
            for piece in self._remote_pieces(ref):
                hasher.update(piece)
                sink.write(piece)
        return f"sha256:{hasher.hexdigest()}"

    def _remote_pieces(self, ref: ArtifactRef) -> Iterator[bytes]:
        """The object in pieces, so that neither memory nor one request's timeout bounds its size."""
        path = _path(ref.digest)
        if ref.size <= WHOLE:
            whole = self._objects.read(path)
            if whole is None:
                raise self._missing(ref)
            yield whole
            return
        if (size := self._objects.size(path)) is None:
            raise self._missing(ref)
        for start in range(0, size, PIECE):
            piece = self._objects.read_range(path, start, min(PIECE, size - start))
            if piece is None:
                raise self._missing(ref)
            yield piece

    def _remember(self, ref: ArtifactRef) -> None:
        """What this process wrote itself needs no second look."""
        self._corrupt.discard(ref.digest)
        if self._objects.root is None:
            return
        try:
            self._note(ref.digest, _identity(self._objects.root / _path(ref.digest)))
        except OSError:  # gone again, or not to be read: whoever needs it is told then
            self._verified.pop(ref.digest, None)

    def _note(self, digest: str, identity: tuple[int, ...]) -> None:
        if len(self._verified) >= REMEMBERED:
            self._verified.clear()
        self._verified[digest] = identity

    def _unreadable(self, error: OSError) -> Unreachable:
        return Unreachable(f"the store {self.where} cannot be read ({error.strerror}): see that it is there")

    def _missing(self, ref: ArtifactRef) -> ArtifactMissing:
        return ArtifactMissing(
            f"artifact {ref.digest} is not in the store {self.where}: `cyclery retry` of the run makes it again, "
            "or point CYCLERY_STORE at the store that has it",
            ref.digest,
        )

    def _corrupted(self, ref: ArtifactRef, where: str) -> ArtifactCorrupt:
        return ArtifactCorrupt(
            f"artifact {ref.digest} was damaged at {where}: `cyclery retry` of the run makes it again", ref.digest
        )


def open_store(settings: Settings) -> ArtifactStore:
    """The artifact store that the settings name; nothing is reached before it is used."""
    return ArtifactStore(settings.store_url, settings.cache_path, settings.cache_bytes, store_config(settings))


def store_config(settings: Settings) -> dict[str, Any]:
    """What the settings say of a remote store, as the library spells it."""
    config: dict[str, Any] = {
        "endpoint": settings.store_endpoint,
        "region": settings.store_region,
        "access_key_id": settings.store_key_id,
        "secret_access_key": settings.store_secret.get_secret_value() if settings.store_secret else None,
    }
    return {name: value for name, value in config.items() if value is not None}


def _path(digest: str) -> str:
    if not is_digest(digest):
        raise InvalidInput(f"{digest!r} is no digest: write sha256: and 64 hex digits")
    name = digest.removeprefix("sha256:")
    return f"{ARTIFACTS}/{name[:2]}/{name}"


def _record_path(name: str) -> str:
    if not _RECORD.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name of a record: write FOLDER/NAME of letters, digits and -_.@+")
    return name


def _identity(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_size, stat.st_ino, stat.st_mtime_ns


def _pieces(path: Path, digest: str) -> Iterator[bytes]:
    """A file in pieces; raises at its end when it is no longer the file that was hashed."""
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as source:
            while piece := source.read(PIECE):
                hasher.update(piece)
                yield piece
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror}): give a file that you may read") from error
    if f"sha256:{hasher.hexdigest()}" != digest:
        raise InvalidInput(f"{path}: changed while it was read: give a file that nobody is writing")

"""The digests of file sources: a big file that did not change is not read again."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from pathlib import Path

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.values import digest_of_file, is_digest
from orchestrator.store.artifacts import ArtifactStore

REMEMBERED = 1000  # files
# A file changed so shortly before it was read may change again within the same tick of its clock.
FRESH_NS = 2_000_000_000


class Sources:
    """References of files by their content; known digests are kept in the home, by path, size, time and inode."""

    def __init__(self, home: Path) -> None:
        self._ledger = home.absolute() / "digests.json"

    def digest(self, path: Path) -> ArtifactRef:
        """The reference of a file's content; the store is not asked."""
        mark = _mark(path)
        known = self._read().get(str(path.absolute()))
        if isinstance(known, dict) and known.get("mark") == mark and is_digest(str(known.get("digest"))):
            return _ref(known["digest"], mark[0])
        digest = digest_of_file(path)
        self._remember(path, mark, digest)
        return _ref(digest, mark[0])

    def upload(self, path: Path, store: ArtifactStore) -> ArtifactRef:
        """The reference of a file's content, which the store has from here on."""
        ref = self.digest(path)
        if store.has(ref.digest):
            return ref
        before = _mark(path)
        uploaded = store.put_file(path, Kind.FILE, durable=True)
        if uploaded.digest != ref.digest:  # it was changed between the two readings
            self._remember(path, before, uploaded.digest)
        return uploaded

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._ledger.read_text())
        except (OSError, ValueError, RecursionError):  # the first time, unreadable, or cut off: it only saves work
            return {}
        return found if isinstance(found, dict) else {}

    def _remember(self, path: Path, mark: list[int], digest: str) -> None:
        if time.time_ns() - mark[1] < FRESH_NS or _mark(path) != mark:
            return
        entries = self._read()
        entries.pop(str(path.absolute()), None)
        entries[str(path.absolute())] = {"mark": mark, "digest": digest}
        kept = dict(list(entries.items())[-REMEMBERED:])
        draft = self._ledger.with_name(f".{self._ledger.name}.{secrets.token_hex(4)}")
        with suppress(OSError):  # a home that cannot be written: files are read again the next time
            self._ledger.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(kept))
            draft.replace(self._ledger)


def _mark(path: Path) -> list[int]:
    """Size, time and inode: what tells that a file was changed."""
    try:
        found = path.stat()
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _ref(digest: object, size: int) -> ArtifactRef:
    return ArtifactRef(kind=Kind.FILE, digest=str(digest), size=size)

"""Unpacking snapshots of a team's code: into a folder of this host, whole or not at all, and never outside it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from orchestrator.contracts.calls import ArtifactRef
from orchestrator.contracts.errors import InvalidInput
from orchestrator.store.artifacts import ArtifactStore

MAX_FILES = 10_000
MAX_BYTES = 256 * 2**20  # of all files together, unpacked
MAX_RATIO = 200  # unpacked to packed, of one file
_UNSOUND = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OverflowError)


def code_folder(store: ArtifactStore, snapshot: ArtifactRef) -> Path:
    """The folder with a snapshot's files on this host, unpacked once: put it in front of `sys.path`."""
    folder = store.cache.root / "code" / snapshot.digest.removeprefix("sha256:")
    if not folder.is_dir():
        unpack(store.fetch(snapshot), folder)
    os.utime(folder)  # in use: not to be cleaned
    return folder


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip into a new folder; one that is there already is left as it is.

    Raises InvalidInput for a zip that would write outside the folder, holds anything but plain files and folders, or
    grows out of bounds.
    """
    if target.is_dir():
        return
    temporary = target.with_name(f"{target.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    temporary.mkdir(parents=True)
    try:
        with (
            sound_zip(lambda why: f"{archive.name}: is no sound zip ({why}): submit the code again"),
            zipfile.ZipFile(archive) as source,
        ):
            _check(archive, source.infolist())
            for info in source.infolist():
                _extract(source, info, temporary)
        _rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def sound_zip(refusal: Callable[[object], str]) -> Iterator[None]:
    """Whatever the zipfile module raises on what is no sound zip becomes InvalidInput; the disk's own errors stay."""
    try:
        yield
    except _UNSOUND as error:
        raise InvalidInput(refusal(error)) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise InvalidInput(refusal("its parts lie outside of it")) from error


def _check(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_FILES:
        raise InvalidInput(f"{archive.name}: holds more than {MAX_FILES} files, which no snapshot does: not unpacked")
    if sum(info.file_size for info in entries) > MAX_BYTES:
        raise InvalidInput(f"{archive.name}: unpacks to more than {MAX_BYTES >> 20} MiB: not unpacked")
    seen: set[PurePosixPath] = set()
    for info in entries:
        path = PurePosixPath(info.filename)
        problem = _problem(info, path)
        if problem is None and (path in seen or seen.intersection(path.parents)):
            problem = "stands twice, or below another file"
        if problem:
            raise InvalidInput(f"{archive.name}: {info.filename!r} {problem}: not unpacked")
        if not info.is_dir():
            seen.add(path)


def _problem(info: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    """What makes an entry unsafe, in words."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or not path.parts or any(mark in info.filename for mark in "\\:\0"):
        return "leads out of its folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is no plain file"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed otherwise than zips of code are"
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        return "is compressed out of all proportion"
    return None


def _extract(source: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path) -> None:
    target = folder.joinpath(*PurePosixPath(info.filename).parts)
    if info.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(info) as packed, target.open("xb") as sink:  # reads no more than the checked size
        shutil.copyfileobj(packed, sink)


def _rename(temporary: Path, target: Path) -> None:
    """Give the folder its name; another process may have been first with the same content."""
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():
            raise

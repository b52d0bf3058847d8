"""Bytes that a store gives back: tables, documents, models, archives of code, bundles."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.contracts import documents
from orchestrator.contracts.calls import Kind
from orchestrator.contracts.errors import CycleryError
from orchestrator.contracts.values import Value
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.snapshots import MAX_BYTES, unpack
from tests.fuzz import place
from tests.fuzz.contract import Broken, target
from tests.fuzz.mutation import changing, text_of
from workers.model_files import foreign_types, load_model
from workers.packaging.bundle import Bundle
from workers.runtime.codecs import Desk, load
from workers.runtime.documents import read_document, write_document
from workers.runtime.signature import Slot

DOCUMENTS: tuple[object, ...] = (
    *(kind for kind in vars(documents).values() if isinstance(kind, type) and issubclass(kind, Value)),
    *(dict, list, object, int, float, str, bool, list[int], dict[str, float], tuple[str, ...], int | None),
)
CORPUS = Path(__file__).with_name("corpus")  # <target>/<file>: seeds, and inputs that once broke it
ROWS = [{"id": "c1", "months": 3, "Total": "12.5", "since": "2020-01-31", "active": "true", "plan kind": "basic"}]


@target
def table_artifact(data: bytes) -> None:
    """An artifact that a stage takes as a table."""
    store = ArtifactStore(str(place.folder() / "tables"), place.folder() / "copies", 2**30)
    ref = store.put_bytes(data, Kind.TABLE)
    try:
        found = load(ref, Slot("table", pd.DataFrame), Desk(store, place.folder))
    finally:
        store.delete(ref.digest)
    if found.index.name != "row":
        raise Broken(f"a table whose index is named {found.index.name!r}")


@target
def document_artifact(data: bytes) -> None:
    """An artifact that stages take as documents of every kind; the first byte chooses."""
    annotation = DOCUMENTS[data[0] % len(DOCUMENTS)] if data else object
    write_document(read_document(data[1:], annotation))


@target
def model_file(data: bytes) -> None:
    """A model file from elsewhere."""
    file = place.file("model.skops", data)
    try:
        foreign_types(file)
    except CycleryError:
        try:
            load_model(file)
        except CycleryError:
            return
        raise Broken("its types cannot be told, and it is loaded") from None
    load_model(file)


@target
def code_archive(data: bytes) -> None:
    """A snapshot of code: unpacked whole, or not at all; nothing beside its folder."""
    around = place.folder() / "code"
    shutil.rmtree(around, ignore_errors=True)
    around.mkdir()
    archive, folder = place.file("code.zip", data), around / "unpacked"
    try:
        unpack(archive, folder)
    except CycleryError:
        if list(around.iterdir()):
            raise Broken(f"refused, and left {list(around.iterdir())}") from None
        raise
    if list(around.iterdir()) != [folder]:
        raise Broken(f"unpacked beside itself: {list(around.iterdir())}")
    if any(path.is_symlink() for path in folder.rglob("*")):
        raise Broken("a link was unpacked")
    if sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > MAX_BYTES:
        raise Broken("more was unpacked than is allowed")


@target
def bundle(data: bytes) -> None:
    """A bundle that somebody handed over, asked for a prediction."""
    Bundle.load(place.file("bundle.zip", data)).predict(ROWS)


@changing(lambda: {"manifest": json.loads(bundle_files()["manifest.json"]), "rows": ROWS})
def bundle_document(value: Any) -> None:
    """A bundle whose manifest says something else, and rows that nobody would send."""
    if isinstance(value, dict):
        files = bundle_files() | {"manifest.json": text_of(value.get("manifest")).encode()}
        rows = value.get("rows")
        found = Bundle.load(place.file("bundle.zip", zipped(files)))
        found.predict(rows if isinstance(rows, list) else ROWS)


@changing(lambda: json.loads(model_files()["schema.json"]))
def model_schema(value: Any) -> None:
    """A model file whose parts are sound, and whose description of them is not."""
    load_model(place.file("model.skops", zipped(model_files() | {"schema.json": text_of(value).encode()})))


@cache
def bundle_files() -> dict[str, bytes]:
    """What a sound bundle holds."""
    return _unzipped((CORPUS / "bundle" / "sound").read_bytes())


@cache
def model_files() -> dict[str, bytes]:
    """What the file of a decision tree holds."""
    return _unzipped((CORPUS / "model_file" / "tree").read_bytes())


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The files as a zip, as they are."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return packed.getvalue()


def _unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}

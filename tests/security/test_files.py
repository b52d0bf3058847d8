"""Bytes from the store that an attacker wrote: nothing is unpickled, nothing leaves its folder or fills memory."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import resource
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.errors import CycleryError, InvalidInput
from orchestrator.engine.messages import CacheRecord
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.manifests import read_manifest
from orchestrator.store.snapshots import unpack
from tests.security import payloads
from workers.model_files import foreign_types, load_model
from workers.runtime.codecs import Desk, load
from workers.runtime.signature import Slot
from workers.runtime.tables import read_table

BOUND = 1 << 30  # bytes of memory that refusing anything may cost


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What a payload makes when it runs."""
    return tmp_path / "marker"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 1 << 30)


def zipped(path: Path, entries: Mapping[str, bytes | str], *, level: int = 9) -> Path:
    """A zip with these entries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as sink:
        for name, data in entries.items():
            sink.writestr(name, data)
    return path


def refused(act: Callable[[], object], marker: Path) -> None:
    """One line, little memory, and nothing ran."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CycleryError) as raised:
        act()
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 2000
    assert not marker.exists()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BOUND


# — models

GADGETS: dict[str, Any] = {
    "a function": {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode",
                   "content": {"module_path": "os", "function": "system"}},
    "a type": {"__class__": "type", "__module__": "builtins", "__loader__": "TypeNode",
               "content": {"module_path": "subprocess", "type": "Popen"}},
    "an object": {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode", "content": None},
    "a method": {"__class__": "method", "__module__": "builtins", "__loader__": "MethodNode", "content": {
        "func": "system", "obj": {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode",
                                  "content": {"module_path": "os", "function": "system"}}}},
    "a partial": {"__class__": "partial", "__module__": "functools", "__loader__": "PartialNode", "content": {
        "func": {"__class__": "exec", "__module__": "builtins", "__loader__": "FunctionNode",
                 "content": {"module_path": "builtins", "function": "exec"}},
        "args": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": []},
        "kwds": {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {}, "key_types": {
            "__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}},
        "namespace": {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {},
                      "key_types": {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode",
                                    "content": []}}}},
    "no such loader": {"__class__": "x", "__module__": "os", "__loader__": "PickleNode", "content": "x"},
}  # fmt: skip


@pytest.mark.parametrize("name", GADGETS)
def test_a_model_file_calls_nothing_that_is_not_on_our_list(tmp_path: Path, marker: Path, name: str) -> None:
    schema = {**GADGETS[name], "protocol": 2, "_skops_version": skops.__version__}
    path = zipped(tmp_path / "evil.skops", {"schema.json": json.dumps(schema)})
    refused(lambda: load_model(path), marker)


def test_a_model_file_with_a_pickle_for_an_array_is_refused(tmp_path: Path, marker: Path) -> None:
    sound = tmp_path / "sound.skops"
    skops.io.dump(LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]), sound)
    objects = io.BytesIO()
    np.save(objects, np.array([payloads.Touch(marker)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(sound) as source:
        entries: dict[str, bytes | str] = {
            name: objects.getvalue() if name.endswith(".npy") else source.read(name) for name in source.namelist()
        }
    assert any(name.endswith(".npy") for name in entries)
    refused(lambda: load_model(zipped(tmp_path / "evil.skops", entries)), marker)


@pytest.mark.parametrize("what", ["pickle", "joblib"])
def test_a_pickle_is_no_model(tmp_path: Path, marker: Path, what: str, store: ArtifactStore) -> None:
    import joblib  # type: ignore[import-untyped]

    path = tmp_path / "model.skops"
    if what == "joblib":
        joblib.dump(payloads.Touch(marker), path)
    else:
        path.write_bytes(payloads.evil_pickle(marker))
    refused(lambda: load_model(path), marker)
    ref = store.put_file(path, Kind.MODEL)
    refused(lambda: load(ref, Slot("model", annotation=Any), Desk(store, lambda: tmp_path)), marker)


def test_a_bomb_is_no_model(tmp_path: Path, marker: Path) -> None:
    zeros = bytes(80 << 20)
    for name in ("schema.json", "1.npy"):
        path = zipped(tmp_path / "bomb.skops", {"schema.json": b"{}", name: zeros})
        refused(lambda path=path: load_model(path), marker)  # type: ignore[misc]
        refused(lambda path=path: foreign_types(path), marker)  # type: ignore[misc]


def test_a_model_within_models_without_end_is_refused(tmp_path: Path, marker: Path) -> None:
    inner = '{"__class__":"list","__module__":"builtins","__loader__":"ListNode","content":['
    schema = '{"protocol":2,' + inner[1:] + inner * 20_000 + "]}" * 20_001
    refused(lambda: load_model(zipped(tmp_path / "deep.skops", {"schema.json": schema})), marker)


# — tables and documents


def test_a_table_runs_no_extension_type_and_no_pandas_metadata(tmp_path: Path, marker: Path) -> None:
    payload = payloads.evil_pickle(marker)
    for name in (b"arrow.py_extension_type", b"pandas.evil", b"ray.data.arrow_pickled_object"):
        extension = {b"ARROW:extension:name": name, b"ARROW:extension:metadata": payload}
        field = pa.field("a", pa.binary(), metadata=extension)
        column = {"name": "a", "pandas_type": "object", "numpy_type": "pickle", "metadata": None}
        described = json.dumps({"columns": [column], "index_columns": [], "column_indexes": []})
        schema = pa.schema([field], metadata={b"pandas": described.encode(), b"evil": payload})
        pq.write_table(pa.table({"a": [payload]}, schema=schema), tmp_path / "evil.parquet")
        try:
            frame = read_table(tmp_path / "evil.parquet")
        except CycleryError:
            continue
        assert not marker.exists()
        assert isinstance(frame, pd.DataFrame)
    assert not marker.exists()


@pytest.mark.parametrize("kind", [Kind.TABLE, Kind.MODEL, Kind.JSON])
def test_a_pickle_is_no_artifact_of_any_kind(tmp_path: Path, marker: Path, store: ArtifactStore, kind: Kind) -> None:
    ref = store.put_bytes(payloads.evil_pickle(marker), kind)
    slots = {Kind.TABLE: pd.DataFrame, Kind.MODEL: Any, Kind.JSON: dict}
    refused(lambda: load(ref, Slot("x", annotation=slots[kind]), Desk(store, lambda: tmp_path)), marker)


def test_a_pickle_is_no_cached_record_and_no_manifest(marker: Path, store: ArtifactStore) -> None:
    text = payloads.evil_pickle(marker, 0).decode("latin-1")
    with contextlib.suppress(CycleryError, ValueError):  # or it is no hit
        assert CacheRecord.decode(text) is None
    store.put_record("manifests/shop-1a2b3c.json", payloads.evil_pickle(marker))
    with contextlib.suppress(CycleryError):  # or it counts as lost
        assert read_manifest(store, "shop-1a2b3c") is None
    assert not marker.exists()


# — names

NAMES = ["../x", "../../etc/passwd", "/etc/passwd", "a/../../x", "..", ".", "", "a\0b", "a/b\0", "~/x", "a\\..\\x",
         "C:\\x", "artifacts/sha256/aa", "tmp/x", "manifests/../../x", "manifests/./x", "manifests//x", ".hidden/x",
         "x" * 5000]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_store(store: ArtifactStore, tmp_path: Path, name: str) -> None:
    before = {path for path in tmp_path.rglob("*") if "store" not in path.parts}
    for act in (
        lambda: store.put_record(name, b"evil"),
        lambda: store.get_record(name),
        lambda: store.read(ArtifactRef(kind=Kind.FILE, digest=f"sha256:{name}", size=1)),
        lambda: store.delete(f"sha256:{name}"),
        lambda: store.has(f"sha256:{name}"),
        lambda: read_manifest(store, name),
    ):
        try:
            act()
        except (CycleryError, ValueError, OSError):
            continue
        assert len(name) == 5000  # a long name is no way out
    assert {path for path in tmp_path.rglob("*") if "store" not in path.parts} == before


ENTRIES = ["../x", "/etc/cyclery-evil", "a/../../x", "..", "a\\..\\..\\x", "C:/x", "a/./../../b", "./../x"]


@pytest.mark.parametrize("name", ENTRIES)
def test_no_snapshot_writes_outside_its_folder(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "code.zip", {"good.py": "x = 1", name: "evil"})
    with pytest.raises(InvalidInput, match="not unpacked"):
        unpack(path, tmp_path / "deep" / "er" / "code")
    assert {one.name for one in tmp_path.rglob("*") if one.is_file()} == {"code.zip"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_snapshot_holds_plain_files_only(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as sink:
        sink.writestr(info, "/etc/passwd")
    with pytest.raises(InvalidInput, match="no plain file"):
        unpack(tmp_path / "code.zip", tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_a_snapshot_that_grows_out_of_bounds_is_refused(tmp_path: Path, marker: Path) -> None:
    bombs: dict[str, dict[str, bytes | str]] = {
        "one": {f"{number}.py": bytes(30 << 20) for number in range(9)},
        "dense": {"a.py": bytes(60 << 20)},
        "many": {f"{number}.py": "" for number in range(20_000)},
    }
    for name, entries in bombs.items():
        path = zipped(tmp_path / f"{name}.zip", entries, level=1)
        refused(lambda path=path: unpack(path, tmp_path / "code"), marker)  # type: ignore[misc]
    assert not (tmp_path / "code").exists()


def test_a_snapshot_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "code.zip", {"a.py": bytes(1 << 20)}, level=1)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 24  # the uncompressed size in the central directory
    data[place : place + 4] = (100).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with pytest.raises(InvalidInput):
        unpack(path, tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_a_pickle_in_a_snapshot_is_only_bytes(tmp_path: Path, marker: Path) -> None:
    unpack(zipped(tmp_path / "code.zip", {"a.pkl": payloads.evil_pickle(marker)}), tmp_path / "code")
    assert not marker.exists()
    pickle.loads((tmp_path / "code" / "a.pkl").read_bytes())  # noqa: S301  (it would have run)
    assert marker.exists()

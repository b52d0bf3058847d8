"""Fitted models as skops files: one spelling for equal models, and nothing loaded beyond our own list of types."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from orchestrator.contracts.errors import CycleryError, InvalidInput, UserCodeError
from workers.model_checks import check_trees
from workers.model_types import ALLOWED

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_VALUES = frozenset({"JsonNode", "TypeNode", "FunctionNode"})  # their identity means nothing
_SCHEMA = "schema.json"
_MANY, _LONG, _DENSE = 100_000, 64 << 20, 200  # files in a model; bytes of one; unpacked to packed, of a long one


def save_model(
    model: Any, path: Path, trusted: Sequence[str] = (), *, own_modules: frozenset[str] = frozenset()
) -> None:
    """Write the model; equal models give equal bytes, in any process.

    Raises UserCodeError when the file could not be loaded again: for a type that neither our list nor `trusted` names
    and that is of none of the top-level `own_modules`, or one that skops cannot write.
    """
    try:
        written = skops.io.dumps(model)
        foreign = set(skops.io.get_untrusted_types(data=written)) - ALLOWED - set(trusted)
        strange = {name for name in foreign if name.split(".", maxsplit=1)[0] not in own_modules}
    except Exception as error:  # skops raises what it meets
        raise UserCodeError(f"{_title(model)} cannot be kept as a model file: {_line(error)}") from error
    if strange:
        raise UserCodeError(
            f"{_title(model)} holds types that a model file may not hold: {', '.join(sorted(strange))}; "
            "use other parameters, or declare classes of your own code in the workflow"
        )
    parts = len(zipfile.ZipFile(io.BytesIO(written)).namelist())
    if parts > _MANY:
        raise UserCodeError(
            f"{_title(model)} would be a file of {parts:,} parts, and no more than {_MANY:,} are read again: "
            "use simpler candidates, or let fewer segments have models of their own (train.per.min_rows)"
        )
    path.write_bytes(_normal(written))


def load_model(path: Path, trusted: Sequence[str] = ()) -> Any:
    """Load a model whose types are all on our list or in `trusted`; anything else is refused in one line."""
    try:
        _check_sizes(path)
        model = skops.io.load(path, trusted=[*sorted(ALLOWED), *trusted])
        check_trees(model)
    except UntrustedTypesFoundException as error:
        names = ", ".join(sorted(set(skops.io.get_untrusted_types(file=path)) - ALLOWED - set(trusted)))
        raise InvalidInput(f"model file {path.name} refused: it holds types that are not allowed: {names}") from error
    except CycleryError:
        raise
    except Exception as error:  # a file from elsewhere can be wrong in any way
        raise InvalidInput(f"model file {path.name} cannot be read: {_line(error)}") from error
    return model


def foreign_types(path: Path) -> tuple[str, ...]:
    """The types in a model file that our list does not name."""
    try:
        _check_sizes(path)
        return tuple(name for name in skops.io.get_untrusted_types(file=path) if name not in ALLOWED)
    except CycleryError:
        raise
    except Exception as error:  # a file from elsewhere can be wrong in any way
        raise InvalidInput(f"model file {path.name} cannot be read: {_line(error)}") from error


def _check_sizes(path: Path) -> None:
    """Refuse a file that would grow out of all proportion: skops reads each part of it whole."""
    with zipfile.ZipFile(path) as packed:
        parts = packed.infolist()
    if len(parts) > _MANY or any(
        part.file_size > _LONG and part.file_size > _DENSE * max(part.compress_size, 1) for part in parts
    ):
        raise InvalidInput(f"model file {path.name} refused: it is compressed out of all proportion")


def _normal(written: bytes) -> bytes:
    """The same file without what differs between runs: object ids, times, unused bytes between fields."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(written)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        numbering = _Numbering()
        schema = numbering.renumber(json.loads(source.read(_SCHEMA)))
        for old, new in numbering.files.items():
            _write(target, new, _clean(source.read(old)) if old.endswith(".npy") else source.read(old))
        _write(target, _SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
    return out.getvalue()


class _Numbering:
    """Ids and file names by the order of their first appearance, in place of memory addresses."""

    def __init__(self) -> None:
        self.ids: dict[int, int] = {}
        self.files: dict[str, str] = {}

    def renumber(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.renumber(item) for item in value]
        if not isinstance(value, dict):
            return value
        loader = value.get("__loader__")
        if not isinstance(loader, str):  # the content of a dictionary, not a node
            return {key: self.renumber(item) for key, item in value.items()}
        return self._node(dict(value), loader)

    def _node(self, node: dict[str, Any], loader: str) -> dict[str, Any]:
        identity = node.pop("__id__", None)
        if loader == "SetNode":
            node["content"] = sorted(node["content"], key=_spelling)  # sets of text have no order of their own
        if isinstance(node.get("file"), str):
            node["file"] = self._file(node["file"])
        found = {key: item if key == "file" else self.renumber(item) for key, item in node.items()}
        if identity is not None and loader not in _VALUES:
            found["__id__"] = self.ids.setdefault(identity, len(self.ids) + 1)
        return found

    def _file(self, name: str) -> str:
        return self.files.setdefault(name, f"{len(self.files) + 1}{Path(name).suffix}")


def _spelling(node: Any) -> str:
    return json.dumps({key: item for key, item in node.items() if key != "__id__"}, sort_keys=True)


def _clean(data: bytes) -> bytes:
    """An array's bytes; records (of trees) have unused bytes between their fields, which become zero."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    records = np.zeros(array.shape, dtype=array.dtype)
    for field in array.dtype.names:
        records[field] = array[field]
    out = io.BytesIO()
    np.save(out, records)
    return out.getvalue()


def _write(target: zipfile.ZipFile, name: str, data: bytes) -> None:
    # Level 3: a forest of 40 MB is saved in half the time of level 6, and is 4 % larger.
    target.writestr(zipfile.ZipInfo(name, _EPOCH), data, compress_type=zipfile.ZIP_DEFLATED, compresslevel=3)


def _title(model: Any) -> str:
    return type(getattr(model, "steps", [("", model)])[-1][1]).__name__


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

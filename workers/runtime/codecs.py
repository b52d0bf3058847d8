"""What a stage takes and gives ↔ artifacts: tables, models, documents, files and handles."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_origin

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.keys import ResolvedInput
from orchestrator.store.artifacts import ArtifactStore
from workers.runtime.documents import Unstorable, WrongType, read_document, write_document
from workers.runtime.signature import Slot

STORABLE = "a DataFrame, a scikit-learn estimator, a document (dict, list, number, text, pydantic model) or a Path"
_WORDS = {Kind.TABLE: "a table", Kind.MODEL: "a model", Kind.JSON: "a document", Kind.FILE: "a file"}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A handle on an input that loads nothing by itself."""

    ref: ArtifactRef
    store: ArtifactStore
    scratch: Callable[[], Path] | None = None  # given to a team's own code: it may do what it likes with its copy

    def path(self) -> Path:
        """The bytes as a file on this host; of Cyclery's own stages the stored one, which must not be changed."""
        kept = self.store.fetch(self.ref)
        if self.scratch is None:
            return kept
        copy = self.scratch() / "inputs" / self.ref.digest.removeprefix("sha256:")
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(kept, copy)
        return copy


@dataclass(frozen=True, slots=True)
class Desk:
    """Where values are loaded from and saved to while one stage runs."""

    store: ArtifactStore
    scratch: Callable[[], Path]  # the stage's working folder
    snapshot: Path | None = None  # the team's code: model files may hold its classes, and what it gets are copies

    def handle(self, ref: ArtifactRef) -> Artifact:
        """An input that is not loaded."""
        return Artifact(ref, self.store, self.scratch if self.snapshot is not None else None)


def load(given: ResolvedInput, slot: Slot, desk: Desk) -> Any:
    """An input as its parameter's annotation asks for it; a gathered input is a list."""
    if isinstance(given, tuple):
        return [_load(ref, slot.item, desk) for ref in given]
    if get_origin(slot.annotation) in (list, tuple) and expected_kind(slot.annotation) is not given.kind:
        return [_load(given, slot.item, desk)]
    return _load(given, slot.annotation, desk)


def save(value: Any, slot: Slot, desk: Desk) -> ArtifactRef:
    """A value as an artifact, by its own type; the annotation only says what was promised.

    Raises Unstorable where nothing can keep it, or where it is of another kind than was promised.
    """
    if isinstance(value, Artifact):
        return value.ref
    kind = kind_of(value)
    promised = expected_kind(slot.annotation)
    if promised is not None and kind is not promised:
        raise Unstorable(f"it is {_typed(value)} where {_WORDS[promised]} was promised")
    try:
        if kind is None:
            raise WrongType(f"it is {_typed(value)}")
        return _SAVE[kind](value, desk)
    except WrongType as error:
        raise WrongType(f"{error}; what can be kept is {STORABLE}") from None


def expected_kind(annotation: Any) -> Kind | None:
    """The kind of artifact that an annotation stands for; None for any."""
    origin = get_origin(annotation) or annotation
    if origin is Any or origin is Artifact or not isinstance(origin, type):
        return None
    if issubclass(origin, Path):
        return Kind.FILE
    return _library_kind(origin) or (None if origin is object else Kind.JSON)


def kind_of(value: Any) -> Kind | None:
    """The kind of artifact that a value becomes; None when nothing can keep it."""
    if isinstance(value, Path):
        return Kind.FILE
    known = _library_kind(type(value))
    if known is not None:
        return known
    return None if _strange(value) else Kind.JSON


def _library_kind(cls: type) -> Kind | None:
    """Tables and models are known by name: a stage that has none need not import their libraries."""
    for base in cls.__mro__:
        if base.__name__ == "DataFrame" and base.__module__.startswith("pandas"):
            return Kind.TABLE
        if base.__name__ == "BaseEstimator" and base.__module__.startswith("sklearn"):
            return Kind.MODEL
    return None


def _strange(value: Any) -> bool:
    """Whether a value is no document, as its type says at a glance."""
    library = type(value).__module__.split(".")[0]
    return value is None or callable(value) or (library in ("pandas", "pyarrow") and not isinstance(value, date))


def _load(ref: ArtifactRef, annotation: Any, desk: Desk) -> Any:
    if annotation is Artifact:
        return desk.handle(ref)
    wanted = expected_kind(annotation)
    if wanted is not None and wanted is not ref.kind and wanted is not Kind.FILE:
        raise DataError(f"it is {_WORDS[ref.kind]} where the function asks for {_WORDS[wanted]}")
    if wanted is Kind.FILE:
        return desk.handle(ref).path()
    if ref.kind is Kind.JSON:
        return read_document(desk.store.read(ref), annotation)
    return _LOAD[ref.kind](desk.store.fetch(ref), desk)


def _load_table(path: Path, _desk: Desk) -> Any:
    from workers.runtime.tables import read_table  # pandas: only where tables are

    return read_table(path)


def _load_model(path: Path, desk: Desk) -> Any:
    from workers.model_files import load_model  # scikit-learn: only where models are

    return load_model(path, _own_types(desk, file=path))


def _load_file(path: Path, _desk: Desk) -> Path:
    return path


def _save_table(value: Any, desk: Desk) -> ArtifactRef:
    from workers.runtime.tables import write_table  # pandas: only where tables are

    path = desk.scratch() / "output.parquet"
    rows = write_table(value, path)
    return _put(path, Kind.TABLE, desk, rows)


def _save_model(value: Any, desk: Desk) -> ArtifactRef:
    from workers.model_files import save_model  # scikit-learn: only where models are

    path = desk.scratch() / "output.skops"
    save_model(value, path, _own_types(desk, model=value))
    return _put(path, Kind.MODEL, desk)


def _put(path: Path, kind: Kind, desk: Desk, rows: int | None = None) -> ArtifactRef:
    try:
        return desk.store.put_file(path, kind, rows)
    finally:
        path.unlink(missing_ok=True)


def _save_document(value: Any, desk: Desk) -> ArtifactRef:
    return desk.store.put_bytes(write_document(value), Kind.JSON)


def _save_file(value: Path, desk: Desk) -> ArtifactRef:
    if not value.is_file():
        raise Unstorable(f"it is the path {value}, where there is no file: write the file before returning its path")
    return desk.store.put_file(value, Kind.FILE)


def _own_types(desk: Desk, *, file: Path | None = None, model: Any = None) -> tuple[str, ...]:
    """Types of the team's own code that a model file may hold where that very code runs."""
    if desk.snapshot is None:
        return ()
    import skops.io  # scikit-learn: only where models are

    from workers.model_files import foreign_types

    own = {path.name.removesuffix(".py") for path in desk.snapshot.iterdir()}
    unknown = foreign_types(file) if file else skops.io.get_untrusted_types(data=skops.io.dumps(model))
    return tuple(name for name in unknown if name.split(".")[0] in own)


def _typed(value: Any) -> str:
    return f"of type {type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")


_LOAD: dict[Kind, Callable[[Path, Desk], Any]] = {
    Kind.TABLE: _load_table,
    Kind.MODEL: _load_model,
    Kind.FILE: _load_file,
}
_SAVE: dict[Kind, Callable[[Any, Desk], ArtifactRef]] = {
    Kind.TABLE: _save_table,
    Kind.MODEL: _save_model,
    Kind.JSON: _save_document,
    Kind.FILE: _save_file,
}

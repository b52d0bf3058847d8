"""The team's own code in a bundle: gathered from snapshots, imported again, its row-wise stages replayed."""

from __future__ import annotations

import atexit
import hashlib
import importlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.contracts.calls import ArtifactRef
from orchestrator.contracts.errors import CycleryError, InvalidInput, UserCodeError
from orchestrator.contracts.release import CustomStep
from orchestrator.contracts.values import digest_of
from orchestrator.store.artifacts import ArtifactStore
from workers.runtime.documents import validated
from workers.runtime.signature import REQUIRED, read_signature


def gather(snapshots: Iterable[ArtifactRef], store: ArtifactStore) -> dict[str, bytes]:
    """The files of all snapshots in one tree.

    Raises InvalidInput where two hold different files of one name.
    """
    found: dict[str, bytes] = {}
    for snapshot in snapshots:
        with zipfile.ZipFile(store.fetch(snapshot)) as files:
            for name in files.namelist():
                data = files.read(name)
                if found.setdefault(name, data) != data:
                    raise InvalidInput(f"the workflow's own code has two different files {name}: submit the run again")
    return found


def enter(folder: Path) -> None:
    """Make the code in the folder importable.

    Raises InvalidInput where this process has imported another module of the same name already.
    """
    for file in folder.rglob("*.py"):
        name = ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        known = getattr(sys.modules.get(name), "__file__", None)
        if name in sys.modules and (known is None or Path(known).read_bytes() != file.read_bytes()):
            raise InvalidInput(
                f"this process has imported another module {name} already: load the bundle in a fresh process"
            )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()


_folders: dict[str, Path] = {}  # digest of the code → where this process unpacked it


def unpacked(code: Mapping[str, bytes]) -> Path:
    """The code as files, until this process ends: modules are read as late as a stage imports them."""
    digest = digest_of({name: hashlib.sha256(data).hexdigest() for name, data in code.items()})
    if digest not in _folders:
        root = Path(tempfile.mkdtemp(prefix="cyclery-bundle-")).resolve()
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        for name, data in code.items():
            target = (root / name).resolve()
            if not target.is_relative_to(root):
                raise InvalidInput(f"the bundle's file {name!r} points outside of it")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        _folders[digest] = root
    return _folders[digest]


def own_modules(names: Iterable[str]) -> frozenset[str]:
    """The top-level names of the modules among a bundle's files."""
    return frozenset(name.split("/")[0].removesuffix(".py") for name in names)


def replay(step: CustomStep, table: pd.DataFrame) -> pd.DataFrame:
    """The table as the team's own row-wise stage returns it."""
    module, _, attribute = step.code.entry.partition(":")
    function = getattr(importlib.import_module(module), attribute)
    signature = read_signature(function)
    needed = [slot.name for slot in signature.inputs.values() if slot.default is REQUIRED and not slot.optional]
    if len(needed) != 1 or signature.context:
        raise UserCodeError(
            f"stage {step.name} takes more than the table, so raw rows alone cannot be served: say `rowwise: false`"
        )
    options: dict[str, Any] = {
        name: validated(value, signature.options[name].annotation) if name in signature.options else value
        for name, value in step.options.items()
    }
    try:
        result = function(table, **options)
    except CycleryError:
        raise
    except Exception as error:  # a team's own code may raise anything
        line = " ".join(str(error).split())
        raise UserCodeError(f"stage {step.name} failed on raw rows: {type(error).__name__}: {line}") from error
    return _same_rows(next(_tables(result), None), table, step)


def _tables(result: Any) -> Iterator[pd.DataFrame]:
    values = result if isinstance(result, tuple) else (result,)
    return (value for value in values if isinstance(value, pd.DataFrame))


def _same_rows(made: pd.DataFrame | None, table: pd.DataFrame, step: CustomStep) -> pd.DataFrame:
    if made is None or not made.index.equals(table.index):
        raise UserCodeError(
            f"stage {step.name} is declared row-wise but did not return the rows that it was given, in their order"
        )
    return made

"""The bundle: one zip that takes raw source rows and predicts, without anything of the run that made it."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.contracts.documents.release import Signature
from orchestrator.contracts.errors import CycleryError, InvalidInput
from orchestrator.contracts.values import canonical
from orchestrator.store.snapshots import MAX_BYTES, MAX_FILES, MAX_RATIO, sound_zip
from workers.data import rowwise
from workers.features.rowwise import featurize
from workers.model_files import foreign_types, load_model
from workers.packaging.manifest import BUNDLE_VERSION, CODE, MANIFEST, MODEL, Manifest
from workers.packaging.own_code import enter, own_modules, replay, unpacked
from workers.packaging.raw_rows import Rows, raw_table
from workers.scoring import label_answers, probabilities

_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal bundles are equal bytes


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A loaded bundle. `pipeline` is the scikit-learn Pipeline, which takes the columns of the training frame."""

    manifest: Manifest
    pipeline: Any

    @classmethod
    def load(cls, path: str | Path, *, own_code: bool = False) -> Bundle:
        """Read a bundle.

        One that carries a team's own code runs it, so it is refused unless `own_code` says that its author is
        trusted. Types of the model file are those of our own list, and classes of that code.
        """
        manifest, files = _read(Path(path))
        code = {name.removeprefix(CODE): data for name, data in files.items() if name.startswith(CODE)}
        if code and not own_code:
            raise InvalidInput(
                f"bundle {manifest.model} carries its team's own code, which loading it runs: "
                "pass own_code=True if you trust where it comes from"
            )
        if code:
            enter(unpacked(code))
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / MODEL
            file.write_bytes(files[MODEL])
            pipeline = load_model(file, _own_types(file, code))
        return cls(manifest, pipeline)

    @property
    def signature(self) -> Signature:
        """The raw columns that it takes, and what it gives."""
        return self.manifest.signature

    def predict(self, rows: Rows) -> pd.DataFrame:
        """`prediction`, and `probability_<i>` by the order of the signature's classes, for raw rows.

        Of several labels `prediction_<label>` (0 or 1) and `probability_<label>` for each of them.

        Raises DataError naming the row, the column and what was expected.
        """
        try:
            return self._predict(rows)
        except CycleryError:
            raise
        except Exception as error:  # a file from elsewhere can be wrong in any way
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise InvalidInput(
                f"bundle {self.manifest.model} cannot predict, its parts do not fit: {reason}"
            ) from error

    def _predict(self, rows: Rows) -> pd.DataFrame:
        labelled = self.signature.output == "labels"
        if not len(rows):
            names = [f"prediction_{label}" for label in self.signature.classes] if labelled else ["prediction"]
            empty = {name: pd.Series(dtype=object) for name in names}
            return pd.DataFrame(empty, index=rows.index if isinstance(rows, pd.DataFrame) else None)
        frame = self.frame(rows)
        if labelled:
            answers = pd.DataFrame(label_answers(self.pipeline, frame, self.signature.classes), index=frame.index)
            return answers.set_index(rows.index) if isinstance(rows, pd.DataFrame) else answers
        found = {"prediction": pd.Series(self.pipeline.predict(frame), index=frame.index)}
        if self.signature.output == "class" and hasattr(self.pipeline, "predict_proba"):
            columns = probabilities(self.pipeline, frame, self.signature.classes, why="prediction")
            for position in range(columns.shape[1]):
                found[f"probability_{position}"] = pd.Series(columns[:, position], index=frame.index)
        answered = pd.DataFrame(found)
        return answered.set_index(rows.index) if isinstance(rows, pd.DataFrame) else answered

    def frame(self, rows: Rows) -> pd.DataFrame:
        """The feature columns of raw rows: what the pipeline takes."""
        if not self.signature.servable:
            raise InvalidInput(
                f"bundle {self.manifest.model} cannot predict from raw rows, "
                f"since {self.signature.not_servable_because}; its pipeline takes the columns of the training frame"
            )
        table = self.prepared(raw_table(rows, self.signature.inputs, self.manifest.dtypes))
        return featurize(table, self.manifest.preparation)[list(self.manifest.features)]

    def prepared(self, table: pd.DataFrame) -> pd.DataFrame:
        """The source's rows as the workflow's stages before the features saw them; columns may be absent."""
        for step in (step for step in self.manifest.custom if not step.prepared):
            table = replay(step, table)
        table = rowwise.apply(table, self.manifest.changes, partial=True)
        for step in (step for step in self.manifest.custom if step.prepared):
            table = replay(step, table)
        return table


def described(path: Path) -> tuple[Manifest, bool]:
    """What a bundle says of itself, and whether it carries a team's own code; nothing of it is run."""
    with zipfile.ZipFile(path) as files:
        own = any(name.startswith(CODE) for name in files.namelist())
        return Manifest.model_validate_json(files.read(MANIFEST)), own


def write_bundle(path: Path, manifest: Manifest, model: bytes, code: Mapping[str, bytes]) -> None:
    """Write a bundle; equal content gives equal bytes."""
    with zipfile.ZipFile(path, "w") as target:
        _write(target, MANIFEST, canonical(manifest.model_dump(mode="json")))
        for name in sorted(code):
            _write(target, CODE + name, code[name])
        _write(target, MODEL, model, zipfile.ZIP_STORED)  # compressed already


def _write(target: zipfile.ZipFile, name: str, data: bytes, how: int = zipfile.ZIP_DEFLATED) -> None:
    target.writestr(zipfile.ZipInfo(name, _EPOCH), data, compress_type=how)


def _read(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    def refusal(why: object) -> str:
        return f"{path.name} is no bundle that can be read: {' '.join(str(why).split())}"

    try:
        with sound_zip(refusal), zipfile.ZipFile(io.BytesIO(path.read_bytes())) as source:
            _check_entries(path, source.infolist())
            files = {name: source.read(name) for name in source.namelist()}
        written = json.loads(files[MANIFEST])
        version = written.get("version")
        if version != BUNDLE_VERSION:
            raise InvalidInput(f"{path.name} is a bundle of format {version}; this version reads {BUNDLE_VERSION}")
        if MODEL not in files:
            raise InvalidInput(f"{path.name} is no bundle: it holds no {MODEL}")
        return Manifest.model_validate(written), files
    except (OSError, KeyError, ValueError, AttributeError, RecursionError) as error:
        raise InvalidInput(refusal(error)) from error


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Only what `write_bundle` can have written is unpacked: the model as it is, the rest deflated and small."""
    for info in entries:
        most = min(MAX_BYTES, MAX_RATIO * max(info.compress_size, 1))
        deflated = info.compress_type == zipfile.ZIP_DEFLATED and info.file_size <= most
        if len(entries) > MAX_FILES or not (deflated or info.compress_type == zipfile.ZIP_STORED):
            raise InvalidInput(f"{path.name} is no bundle: {info.filename!r} in it is not as bundles are written")


def _own_types(model: Path, code: Mapping[str, bytes]) -> tuple[str, ...]:
    """Classes of the code that the bundle carries; without code, none."""
    if not code:
        return ()
    own = own_modules(code)
    return tuple(name for name in foreign_types(model) if name.split(".", maxsplit=1)[0] in own)

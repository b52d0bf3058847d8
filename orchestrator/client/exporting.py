"""Copies of what a model version consists of, for people and tools outside of Cyclery."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from orchestrator.client.resolving import record_of
from orchestrator.client.session import Session
from orchestrator.contracts.calls import ArtifactRef
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import ModelVersion


def export(session: Session, version: ModelVersion, folder: Path) -> list[Path]:
    """Copy the bundle, its model, the split's rows with their folds, the frame, trials and evidence; docs/verify.md."""
    wanted: dict[str, ArtifactRef | None] = {
        "bundle.zip": version.bundle,
        "rows.parquet": version.rows,
        "trials.json": version.ranking,
        "evaluation.json": version.evaluation,
        "signature.json": version.signature,
        "verdicts.json": version.verdicts,
    }
    record = record_of(session, version.run)
    for stage, output, name in (
        ("features", "frame", "frame.parquet"),
        ("features", "preparation", "preparation.json"),
        ("split", "summary", "split.json"),
        ("evaluate", "predictions", "predictions.parquet"),
    ):
        found = record.stage(stage) if record is not None else None
        wanted[name] = found.outputs.get(output) if found is not None else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{folder}: cannot be made: {error.strerror}") from None
    written = []
    for name, ref in wanted.items():
        if ref is not None:
            shutil.copyfile(session.store.fetch(ref), folder / name)
            written.append(folder / name)
    with zipfile.ZipFile(folder / "bundle.zip") as bundle:
        written.append(Path(bundle.extract("model.skops", folder)))
    return written

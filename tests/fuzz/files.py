"""File sources: the head as the command reads it, the whole as `ingest` does, and what comes after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from orchestrator.contracts.data import CheckParams, FeaturesParams, IngestParams, PrepareParams, SplitParams
from orchestrator.contracts.errors import DataError
from orchestrator.spec.headers import columns_of
from orchestrator.spec.models import Source
from orchestrator.store.artifacts import ArtifactStore
from tests.fuzz import place
from tests.fuzz.contract import Broken, pieces, target
from workers.data.check import check
from workers.data.ingest import ingest
from workers.data.prepare import prepare
from workers.data.split import split
from workers.features.build import build
from workers.runtime.codecs import Desk, load, save
from workers.runtime.signature import Slot

OBJECTIVE = {"predict": "y", "task": "classification", "metric": "accuracy"}


@target
def delimited(data: bytes) -> None:
    """Options as JSON, then a CSV or TSV file."""
    options, content = pieces(data, 2)
    _read({"format": "csv", **_document(options)}, content)


@target
def records(data: bytes) -> None:
    """Options as JSON, then a JSON or JSON-lines file."""
    options, content = pieces(data, 2)
    _read({"format": "jsonl", **_document(options)}, content)


@target
def parquet(data: bytes) -> None:
    """A Parquet file."""
    _read({"format": "parquet"}, data)


@target
def prepared(data: bytes) -> None:
    """Sections of a spec as JSON, then the CSV file that they are for: check, prepare, split and features."""
    asked, content = pieces(data, 2)
    given = _document(asked)
    table = ingest(place.file("data", content), params=_params({"format": "csv"})).table
    try:
        roles = {"objective": {**OBJECTIVE, **given.get("objective", {})}, "columns": given.get("columns", {})}
        checks = CheckParams.model_validate(given.get("check", {}))
        preparation = PrepareParams.model_validate(given.get("prepare", {}))
        splitting = SplitParams.model_validate({"method": "random", "folds": 2} | given.get("split", {}) | roles)
        features = FeaturesParams.model_validate(
            {**given.get("features", {}), "objective": roles["objective"], "roles": roles["columns"]}
        )
    except (ValidationError, TypeError):  # no parameters that a plan could hold
        return
    check(table, params=checks)
    after = prepare(table, params=preparation).table
    _kept(after)
    rows = split(after, params=splitting).rows
    _kept(build(after, rows, params=features).frame)


def _read(options: dict[str, Any], content: bytes) -> None:
    """Both readers agree on the columns, and the table is one that can be kept."""
    params = _params(options)
    file = place.file("data", content)
    named = _columns(params, file)
    table = ingest(file, params=params).table
    if isinstance(named, DataError):
        raise Broken(f"the head is refused ({named}), the file is not")
    if named is not None and named != tuple(table.columns):
        raise Broken(f"the head names {named}, the table {tuple(table.columns)}")
    _kept(table)


def _columns(params: IngestParams, file: Path) -> tuple[str, ...] | DataError | None:
    source = params.model_dump(exclude={"source", "filename"}) | {"file": params.filename}
    try:
        return columns_of(Source.model_construct(**source), file)
    except DataError as error:
        return error


def _params(options: dict[str, Any]) -> IngestParams:
    """Parameters as a spec can make them; anything else counts as left out."""
    try:
        asked = Source.model_validate({"file": "data", **options})
    except ValidationError:
        asked = Source(file="data", format="csv")
    return IngestParams.model_validate({"source": "data", "filename": "data", **asked.model_dump(exclude={"file"})})


def _document(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _kept(table: pd.DataFrame) -> None:
    """The table comes back from the store as it went there."""
    folder = place.folder()
    desk = Desk(ArtifactStore(str(folder / "tables"), folder / "copies", 2**30), lambda: folder)
    slot = Slot("table", pd.DataFrame)
    back = load(save(table, slot, desk), slot, desk)
    pd.testing.assert_frame_equal(back, table)

"""Stages on data, up to the features of each row."""

from __future__ import annotations

from orchestrator.contracts import data
from orchestrator.contracts.calls import Input, Output
from orchestrator.contracts.errors import InvalidInput
from orchestrator.plan.draft import Draft
from orchestrator.plan.stages.taken import columns, of_split, target
from orchestrator.spec.headers import format_of
from orchestrator.spec.models import Source


def ingest(draft: Draft) -> None:
    """Each source's bytes become a table."""
    for name, source in draft.spec.data.sources.items():
        inputs: dict[str, Input] = {"file": draft.fingerprints.sources[name]}
        draft.add("ingest", "data.ingest", source_params(name, source), inputs, identifier=f"ingest[{name}]")


def source_params(name: str, source: Source) -> data.IngestParams:
    """How a workflow's source is read."""
    described = source.model_dump(exclude={"file", "format"})
    return data.IngestParams(source=name, filename=source.file, format=_format(source), **described)


def _format(source: Source) -> data.Format:
    """Raises InvalidInput where the ending of the file's name says nothing."""
    found = format_of(source)
    if found is None:
        raise InvalidInput(
            f"{source.file}: its ending tells no format: write `format: csv` (tsv, json, jsonl, parquet)"
        )
    return found


def check(draft: Draft) -> None:
    """The checks of the table as it is in the source."""
    columns = {name: data.ColumnCheck(**one.model_dump()) for name, one in draft.spec.data.checks.items()}
    (source,) = draft.spec.data.sources.values()
    params = data.CheckParams(columns=columns, rows=draft.spec.data.rows, filename=source.file)
    draft.add("check", "data.check", params, {"table": draft.table})


def prepare(draft: Draft) -> None:
    """Row-wise preparation, once the checks passed."""
    params = data.PrepareParams.model_validate(draft.spec.prepare.model_dump())
    after = ("check",) if draft.has("check") else ()
    draft.add("prepare", "data.prepare", params, {"table": draft.table}, after=after)
    draft.table = Output(stage="prepare", output="table")


def split(draft: Draft) -> None:
    """Test rows and folds."""
    spec = draft.spec
    params = data.SplitParams(
        **spec.split.model_dump(exclude={"assume_independent"}),
        folds=spec.train.search.folds,
        objective=target(spec),
        columns=columns(spec),
    )
    draft.add("split", "data.split", params, {"table": draft.table})
    named = [name for name in (spec.columns.group, spec.columns.time) if name is not None]
    if named and spec.split.assume_independent:
        draft.notes.append(
            f"rows are taken for independent, as the workflow says, although it names {' and '.join(named)}: "
            "where they are not, scores are too good"
        )


def features(draft: Draft) -> None:
    """Derived columns, and the rules of preparation resolved from training rows."""
    spec = draft.spec
    params = data.FeaturesParams(
        derive=spec.features.derive,
        columns=spec.features.columns,
        objective=target(spec),
        roles=columns(spec),
        segment=spec.train.per.column if spec.train.per else None,
        dtype="float32" if spec.train.dtype == "float32" else None,
        sparse=None if spec.train.sparse == "never" else spec.train.sparse,
    )
    draft.add("features", "features.build", params, {"table": draft.table, "rows": of_split("rows")})

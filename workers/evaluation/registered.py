"""A registered version judged by its bundle alone; also in a process: `python -m workers.evaluation.registered`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from orchestrator.contracts.documents.evaluation import Details, Evaluation
from orchestrator.contracts.documents.release import Performance, SignatureColumn
from orchestrator.contracts.errors import CycleryError, DataError, UserCodeError
from orchestrator.contracts.evaluation import FreshParams
from workers.data import cells
from workers.data.identity import identities
from workers.data.targets import target_of
from workers.evaluation.judging import judge
from workers.evaluation.rows import GROUP, TARGET, TIME, follows, part
from workers.evaluation.slices import columns_of
from workers.evaluation.units import Units, by_group, by_row, by_time
from workers.features.roles import role_columns
from workers.packaging.bundle import Bundle
from workers.packaging.manifest import Manifest
from workers.packaging.own_process import REFUSED, Ended, in_own_process
from workers.packaging.performance import performance
from workers.packaging.raw_rows import raw_table
from workers.runtime.tables import read_table, write_table

_PARAMS, _BEFORE, _FOUND = "params.json", "before.json", "evaluation.json"
_DETAILS, _MEASURED = "details.json", "performance.json"
_TABLES = ("table", "trained", "frame")


@dataclass(frozen=True, slots=True)
class Given:
    """What a registered version is judged on."""

    bundle: Path
    table: pd.DataFrame  # as ingested
    trained: pd.DataFrame  # `split.rows` of the run that made it
    before: Evaluation | None  # of that run
    frame: pd.DataFrame | None  # of that run
    params: FreshParams


class Found(NamedTuple):
    """What came of it."""

    evaluation: Evaluation
    predictions: pd.DataFrame
    details: Details
    performance: Performance


def judge_registered(given: Given, *, own_code: bool = False) -> Found:
    """The evaluation of the rows that have a target and that the version was not trained on.

    Raises DataError in one line where columns are missing, a row is not as the signature says, or no row is left.
    """
    params = given.params
    bundle = Bundle.load(given.bundle, own_code=own_code)
    manifest = bundle.manifest
    raw = _raw(given.table, manifest, params)
    prepared = bundle.prepared(raw)
    target = _target(prepared, manifest, params)
    prepared = prepared.loc[target.index]
    seen = set(given.trained.loc[given.trained["part"] == "train", "identity"].tolist())
    fresh = ~pd.Series(identities(prepared, params.roles.id), index=prepared.index).isin(seen)
    if not fresh.any():
        raise DataError(
            f"{params.data}: all {len(prepared):,} rows with a target are rows that {params.model} was trained on: "
            "bring rows that it never saw"
        )
    prepared, asked = prepared[fresh], raw.loc[prepared.index[fresh]]
    test = bundle.frame(asked).set_index(asked.index)
    test = test.assign(**{TARGET: target[fresh]}, **dict(role_columns(prepared, params.roles)))
    in_time = TIME in test.columns and follows(given.trained)
    test = test.sort_values(TIME, kind="stable") if in_time else test
    judged = judge(
        bundle.pipeline,
        test,
        _units(test, in_time=in_time),
        manifest.preparation,
        train=None if given.frame is None else part(given.frame, given.trained, "train"),
        columns=columns_of(prepared, test, params.slices) if params.slices or params.weakest else None,
        params=params,
    )
    notes = _notes(given, manifest, without=len(raw) - len(target), trained_on=int((~fresh).sum()))
    known = {
        "model": params.model,
        "before": {} if given.before is None else given.before.metrics,
        "notes": (*notes, *judged.evaluation.notes),
    }
    measured = performance(given.bundle, asked, own_code=own_code)
    return Found(judged.evaluation.model_copy(update=known), judged.predictions, judged.details, measured)


def _raw(table: pd.DataFrame, manifest: Manifest, params: FreshParams) -> pd.DataFrame:
    """The table with the signature's columns in the types of the training's source.

    A file may hold numbers alone where the training's held a text among them, or the other way round: such a column is
    read again as what it was.
    """
    _require(table, manifest, params)
    inputs = manifest.signature.inputs
    table = table.assign(**{one.name: _read_again(table[one.name], one, params) for one in inputs})
    try:
        typed = raw_table(table, inputs, manifest.dtypes).set_index(table.index)
    except DataError as error:
        raise DataError(f"{params.data}: {error}") from None
    return table.assign(**{name: typed[name] for name in typed.columns})


def _read_again(column: pd.Series[Any], wanted: SignatureColumn, params: FreshParams) -> pd.Series[Any]:
    if wanted.type == "text":
        return column if cells.is_text(column) else cells.texts(column)
    if wanted.type not in ("number", "integer") or not cells.is_text(column):
        return column
    read = cells.numbers(column)
    if read.invalid.any():
        where = cells.listed(cells.row_numbers(read.invalid), int(read.invalid.sum()))
        first = cells.scalar(column[read.invalid].iloc[0])
        raise DataError(f"{params.data}: {where}, column {wanted.name!r}: {first!r} is not a number")
    return read.values


def _require(table: pd.DataFrame, manifest: Manifest, params: FreshParams) -> None:
    """Every column that the version needs, that is predicted, or that has a role, under its name in the source."""
    original = {new: old for old, new in manifest.changes.rename.items()}
    roles = params.roles
    named = [*params.objective.targets, roles.id, roles.time, roles.group, roles.weight]
    made = bool(manifest.custom)  # a stage of the team's own may make such a column
    needed = [one.name for one in manifest.signature.inputs]
    needed += [] if made else [original.get(name, name) for name in named if name is not None]
    absent = [name for name in dict.fromkeys(needed) if name not in table.columns]
    if absent:
        what = f"column {absent[0]!r} is" if len(absent) == 1 else f"columns {', '.join(map(repr, absent))} are"
        there = ", ".join(map(str, table.columns[:12])) + (", …" if len(table.columns) > 12 else "")
        raise DataError(f"{params.data}: {what} missing, which {params.model} is judged with (there are: {there})")


def _target(prepared: pd.DataFrame, manifest: Manifest, params: FreshParams) -> pd.Series[Any]:
    """The truth of the rows that have one, its labels as the version's own."""
    target = target_of(prepared, params.objective, fewest=1)
    preparation = manifest.preparation
    if preparation.target_kind in ("regression", "multilabel"):
        return target
    own = {cells.cell_text(label): label for label in preparation.classes}
    target = target.map(lambda label: own.get(cells.cell_text(label), label)).infer_objects()
    strange = ~target.isin(list(preparation.classes))
    if preparation.target_kind == "binary" and strange.any():
        where = cells.listed(cells.row_numbers(strange), int(strange.sum()))
        raise DataError(
            f"{params.data}: {params.objective.target_name!r} is {target[strange].iloc[0]!r} in {where}; "
            f"{params.model} tells {' from '.join(map(repr, preparation.classes))} (mend the data, or leave these out)"
        )
    return target


def _units(test: pd.DataFrame, *, in_time: bool) -> Units:
    if in_time:
        return by_time(len(test))
    if GROUP in test.columns:
        return by_group(pd.factorize(test[GROUP], use_na_sentinel=False)[0])
    return by_row(len(test))


def _notes(given: Given, manifest: Manifest, *, without: int, trained_on: int) -> tuple[str, ...]:
    """Which rows are judged, and what a reader must know to compare them with those of the training."""
    notes = []
    if trained_on:
        notes.append(f"{trained_on:,} rows are left out: {given.params.model} was trained on them")
    if without:
        notes.append(f"{without:,} rows are left out: they have no {given.params.objective.target_name}")
    if manifest.changes.rows_filtered or manifest.changes.rows_deduplicated:
        notes.append("rows that `prepare` filtered out for training are judged here, as they would be served")
    if given.frame is None:
        notes.append("there is no dummy to compare with: the training rows are no longer at hand")
    return tuple(notes)


# — in a process of its own: a team's code of two versions never meets in a worker


def judge_in_own_process(given: Given, workdir: Path) -> Found:
    """The same, in a process that runs the code of the bundle's team."""
    for name in _TABLES:
        table = getattr(given, name)
        if table is not None:
            write_table(table, workdir / f"{name}.parquet")
    (workdir / _PARAMS).write_text(given.params.model_dump_json())
    if given.before is not None:
        (workdir / _BEFORE).write_text(given.before.model_dump_json())
    try:
        in_own_process("workers.evaluation.registered", given.bundle, workdir)
    except Ended as ended:
        if ended.refused:
            raise DataError(ended.line) from None
        raise UserCodeError(f"{given.params.model} by itself cannot be judged: {ended.line}") from None
    return Found(
        Evaluation.model_validate_json((workdir / _FOUND).read_bytes()),
        read_table(workdir / "predictions.parquet"),
        Details.model_validate_json((workdir / _DETAILS).read_bytes()),
        Performance.model_validate_json((workdir / _MEASURED).read_bytes()),
    )


def main(arguments: list[str]) -> int:
    """Judge a bundle on what lies in a folder, and leave what came of it there."""
    bundle, workdir = (Path(argument) for argument in arguments)
    table, trained, frame = (
        read_table(file) if (file := workdir / f"{name}.parquet").exists() else None for name in _TABLES
    )
    before = workdir / _BEFORE
    try:
        if table is None or trained is None:
            raise DataError(f"{workdir} holds nothing to judge by")
        known = Evaluation.model_validate_json(before.read_bytes()) if before.exists() else None
        params = FreshParams.model_validate_json((workdir / _PARAMS).read_bytes())
        found = judge_registered(Given(bundle, table, trained, known, frame, params), own_code=True)
    except CycleryError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    (workdir / _FOUND).write_text(found.evaluation.model_dump_json())
    write_table(found.predictions, workdir / "predictions.parquet")
    (workdir / _DETAILS).write_text(found.details.model_dump_json())
    (workdir / _MEASURED).write_text(found.performance.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

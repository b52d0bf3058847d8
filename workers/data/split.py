"""`data.split`: which rows are held back for the test, and the folds of the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from orchestrator.contracts.data import SplitParams
from orchestrator.contracts.documents.data import SplitSummary
from orchestrator.contracts.errors import DataError
from workers.data import cells
from workers.data.expressions import suggestion
from workers.data.folds import LEFT_OUT, METHODS, TEST, Positions, Rows, by_time
from workers.data.identity import identities
from workers.data.targets import classes_of, target_of
from workers.labels import decoded, strata
from workers.runtime.context import StageContext


class SplitOutputs(NamedTuple):
    """What `split` leaves behind."""

    rows: pd.DataFrame  # index `row`; identity, part, fold, order
    summary: SplitSummary


def split(table: pd.DataFrame, *, params: SplitParams, context: StageContext | None = None) -> SplitOutputs:
    """The rows that have a target, each in one part; rows without one are in neither, nor are those of the last gap."""
    _check_params(params)
    target = target_of(table, params.objective)
    used = table.loc[target.index]
    without = len(table) - len(used)
    if len(used) < params.folds + 2:
        raise DataError(
            f"split: {len(used)} rows with a target are too few for a test and {params.folds} folds (bring more data)"
        )
    times = _times(used, params) if params.method == "time" else None
    rows = Rows(
        target=_kept_shares(target, params),
        identity=identities(used, _named(used, params.columns.id, "id")),
        groups=_groups(used, params) if params.method == "group" else None,
        order=np.arange(len(used)) if times is None else _ranks(times),
    )
    folds = METHODS[params.method](rows, params) if times is None else by_time(rows, params, times)
    _check_parts(folds, params)
    notes = _check_classes(target, folds, rows.order, params)
    kept = folds != LEFT_OUT
    out = pd.DataFrame(
        {
            "identity": rows.identity,
            "part": pd.Series(np.where(folds == TEST, "test", "train"), dtype="str").to_numpy(),
            "fold": folds.astype(np.int16),
            "order": rows.order.astype(np.int64),
        },
        index=used.index,
    ).astype({"part": "str"})[kept]
    in_gap = int((~kept).sum())
    summary = _summary(out, params, left_out=without + in_gap, notes=[*_notes(out, params, without, in_gap), *notes])
    if context is not None:
        for note in summary.notes:
            context.log.warning("%s", note)
        context.log.info("%d rows to train, %d to test", summary.train_rows, summary.test_rows)
    return SplitOutputs(out, summary)


def _check_params(params: SplitParams) -> None:
    if params.method == "stratified" and params.objective.task == "regression":
        raise DataError("split: method stratified is for classes, not for regression (use method: random)")
    if not 0 < params.test < 1 or params.folds < 2 or params.gap < 0:
        raise DataError("split: test must lie between 0 and 1, folds be 2 or more, and gap not be negative")


def _named(table: pd.DataFrame, name: str | None, role: str) -> str | None:
    if name is not None and name not in table.columns:
        raise DataError(f"columns: {role}: there is no column {name!r}{suggestion(name, table.columns)}")
    return name


def _role(table: pd.DataFrame, name: str | None, role: str) -> pd.Series[Any]:
    """A column that the method needs in every row."""
    if _named(table, name, role) is None:
        raise DataError(f"split: the method needs a {role} column (set columns: {{{role}: …}})")
    column: pd.Series[Any] = table[name]
    gaps = cells.missing(column)
    if bool(gaps.any()):
        where = cells.listed(cells.row_numbers(gaps), int(gaps.sum()))
        raise DataError(
            f"split: the {role} column {name!r} has no value in {where} "
            f'(fill it in, or prepare: filter: ["not is_missing(`{name}`)"])'
        )
    return column


def _groups(table: pd.DataFrame, params: SplitParams) -> np.ndarray[Any, Any]:
    """The number of each row's group, in the order of the groups' values."""
    column = _role(table, params.columns.group, "group")
    values = column if cells.is_number(column) or cells.is_date(column) else cells.texts(column).astype(object)
    return pd.factorize(values, sort=True)[0]


def _times(table: pd.DataFrame, params: SplitParams) -> pd.Series[Any]:
    """The time of each row: dates, or numbers that grow with time."""
    column = _role(table, params.columns.time, "time")
    if cells.is_date(column):
        return cells.naive(column)
    if cells.is_number(column):
        return column.astype("float64")
    read = cells.dates(column)
    if bool(read.invalid.any()):
        first = cells.scalar(column[read.invalid].iloc[0])
        raise DataError(
            f"split: the time column {column.name!r} holds {first!r}, which is no date and no number "
            f"(prepare: cast: {{{column.name}: {{to: date, format: …}}}})"
        )
    return read.values


def _ranks(times: pd.Series[Any]) -> Positions:
    """The place of each row in time; rows of one time in the order of the table."""
    ranks = np.empty(len(times), dtype=np.intp)
    ranks[np.argsort(times.to_numpy(), kind="stable")] = np.arange(len(times))
    return ranks


def _check_parts(folds: Positions, params: SplitParams) -> None:
    """There must be test rows, and rows in every fold."""
    if not (folds == TEST).any():
        raise DataError(
            f"split: no row falls into the test of {params.test:.4g} (raise split.test, or bring more data)"
        )
    for fold in range(params.folds):
        if not (folds == fold).any():
            raise DataError(
                f"split: fold {fold + 1} of {params.folds} is empty (lower train.search.folds, or use another method)"
            )


def _check_classes(target: pd.Series[Any], folds: Positions, order: Positions, params: SplitParams) -> list[str]:
    """Notes on folds that lack a class; the test must have every class, and what a fold trains on more than one."""
    if params.objective.task == "regression":
        return []
    if params.objective.task == "multilabel":
        return _check_labels(target, folds, order, params)
    labels, classes, name = target.to_numpy(), classes_of(target), params.objective.predict
    remedy = "use method: stratified, " if params.method in ("random", "hash") else ""
    notes = []
    for where, rows, wanted in _sides(folds, order, params):
        found = set(np.unique(labels[rows]).tolist())
        absent = [label for label in classes if label not in found]
        if absent and (wanted == "all" or (wanted == "several" and len(found) < 2)):
            raise DataError(
                f"split: class {absent[0]!r} of {name!r}, in {(labels == absent[0]).sum():,} of {len(labels):,} rows, "
                f"is missing from {where} ({remedy}lower train.search.folds, or filter out or merge the class)"
            )
        if absent:
            notes.append(f"class {absent[0]!r} of {name!r} is missing from {where}: some metrics are undefined there")
    return notes


def _check_labels(target: pd.Series[Any], folds: Positions, order: Positions, params: SplitParams) -> list[str]:
    """The same of each label: the test, and what a fold trains on, must have rows with it and rows without it."""
    given = decoded(target.to_numpy(), len(params.objective.targets))
    remedy = "use method: stratified, " if params.method in ("random", "hash") else ""
    notes = []
    for where, rows, wanted in _sides(folds, order, params):
        for name, mine in zip(params.objective.targets, given.T, strict=True):
            if len(np.unique(mine[rows])) > 1:
                continue
            what = f"label {name!r}, that {int(mine.sum()):,} of {len(mine):,} rows have,"
            same = f"is {int(mine[rows][0])} in all rows of {where}"
            if wanted != "any":
                size = "raise split.test" if where == "the test" else "lower train.search.folds"
                raise DataError(f"split: {what} {same} ({remedy}{size}, or take the label out)")
            notes.append(f"{what} {same}: some metrics are undefined there")
    if params.method == "stratified":
        sets, counts = np.unique(target, return_counts=True)
        rare = int((counts < _fewest(params)).sum())
        if _kept_shares(target, params).nunique() == 1:
            notes.append(f"the {len(sets):,} label sets are too many to keep the shares of: the split is at random")
        elif rare:
            notes.append(
                f"{rare:,} of {len(sets):,} label sets are too rare to keep their shares: they go by rarest label"
            )
    return notes


def _kept_shares(target: pd.Series[Any], params: SplitParams) -> pd.Series[Any]:
    """What method stratified keeps the shares of: classes, or the label sets that are frequent enough."""
    if params.objective.task != "multilabel" or params.method != "stratified":
        return target
    most = math.floor(min(params.test, 1 - params.test) * len(target))
    found = strata(target.to_numpy(), len(params.objective.targets), fewest=_fewest(params), most=most)
    return pd.Series(found, index=target.index)


def _fewest(params: SplitParams) -> int:
    """Rows of a label set, so that each fold gets one of them."""
    return math.ceil((params.folds + 1) / (1 - params.test))


def _sides(folds: Positions, order: Positions, params: SplitParams) -> Iterator[tuple[str, Any, str]]:
    """(in words, rows, which classes it needs) of the test and of both sides of every scored fold."""
    yield "the test", folds == TEST, "all"
    if params.method == "time":
        for fold in range(1, params.folds + 1):
            scored = folds == fold
            earlier = (folds >= 0) & (order < order[scored].min() - params.gap)
            yield f"what fold {fold} trains on", earlier, "several"
            yield f"fold {fold}", scored, "any"
        return
    for fold in range(params.folds):
        yield f"what fold {fold + 1} trains on", (folds >= 0) & (folds != fold), "several"
        yield f"fold {fold + 1}", folds == fold, "any"


def _summary(rows: pd.DataFrame, params: SplitParams, *, left_out: int, notes: list[str]) -> SplitSummary:
    in_time = params.method == "time"
    sizes = rows.loc[rows["part"] == "train", "fold"].value_counts()
    scored = range(1, params.folds + 1) if in_time else range(params.folds)
    return SplitSummary(
        method=params.method,
        scheme="expanding" if in_time else "partition",
        folds=params.folds,
        gap=params.gap if in_time else 0,
        train_rows=int((rows["part"] == "train").sum()),
        test_rows=int((rows["part"] == "test").sum()),
        fold_rows=tuple(int(sizes[fold]) for fold in scored),
        left_out=left_out,
        notes=tuple(notes),
    )


def _notes(rows: pd.DataFrame, params: SplitParams, without: int, in_gap: int) -> Iterator[str]:
    if without:
        yield f"{without:,} rows have no {params.objective.target_name!r}: they are neither trained on nor tested"
    if in_gap:
        yield f"{in_gap:,} rows before the test are the gap: they are neither trained on nor tested"
    sides = rows.groupby("identity")["part"].nunique()
    both = int((sides > 1).sum())
    if both:
        what = "rows with the same content" if params.columns.id is None else f"values of {params.columns.id!r}"
        yield f"{both:,} {what} are both in the training rows and in the test (method: hash keeps them together)"

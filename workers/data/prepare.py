"""`data.prepare`: rename, drop, cast, filter and deduplicate rows, in this order."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from orchestrator.contracts.data import Deduplicate, PrepareParams
from orchestrator.contracts.documents.data import Changes
from orchestrator.contracts.errors import DataError
from workers.data import rowwise
from workers.data.expressions import holds, suggestion
from workers.runtime.context import StageContext


class PrepareOutputs(NamedTuple):
    """What `prepare` leaves behind."""

    table: pd.DataFrame  # index `row`: the position in the source
    changes: Changes


def prepare(table: pd.DataFrame, *, params: PrepareParams, context: StageContext | None = None) -> PrepareOutputs:
    """The prepared rows, and the row-wise part of it for the bundle to replay."""
    changes = Changes(rename=params.rename, drop=params.drop, cast=params.cast, rows_before=len(table))
    prepared = rowwise.apply(table, changes)
    kept = prepared
    for expression in params.filter:
        kept = kept[holds(expression, kept)]
        if kept.empty:
            raise DataError(f"prepare: no row is left after the filter {expression!r} (loosen it)")
    unique = kept if params.deduplicate is None else _deduplicated(kept, params.deduplicate)
    if unique.empty or not len(unique.columns):
        raise DataError("prepare: the table has no rows or no columns left (look at the source and at `drop`)")
    counts = {"rows_filtered": len(prepared) - len(kept), "rows_deduplicated": len(kept) - len(unique)}
    if context is not None:
        context.log.info(
            "%d rows in, %d filtered out, %d duplicates, %d left", len(table), *counts.values(), len(unique)
        )
    return PrepareOutputs(unique, changes.model_copy(update=counts))


def _deduplicated(table: pd.DataFrame, rule: Deduplicate) -> pd.DataFrame:
    """One row of each that are the same; missing values are the same as one another."""
    for name in rule.by or ():
        if name not in table.columns:
            raise DataError(f"prepare: deduplicate: there is no column {name!r}{suggestion(name, table.columns)}")
    return table[~table.duplicated(subset=list(rule.by) if rule.by else None, keep=rule.keep)]

"""Some of the test rows by themselves: slices by a column's values or bins, and the weakest among many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.documents.evaluation import SliceEvidence
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.evaluation import Slicing
from orchestrator.contracts.metrics import metric_of
from workers.evaluation.bootstrap import resamples_for
from workers.evaluation.effective import rarest
from workers.evaluation.intervals import Judge, names_of, needed_for
from workers.evaluation.parallel import each, processes_for
from workers.evaluation.points import point
from workers.evaluation.sample import Sample

Mask = NDArray[np.bool_]

MOST_VALUES = 50  # of a column that is divided by value
FEW_VALUES = 12  # of a column that weak slices are looked for in
FEWEST_ROWS, FEWEST_OF_CLASS = 30, 5  # of a slice that is found by itself


@dataclass(frozen=True, slots=True)
class Columns:
    """What test rows can be divided by: the table as it was prepared, and what was derived of it."""

    table: pd.DataFrame  # rows in the order of the sample
    slicings: tuple[Slicing, ...] = ()

    def slices(self, column: str) -> dict[str, Mask]:
        """COLUMN=VALUE → its rows, as the spec divides the column, else by value.

        Raises InvalidInput where there is no such column, or more values than can be looked at one by one.
        """
        slicing = next((one for one in self.slicings if one.column == column), Slicing(column=column))
        return divided(self._values(column), slicing)

    def slice(self, text: str) -> Mask:
        """The rows of COLUMN=VALUE; none where no test row has the value."""
        column, _, value = (part.strip() for part in text.partition("="))
        masks = self.slices(column)
        return masks.get(f"{column}={value}", np.zeros(len(self.table), dtype=bool))

    def _values(self, column: str) -> pd.Series:
        if column not in self.table.columns:
            raise InvalidInput(f"the prepared table has no column {column!r}")
        return self.table[column]


def columns_of(
    prepared: pd.DataFrame | None, judged: pd.DataFrame, slicings: tuple[Slicing, ...] = ()
) -> Columns | None:
    """The columns of the judged rows: of the prepared table, and feature columns that it does not have."""
    if prepared is None:
        return None
    table = prepared.loc[judged.index]
    derived = [name for name in judged.columns if name not in table.columns and not name.startswith("__")]
    return Columns(pd.concat([table, judged[derived]], axis=1), slicings)


def divided(values: pd.Series, slicing: Slicing) -> dict[str, Mask]:
    """COLUMN=VALUE → the rows that have it; a missing value is a value, unless bins or values are named."""
    if slicing.bins is not None:
        return _binned(values, slicing.column, slicing.bins)
    texts = values.map(_text, na_action="ignore").fillna("missing").to_numpy(dtype=object)
    if slicing.values is not None:
        wanted = [_text(value) for value in slicing.values]
    else:
        wanted = sorted(set(texts))
        if len(wanted) > MOST_VALUES:
            raise InvalidInput(f"{slicing.column} has {len(wanted)} values: name `values` or `bins` of it")
    return {f"{slicing.column}={value}": np.asarray(texts == value, dtype=bool) for value in wanted}


def _binned(values: pd.Series, column: str, edges: Sequence[float]) -> dict[str, Mask]:
    try:
        numbers = pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError):
        raise InvalidInput(f"{column} does not hold numbers: bins cannot divide it") from None
    found = {}
    for low, high in pairwise(edges):
        below = numbers <= high if high == edges[-1] else numbers < high
        found[f"{column}={low:g} to {high:g}"] = np.asarray((numbers >= low) & below)
    return found


def _text(value: object) -> str:
    """A value as people write it in a spec: 1 for 1.0, true for True."""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, float | np.floating) and math.isfinite(value) and float(value).is_integer():
        return str(int(value))
    return str(value)


def slice_evidence(
    sample: Sample,
    masks: Mapping[str, Mask],
    *,
    names: Sequence[str],
    confidence: float,
    among: int,
    resamples: int,
    seed: int,
) -> tuple[SliceEvidence, ...]:
    """Each slice's metrics, with intervals that hold for all `among` slices at once (Bonferroni, after Dunn 1961)."""
    alpha = (1 - confidence) / max(among, 1)
    number = resamples_for(alpha, resamples)

    def evidence(label: str) -> SliceEvidence:
        rows = sample.take(masks[label])
        judge = Judge(rows, needed_for(rows, names), 1 - alpha, number, seed)
        metrics = {name: judge.interval(name) for name in names} if len(rows) else {}
        return SliceEvidence(column=label.partition("=")[0], slice=label, rows=len(rows), metrics=metrics)

    largest_first = sorted(masks, key=lambda label: int(masks[label].sum()), reverse=True)
    largest = int(masks[largest_first[0]].sum()) if masks else 0
    found = each(evidence, largest_first, SliceEvidence, processes_for(largest * number))
    by_label = {one.slice: one for one in found}
    return tuple(by_label[label] for label in masks)


def named_slices(
    sample: Sample, columns: Columns, *, confidence: float, resamples: int, seed: int
) -> tuple[tuple[SliceEvidence, ...], tuple[str, ...]]:
    """The slices that the spec names, with all metrics; and why a column has none."""
    masks: dict[str, Mask] = {}
    notes = []
    for slicing in columns.slicings:
        try:
            masks |= columns.slices(slicing.column)
        except InvalidInput as problem:
            notes.append(f"slices: {problem}")
    evidence = slice_evidence(
        sample,
        masks,
        names=names_of(sample),
        confidence=confidence,
        among=len(masks),
        resamples=resamples,
        seed=seed,
    )
    return evidence, tuple(notes)


def weakest_slices(
    sample: Sample,
    columns: Columns,
    metric: str,
    number: int,
    *,
    leave_out: Iterable[str],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[tuple[SliceEvidence, ...], int]:
    """The slices on which the metric is worst, and among how many they were found.

    Looked at is each value of each column with at most 12 of them, where it has at least 30 rows, 5 of each class that
    occurs in it, and not all rows. The intervals allow for all that were looked at, not only for those that are shown.
    """
    masks: dict[str, Mask] = {}
    values: dict[str, float] = {}
    for name in columns.table.columns.difference(list(leave_out), sort=False):
        if not 1 < columns.table[name].nunique(dropna=False) <= FEW_VALUES:
            continue
        for label, mask in divided(columns.table[name], Slicing(column=name)).items():
            rows = sample.take(mask)
            if not FEWEST_ROWS <= len(rows) < len(sample):
                continue
            if sample.kind != "regression" and rarest(rows) < FEWEST_OF_CLASS:
                continue
            value, _ = point(metric, rows)
            if value is not None:
                masks[label], values[label] = mask, value
    worst = sorted(values, key=lambda label: values[label], reverse=not metric_of(metric).greater_is_better)[:number]
    evidence = slice_evidence(
        sample,
        {label: masks[label] for label in worst},
        names=(metric,),
        confidence=confidence,
        among=len(values),
        resamples=resamples,
        seed=seed,
    )
    return evidence, len(values)

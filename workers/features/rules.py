"""The automatic rule of a column: what becomes of it, decided by its type and by its values in the training rows."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import pandas as pd

from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.errors import DataError
from workers.data import cells
from workers.features.rowwise import MISSING

Part = Literal["year", "month", "day", "weekday", "hour", "elapsed"]

ONE_HOT = 30  # categories at most; more become numbers of categories
RARE = 0.01  # share of rows under which a category goes to the rare ones
FEW = 2  # rows under which a category of very many goes to the rare ones
_WORDS = 4  # on average, from which a text is taken for free text
_ID_NAME = re.compile(r"(.*[a-z0-9_\s.-])?(id|ID|Id)|(.*_)?(uuid|guid|UUID|GUID)")
_PARTS: tuple[Part, ...] = ("year", "month", "day", "weekday", "hour")


class Resolved(NamedTuple):
    """What becomes of a column."""

    rule: ColumnPreparation | None  # None: no feature
    reason: str
    parts: tuple[Part, ...] = ()  # of a date
    free_text: bool = False  # dropped because only its words could be used


def resolve(column: pd.Series[Any], given: ColumnPreparation) -> Resolved:
    """The rule of a column from its values in the training rows and from what the spec says of it."""
    if given.type == "drop":
        return Resolved(None, "left out by features.columns")
    gaps = cells.missing(column)
    present = column[~gaps]
    if not len(present):
        return Resolved(None, "no value in the training rows")
    if not bool(gaps.any()) and present.nunique() == 1:
        return Resolved(None, f"the same value in all training rows: {cells.scalar(present.iloc[0])!r}")
    share = float(gaps.mean())
    if given.type is None and given.encode in (None, "none"):
        unfit = _no_feature(present)
        if unfit is not None:
            return unfit
    return _ruled(column, present, share, given)


def kind_of(column: pd.Series[Any]) -> Literal["numeric", "categorical", "boolean", "date"]:
    """The type that a column's values have by themselves."""
    kind = cells.kind(column)
    if kind in ("number", "integer"):
        return "numeric"
    return "categorical" if kind in ("text", "empty") else kind  # type: ignore[return-value]


def _no_feature(present: pd.Series[Any]) -> Resolved | None:
    """Columns that only name rows, and texts that are no categories."""
    kind, distinct, name = cells.kind(present), present.nunique(), str(present.name)
    every = distinct == len(present) and distinct > 10
    if kind == "integer":
        values = present.astype("float64")
        if every and bool(((values - values.index) == values.iloc[0] - values.index[0]).all()):
            return Resolved(None, "it numbers the rows")
        if every and _ID_NAME.fullmatch(name):
            return Resolved(None, "an identifier: named like one, and different in every row")
    if kind != "text" or not (every or (distinct > ONE_HOT and distinct > len(present) / 2)):
        return None
    texts = present.map(cells.cell_text)
    counted = f"{distinct:,} different values in {len(present):,} rows"
    if texts.map(lambda text: len(text.split())).mean() >= _WORDS and not _ID_NAME.fullmatch(name):
        return Resolved(None, f"free text, {counted} (its words are used with type: text)", free_text=True)
    return Resolved(None, f"an identifier rather than a category: {counted}")


def _ruled(column: pd.Series[Any], present: pd.Series[Any], share: float, given: ColumnPreparation) -> Resolved:
    kind = given.type
    if kind is None:
        kind = "categorical" if given.encode in ("onehot", "ordinal") else kind_of(present)
    _check_given(str(column.name), kind, given)
    gaps = f", {share:.1%} missing" if share else ""
    if kind == "text":
        return Resolved(ColumnPreparation(type="text"), f"text{gaps}: its most frequent words")
    if kind == "categorical":
        return _category(present, gaps, given)
    usual = "most_frequent" if kind == "boolean" else "median"
    missing = given.missing or ("indicator" if share else usual)
    scale = given.scale or ("none" if kind == "boolean" or missing == "none" else "standard")
    fill = None if missing != "constant" else float(cells.numbers(pd.Series([given.fill])).values.iloc[0])
    shape = ColumnPreparation(type="boolean" if kind == "boolean" else "numeric", missing=missing, fill=fill)
    rule = shape.model_copy(update={"encode": "none", "scale": scale})
    if kind == "date":
        parts = given.parts or _varying(present)
        if not parts:
            return Resolved(None, "a date whose parts are the same in all training rows")
        return Resolved(rule, f"date{gaps}: {', '.join(parts)}", parts=parts)
    return Resolved(rule, f"{kind}{gaps}: {_missing_words(rule, usual)}{_scale_words(scale)}")


def _category(present: pd.Series[Any], gaps: str, given: ColumnPreparation) -> Resolved:
    distinct = present.map(cells.cell_text).nunique()
    encode = given.encode if given.encode in ("onehot", "ordinal") else "onehot" if distinct <= ONE_HOT else "ordinal"
    missing = given.missing or "constant"
    rare = given.rare if given.rare is not None else RARE if encode == "onehot" else FEW
    scale = given.scale or ("standard" if encode == "ordinal" and missing != "none" else "none")
    fill = None if missing != "constant" else MISSING if given.fill is None else cells.cell_text(given.fill)
    rule = ColumnPreparation(type="categorical", missing=missing, fill=fill, encode=encode, scale=scale, rare=rare)
    how = "one-hot" if encode == "onehot" else "numbered"
    missing_words = "missing is one of its own" if fill == MISSING else _missing_words(rule, "most_frequent")
    words = f"{distinct:,} categories{gaps}: {how}, {missing_words}"
    return Resolved(rule, words + (f", rare below {rare:g} together" if rare else ""))


def _varying(present: pd.Series[Any]) -> tuple[Part, ...]:
    """The parts of a date that differ among the training rows."""
    read = cells.dates(present)
    if bool(read.invalid.any()):
        first = cells.scalar(present[read.invalid].iloc[0])
        raise DataError(
            f"features: columns: {present.name}: {first!r} is not a date "
            f"(prepare: cast: {{{present.name}: {{to: date, format: …}}}})"
        )
    values = read.values.dropna()
    return tuple(part for part in _PARTS if cells.date_part(values, part).nunique() > 1)


def _check_given(name: str, kind: str, given: ColumnPreparation) -> None:
    """An option that would do nothing, or cannot be done, is refused."""
    where = f"features: columns: {name}"
    numeric = kind in ("numeric", "boolean", "date")
    useless = {
        "rare": given.rare is not None and kind != "categorical",
        "parts": given.parts is not None and kind != "date",
        "encode": given.encode in ("onehot", "ordinal") and kind != "categorical",
        "fill": given.fill is not None and given.missing != "constant",
        "missing": given.missing is not None and kind == "text",
        "scale": given.scale is not None and kind == "text",
    }
    for option, is_useless in useless.items():
        if is_useless:
            raise DataError(f"{where}: {option} means nothing for {_called(kind, given)} (take it out, or change type)")
    if kind == "categorical" and given.encode == "none":
        raise DataError(f"{where}: a category cannot enter a model as it is (encode: onehot or ordinal)")
    if kind == "categorical" and given.missing in ("mean", "median"):
        raise DataError(f"{where}: categories have no {given.missing} (missing: most_frequent, constant or indicator)")
    if given.missing == "none" and given.scale not in (None, "none"):
        raise DataError(f"{where}: a scale needs all values (leave out scale, or fill missing values)")
    if given.missing == "constant" and numeric:
        read = cells.numbers(pd.Series([given.fill], dtype="object"))
        if bool(read.values.isna().any()):
            raise DataError(f"{where}: missing: constant needs a number in fill, not {given.fill!r}")
    if given.rare is not None and not (given.rare == 0 or 0 < given.rare < 1 or given.rare == int(given.rare) >= 1):
        raise DataError(f"{where}: rare is a share between 0 and 1, or a whole number of rows, not {given.rare}")


def _called(kind: str, given: ColumnPreparation) -> str:
    return f"missing: {given.missing or 'automatic'}" if given.fill is not None else f"a {kind} column"


def _missing_words(rule: ColumnPreparation, usual: str) -> str:
    words = {"median": "the median", "most_frequent": "the most frequent value", "mean": "the mean"}
    if rule.missing == "indicator":
        return f"{words[usual]} where missing, and an indicator of it"
    if rule.missing == "none":
        return "gaps stay"
    return f"{rule.fill!r} where missing" if rule.missing == "constant" else f"{words[str(rule.missing)]} where missing"


def _scale_words(scale: str) -> str:
    words = {"standard": "standardised", "robust": "scaled by median and quartiles", "minmax": "scaled to 0–1"}
    return f", {words[scale]}" if scale in words else ""

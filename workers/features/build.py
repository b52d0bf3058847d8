"""`features.build`: derived columns, the rule of every column, and the frame that trials train on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import pandas as pd

from orchestrator.contracts.data import ColumnPreparation, FeaturesParams
from orchestrator.contracts.documents.data import Preparation, PreparedColumn
from orchestrator.contracts.errors import DataError
from orchestrator.contracts.expressions import ExpressionError, parse
from orchestrator.contracts.roles import Objective
from workers.data import cells
from workers.data.expressions import suggestion
from workers.data.targets import Label, classes_of, target_of
from workers.features.density import DENSEST, density
from workers.features.digits import with_digits
from workers.features.roles import role_columns
from workers.features.rowwise import featurize, needed, part_name, with_derived
from workers.features.rules import Resolved, resolve
from workers.runtime.context import StageContext

_LOGGED = 100  # columns at most; the preparation names them all


class FeaturesOutputs(NamedTuple):
    """What `build` leaves behind."""

    frame: pd.DataFrame  # index `row`; feature columns, then __target__, __weight__, __group__, __time__
    preparation: Preparation


def build(
    table: pd.DataFrame, rows: pd.DataFrame, *, params: FeaturesParams, context: StageContext | None = None
) -> FeaturesOutputs:
    """The frame of all rows of the split; its rules come from the training rows alone."""
    _check_names(table, params)
    target = target_of(table, params.objective)
    lost = rows.index.difference(target.index)
    if len(lost):
        raise DataError(
            f"features: {len(lost):,} rows of the split are not in the table, or have no "
            f"{params.objective.target_name!r} (a stage after split must keep the rows)"
        )
    used = with_derived(table.loc[rows.index], params.derive)
    training = used[rows["part"] == "train"]
    preparation = _prepared(training, target.loc[rows.index], params)
    if params.dtype == "float32":
        preparation = with_digits(training, preparation)
    frame = featurize(used, preparation.model_copy(update={"derive": {}})).assign(
        __target__=target.loc[rows.index], **dict(role_columns(used, params.roles))
    )
    if params.sparse is not None:
        sparse = params.sparse == "always" or density(frame[rows["part"] == "train"], preparation) <= DENSEST
        preparation = preparation.model_copy(update={"sparse": sparse})
    if context is not None:
        context.log.info("%d features, %d columns that are none", len(preparation.features), len(preparation.dropped))
        if params.sparse is not None:
            context.log.info("rows are prepared as a %s matrix", "sparse" if preparation.sparse else "dense")
        for name, reason in list(preparation.dropped.items())[:_LOGGED]:
            context.log.info("no feature: %s (%s)", name, reason)
    return FeaturesOutputs(frame, preparation)


def _check_names(table: pd.DataFrame, params: FeaturesParams) -> None:
    """Names of derived, overridden and role columns must make sense together."""
    targets = params.objective.targets
    for name, text in sorted(params.derive.items()):
        if name in table.columns or cells.reserved(name):
            what = "a column already" if name in table.columns else "Cyclery's own name"
            raise DataError(f"features: derive: {name!r} is {what} (choose another name)")
        try:
            used = parse(text).columns()
        except ExpressionError as error:
            raise DataError(f"features: derive: {name}: {error.message} (character {error.position + 1})") from None
        for target in set(targets).intersection(used):
            raise DataError(
                f"features: derive: {name!r} uses {target!r}, which is not known when predicting (leave it out)"
            )
    roles = params.roles
    named = [("id", roles.id), ("time", roles.time), ("group", roles.group), ("weight", roles.weight)]
    for role, column in [*named, *(("ignore", name) for name in roles.ignore)]:
        if column is not None and column not in table.columns:
            raise DataError(f"columns: {role}: there is no column {column!r}{suggestion(column, table.columns)}")
    known = [*table.columns, *params.derive]
    _check_segment(params.segment, known)
    for name in params.columns:
        if name not in known:
            raise DataError(f"features: columns: there is no column {name!r}{suggestion(name, known)}")
        if name in targets or name in roles.reserved():
            raise DataError(
                f"features: columns: {name!r} is the target or has a role, and is no feature (leave it out)"
            )


def _check_segment(name: str | None, known: list[str]) -> None:
    if name is not None and name not in known:
        raise DataError(f"train: per: there is no column {name!r}{suggestion(name, known)}")


def _prepared(training: pd.DataFrame, target: pd.Series[Any], params: FeaturesParams) -> Preparation:
    """The rule of every column, from training rows."""
    reserved = params.roles.reserved() | {*params.objective.targets, params.segment}
    names = [str(name) for name in training.columns if name not in reserved]
    resolved = {name: resolve(training[name], params.columns.get(name, ColumnPreparation())) for name in names}
    if all(each.rule is None for each in resolved.values()):
        resolved = {name: _words_of(each) for name, each in resolved.items()}
    features = [column for name in names for column in _features(name, resolved[name], training, params)]
    dropped = {name: each.reason for name, each in resolved.items() if each.rule is None}
    if not features:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(dropped.items())[:5])
        raise DataError(f"features: no column is left to predict from ({why or 'the table has no other'})")
    if params.segment is not None:
        features.append(_segment(params.segment, params))
    dates = {name: tuple(map(str, each.parts)) for name, each in resolved.items() if each.parts and each.rule}
    made_of = [*(column.name for column in features), *dates]
    kind, classes, positive = _classes(target, params.objective)
    return Preparation(
        features=tuple(features),
        dropped=dropped,
        derive=needed(params.derive, made_of),
        dates=dates,
        booleans=tuple(column.name for column in features if column.rule.type == "boolean"),
        target_kind=kind,
        classes=classes,
        positive=positive,
        segment=params.segment,
        dtype=params.dtype,
    )


def _segment(name: str, params: FeaturesParams) -> PreparedColumn:
    """The column that divides the rows among models: carried with the features, as text, and none of them."""
    return PreparedColumn(
        name=name,
        source="derived" if name in params.derive else "data",
        rule=ColumnPreparation(type="categorical"),
        reason="no feature: each of its values may have a model of its own",
    )


def _words_of(resolved: Resolved) -> Resolved:
    """Free text where there is nothing else to predict from: its words are used after all."""
    if not resolved.free_text:
        return resolved
    return Resolved(ColumnPreparation(type="text"), "text, and nothing else to predict from: its most frequent words")


def _features(
    name: str, resolved: Resolved, training: pd.DataFrame, params: FeaturesParams
) -> Iterator[PreparedColumn]:
    """The features that a column becomes: one, none, or the parts of a date."""
    if resolved.rule is None:
        return
    if not resolved.parts:
        source: Literal["data", "derived"] = "derived" if name in params.derive else "data"
        yield PreparedColumn(name=name, source=source, rule=resolved.rule, reason=resolved.reason)
        return
    for position, part in enumerate(resolved.parts):
        if part_name(name, part) in training.columns:
            raise DataError(
                f"features: the part {part} of {name!r} would be called {part_name(name, part)!r}, like a column "
                f"(prepare: rename: {{{part_name(name, part)}: …}})"
            )
        # One indicator tells of all parts.
        missing = "median" if position and resolved.rule.missing == "indicator" else resolved.rule.missing
        rule = resolved.rule.model_copy(update={"missing": missing, "parts": (part,)})
        yield PreparedColumn(
            name=part_name(name, part), source="date", rule=rule, reason=f"{part} of a {resolved.reason}"
        )


def _classes(
    target: pd.Series[Any], objective: Objective
) -> tuple[Literal["binary", "multiclass", "regression", "multilabel"], tuple[Label, ...], Label | None]:
    """The kind of the target, its classes, and the class of interest: the last one unless the spec names it."""
    if objective.task == "regression":
        return "regression", (), None
    if objective.task == "multilabel":
        return "multilabel", objective.targets, None
    classes = classes_of(target)
    if len(classes) > 2:
        if objective.positive is not None:
            raise DataError(
                f"objective: positive is for two classes, and {objective.target_name!r} has {len(classes)} "
                "(leave it out)"
            )
        return "multiclass", classes, None
    if objective.positive is None:
        return "binary", classes, classes[-1]
    wanted = cells.cell_text(objective.positive)
    for label in classes:
        if cells.cell_text(label) == wanted:
            return "binary", classes, label
    there = ", ".join(repr(label) for label in classes)
    raise DataError(
        f"objective: positive: {objective.target_name!r} has no {objective.positive!r} (there are: {there})"
    )

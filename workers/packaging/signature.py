"""Which raw source columns a model needs, and of which types."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from orchestrator.contracts.documents.data import Changes, Preparation
from orchestrator.contracts.documents.release import Signature, SignatureColumn
from orchestrator.contracts.release import PackageParams
from workers.features.rowwise import sources

_NULLABLE = {"integer": "Int64", "boolean": "boolean"}

Type = Literal["number", "integer", "text", "boolean", "date"]


def sign(source: pd.DataFrame, preparation: Preparation, changes: Changes, params: PackageParams) -> Signature:
    """The signature of a bundle: columns as the source names them, before anything is renamed or cast.

    A stage of the team's own may read any column, so with one of them all columns but the target are asked for.
    """
    if params.custom:
        renamed = {name: changes.rename.get(name, name) for name in source.columns}
        needed = [name for name in source.columns if renamed[name] not in params.objective.targets]
    else:
        original = {new: old for old, new in changes.rename.items()}
        wanted = {original.get(name, name) for name in sources(preparation)}
        needed = [name for name in source.columns if name in wanted]
    divides = {name for name in source.columns if changes.rename.get(name, name) == preparation.segment}
    reason = why_not_servable(params)
    return Signature(
        inputs=tuple(_column(source[name], may_lack=name in divides) for name in needed),
        output=_OUTPUTS.get(preparation.target_kind, "class"),
        classes=preparation.classes,
        servable=reason is None,
        not_servable_because=reason,
    )


_OUTPUTS: dict[str, Literal["value", "labels"]] = {"regression": "value", "multilabel": "labels"}


def why_not_servable(params: PackageParams) -> str | None:
    """The first stage of the team's own that raw rows cannot go through, and why."""
    for step in params.custom:
        if not step.rowwise:
            return f"stage {step.name} may look at other rows: it is not declared row-wise"
        if step.secret:
            return f"stage {step.name} takes a secret, which no bundle may carry"
    return None


def _column(column: pd.Series[Any], *, may_lack: bool) -> SignatureColumn:
    """A row without what divides rows among models is answered by the model of all rows."""
    required = not may_lack and not bool(column.isna().any())
    return SignatureColumn(name=str(column.name), type=_type(column.dtype), required=required)


def dtype_of(source: pd.Series[Any], column: SignatureColumn) -> str:
    """The type that raw values are brought to: the source's, or its like with room for what may be missing."""
    if column.required or bool(source.isna().any()):
        return str(source.dtype)
    return _NULLABLE.get(column.type, str(source.dtype))


def _type(dtype: Any) -> Type:
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if pd.api.types.is_integer_dtype(dtype):
        return "integer"
    if pd.api.types.is_float_dtype(dtype):
        return "number"
    return "date" if pd.api.types.is_datetime64_any_dtype(dtype) else "text"

"""What a team's own stage takes and gives, as far as a plan must know: which values are tables, models, documents."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchestrator.spec.signatures import function_signature, several

Carries = Literal["table", "model", "json", "file", "any"]

_CARRIES: dict[str, Carries] = {
    "DataFrame": "table",
    "BaseEstimator": "model",
    "Pipeline": "model",
    "Path": "file",
    "dict": "json",
    "Dict": "json",
    "list": "json",
    "Mapping": "json",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One positional parameter: an input of the stage."""

    name: str
    carries: Carries = "any"
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """A stage function as its `def` says it."""

    name: str  # of the function
    where: str  # file:line of its `def`
    inputs: tuple[Parameter, ...] = ()
    options: dict[str, bool] = field(default_factory=dict)  # the `with:` values: name → whether it must be given
    open_ended: bool = False  # takes any option (**options)
    outputs: tuple[tuple[str, Carries], ...] = ()  # by name; one bare value is `result`; nothing with `-> None`
    queue: str | None = None  # as @stage says it
    rowwise: bool = False
    requires: tuple[str, ...] = ()

    def first(self, carries: Carries) -> str | None:
        """The first output that carries this."""
        return next((name for name, kind in self.outputs if kind == carries), None)


def read_signature(folders: Sequence[Path], entry: str) -> Signature:
    """The signature of `module:function`, read by syntax: nothing of it is imported. Raises InvalidInput."""
    found = function_signature(folders, entry)
    outputs = tuple(zip(found.outputs, map(carried, found.output_annotations), strict=True))
    return Signature(
        name=entry.partition(":")[2],
        where=f"{found.file}:{found.line}",
        inputs=tuple(Parameter(one.name, carried(one.annotation), one.required) for one in found.inputs),
        options={one.name: one.required for one in found.keywords if one.name != "context"},
        open_ended=found.any_keyword,
        outputs=() if found.returns == "None" else outputs,
        queue=found.decorator.get("queue"),
        rowwise=bool(found.decorator.get("rowwise", False)),
        requires=several(found.decorator.get("requires")),
    )


def carried(annotation: str | None) -> Carries:
    """What an annotation says about the bytes; of a union, the first side that says something."""
    if annotation is None:
        return "any"
    try:
        return _carried(ast.parse(annotation, mode="eval").body)
    except SyntaxError:
        return "any"


def _carried(node: ast.expr) -> Carries:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [_carried(node.left), _carried(node.right)]
        return next((side for side in sides if side != "any"), "any")
    if isinstance(node, ast.Subscript):  # dict[str, int]
        return _carried(node.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return _CARRIES.get(name, "any")

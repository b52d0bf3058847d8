"""What a team's own stage takes and gives, read from its source by syntax: nothing of it is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.contracts.errors import InvalidInput
from orchestrator.spec.problems import did_you_mean

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
    carries: Carries
    required: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """A stage function as its `def` says it."""

    name: str  # of the function
    where: str  # file:line of its `def`
    inputs: tuple[Parameter, ...]
    options: dict[str, bool]  # keyword-only parameters, the `with:` values: name → whether it must be given
    open_ended: bool  # takes any option (**options)
    outputs: tuple[tuple[str, Carries], ...]  # by name; one bare value is `result`; nothing with `-> None`
    queue: str | None = None  # as @stage says it
    rowwise: bool = False
    requires: tuple[str, ...] = ()

    def first(self, carries: Carries) -> str | None:
        """The first output that carries this."""
        return next((name for name, kind in self.outputs if kind == carries), None)


def read_signature(path: Path, function: str) -> Signature:
    """The signature of `function` in the file at `path`.

    Raises InvalidInput where the file cannot be parsed or has no such function.
    """
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise InvalidInput(f"{path}:{error.lineno}:{error.offset}: {error.msg}: mend the stage's code") from None
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    node = functions.get(function)
    if node is None:
        raise InvalidInput(f"{path} has no function {function!r}{did_you_mean(function, functions)}")
    if isinstance(node, ast.AsyncFunctionDef):
        raise InvalidInput(f"{path}:{node.lineno}: {function} is async: a stage is a plain function")
    return _signature(node, tree, path)


def _signature(node: ast.FunctionDef, tree: ast.Module, path: Path) -> Signature:
    arguments = node.args
    if arguments.vararg is not None:
        raise InvalidInput(f"{path}:{node.lineno}: {node.name} takes *{arguments.vararg.arg}: name each input instead")
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = len(positional) - len(arguments.defaults)
    inputs = tuple(
        Parameter(argument.arg, _carries(argument.annotation), required=place < without_default)
        for place, argument in enumerate(positional)
    )
    options = {
        argument.arg: default is None
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if argument.arg != "context"
    }
    marked = _decorated(node)
    return Signature(
        name=node.name,
        where=f"{path}:{node.lineno}",
        inputs=inputs,
        options=options,
        open_ended=arguments.kwarg is not None,
        outputs=_outputs(node.returns, tree),
        queue=marked.get("queue"),
        rowwise=bool(marked.get("rowwise", False)),
        requires=tuple(marked.get("requires", ())),
    )


def _decorated(node: ast.FunctionDef) -> dict[str, Any]:
    """The keyword arguments of @stage(...) that are written as literals."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and _last_name(decorator.func) == "stage":
            return {
                keyword.arg: ast.literal_eval(keyword.value)
                for keyword in decorator.keywords
                if keyword.arg is not None and isinstance(keyword.value, ast.Constant | ast.List | ast.Tuple)
            }
    return {}


def _outputs(returns: ast.expr | None, tree: ast.Module) -> tuple[tuple[str, Carries], ...]:
    """The fields of a NamedTuple declared in the same file, else the bare `result`."""
    if isinstance(returns, ast.Constant) and returns.value is None:
        return ()
    named = _last_name(returns) if returns is not None else None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == named and _is_named_tuple(node):
            return tuple(
                (field.target.id, _carries(field.annotation))
                for field in node.body
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            )
    return (("result", _carries(returns)),)


def _is_named_tuple(node: ast.ClassDef) -> bool:
    return any(_last_name(base) == "NamedTuple" for base in node.bases)


def _carries(annotation: ast.expr | None) -> Carries:
    """What an annotation says about the bytes; of a union, the first side that says something."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return _carries(ast.parse(annotation.value, mode="eval").body)
        except SyntaxError:
            return "any"
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        sides = [_carries(annotation.left), _carries(annotation.right)]
        return next((side for side in sides if side != "any"), "any")
    name = _last_name(annotation) if annotation is not None else None
    return _CARRIES.get(name, "any") if name is not None else "any"


def _last_name(node: ast.expr) -> str | None:
    """`pd.DataFrame` → DataFrame; `dict[str, int]` → dict."""
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None

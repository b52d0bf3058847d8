"""What a stage function takes and gives, read from its annotations while running."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from orchestrator.contracts.errors import UserCodeError

REQUIRED = inspect.Parameter.empty
RESULT = "result"  # the output that a bare value becomes
OutputShape = Literal["none", "bare", "fields"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter or output: its name, its annotation without `| None`, and what stands when nothing is given."""

    name: str
    annotation: Any = Any
    optional: bool = False
    default: Any = REQUIRED

    @property
    def item(self) -> Any:
        """X of `list[X]` or `tuple[X, ...]`; Any of other annotations."""
        if get_origin(self.annotation) in (list, tuple):
            return (get_args(self.annotation) or (Any,))[0]
        return Any


@dataclass(frozen=True, slots=True)
class Signature:
    """A stage function as the runtime calls it."""

    inputs: dict[str, Slot]
    options: dict[str, Slot]  # keyword-only parameters but `context`
    context: bool
    open_ended: bool  # takes any option (**options)
    shape: OutputShape
    outputs: dict[str, Slot]


def read_signature(function: Callable[..., Any]) -> Signature:
    """The signature of a stage function; string annotations are looked up in its module."""
    inputs: dict[str, Slot] = {}
    options: dict[str, Slot] = {}
    open_ended = False
    signature = inspect.signature(function)
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            options[name] = _slot(name, parameter.annotation, function, parameter.default)
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            inputs[name] = _slot(name, parameter.annotation, function, parameter.default)
        elif parameter.kind is parameter.VAR_KEYWORD:
            open_ended = True
        else:
            raise UserCodeError(f"{_named(function)} takes *{name}: give each input a name of its own")
    context = options.pop("context", None) is not None
    shape, outputs = _outputs(function, signature.return_annotation)
    return Signature(inputs, options, context, open_ended, shape, outputs)


def _outputs(function: Callable[..., Any], annotation: Any) -> tuple[OutputShape, dict[str, Slot]]:
    resolved = _resolve(annotation, function, "the result")
    if resolved in (None, type(None)):
        return "none", {}
    if isinstance(resolved, type) and issubclass(resolved, tuple) and hasattr(resolved, "_fields"):
        hints = resolved.__annotations__
        fields = {name: _slot(name, hints.get(name, Any), resolved) for name in resolved._fields}
        return "fields", fields
    return "bare", {RESULT: _slot(RESULT, annotation, function)}


def _slot(name: str, annotation: Any, owner: Any, default: Any = REQUIRED) -> Slot:
    resolved = _resolve(annotation, owner, name)
    optional = False
    if get_origin(resolved) in (Union, types.UnionType):
        given = [side for side in get_args(resolved) if side is not type(None)]
        optional = len(given) < len(get_args(resolved))
        if optional:
            resolved = given[0] if len(given) == 1 else Union[tuple(given)]  # noqa: UP007  (made while running)
    return Slot(name, resolved, optional or default is None, default)


def _resolve(annotation: Any, owner: Any, name: str) -> Any:
    """An annotation as a type; text is evaluated where it was written, as `from __future__ import annotations` asks."""
    if annotation is inspect.Parameter.empty:
        return Any
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    scope = getattr(sys.modules.get(owner.__module__), "__dict__", {})
    try:
        # The text is the team's own source, which is about to run anyway.
        return eval(annotation, getattr(owner, "__globals__", scope))  # noqa: S307
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise UserCodeError(
            f"{_named(owner)}: the annotation {annotation!r} of {name} cannot be read ({error}): "
            "import what it names outside of `if TYPE_CHECKING:`"
        ) from None


def _named(owner: Any) -> str:
    return f"{owner.__module__}:{owner.__qualname__}"

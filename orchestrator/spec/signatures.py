"""Signatures of a team's own functions and classes, read from the source without importing it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestrator.contracts.errors import InvalidInput

_HOPS = 8  # re-exports that are followed from module to module
_MAX_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; the annotation as it is written."""

    name: str
    annotation: str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and returns, and what its `@stage` decorator says.

    `outputs` are the fields of a NamedTuple that it returns, where that is defined beside it; else `("result",)`.
    """

    file: Path
    line: int
    inputs: tuple[Parameter, ...]  # by position
    keywords: tuple[Parameter, ...]  # by keyword only
    any_keyword: bool  # **kwargs
    returns: str | None = None
    outputs: tuple[str, ...] = ("result",)
    output_annotations: tuple[str | None, ...] = (None,)
    decorator: dict[str, Any] = field(default_factory=dict)  # name, queue, rowwise, …


class NotFoundError(InvalidInput):
    """A team's own module or attribute that is not where the spec says."""


def module_file(folders: Sequence[Path], module: str) -> Path | None:
    """The source file of a module in the first folder that has it."""
    parts = module.split(".")
    for folder in folders:
        stem = folder.joinpath(*parts)
        for file in (stem.with_name(stem.name + ".py"), stem / "__init__.py"):
            if file.is_file():
                return file
    return None


def function_signature(folders: Sequence[Path], entry: str) -> Signature:
    """The signature of `module:function`; raises NotFoundError."""
    file, found, tree = _definition(folders, entry)
    if not isinstance(found, ast.FunctionDef):
        raise NotFoundError(f"{entry} is not a plain function (line {found.lineno} of {file.name})")
    inputs, keywords, any_keyword = _parameters(found.args)
    outputs, annotations = _outputs(found.returns, tree)
    return Signature(
        file=file,
        line=found.lineno,
        inputs=inputs,
        keywords=keywords,
        any_keyword=any_keyword,
        returns=_text(found.returns),
        outputs=outputs,
        output_annotations=annotations,
        decorator=_decorator(found),
    )


def several(said: object) -> tuple[str, ...]:
    """Texts of a decorator's argument that is one or a list of them; anything else tells nothing."""
    given = (said,) if isinstance(said, str) else said if isinstance(said, list | tuple) else ()
    return tuple(one for one in given if isinstance(one, str))


def class_parameters(folders: Sequence[Path], entry: str) -> tuple[str, ...] | None:
    """The constructor parameters of `module:Class`; None where they cannot be known from the source.

    A constructor with **kwargs, or one inherited from a class that is not the team's own, cannot be known.
    """
    for _ in range(_HOPS):
        file, found, _ = _definition(folders, entry)
        if not isinstance(found, ast.ClassDef):
            raise NotFoundError(f"{entry} is not a class (line {found.lineno} of {file.name})")
        constructor = next((node for node in found.body if _is_function(node, "__init__")), None)
        if isinstance(constructor, ast.FunctionDef):
            inputs, keywords, open_ended = _parameters(constructor.args)
            return None if open_ended else tuple(parameter.name for parameter in (*inputs[1:], *keywords))
        if found.decorator_list:  # a dataclass, say, makes its own constructor
            return None
        if not found.bases:
            return ()
        base = _base_entry(found, entry, folders)
        if base is None:
            return None
        entry = base
    return None


def _is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _base_entry(found: ast.ClassDef, entry: str, folders: Sequence[Path]) -> str | None:
    """The entry of the one base that may bring a constructor, where it is the team's own."""
    mixins = {"BaseEstimator", "ClassifierMixin", "RegressorMixin", "TransformerMixin", "object"}
    bases = [base for base in found.bases if not (isinstance(base, ast.Name | ast.Attribute) and _last(base) in mixins)]
    if len(bases) != 1 or not isinstance(bases[0], ast.Name):
        return None
    candidate = f"{entry.partition(':')[0]}:{bases[0].id}"
    try:
        _definition(folders, candidate)
    except NotFoundError:
        return None
    return candidate


def _last(base: ast.Name | ast.Attribute) -> str:
    return base.id if isinstance(base, ast.Name) else base.attr


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _definition(folders: Sequence[Path], entry: str) -> tuple[Path, Definition, ast.Module]:
    """The file and the definition that an entry leads to, through imports from module to module."""
    module, _, name = entry.partition(":")
    for _ in range(_HOPS):
        file = module_file(folders, module)
        if file is None:
            looked = ", ".join(str(folder) for folder in folders)
            raise NotFoundError(f"there is no module {module!r} in {looked} (other folders: `code: {{path: [...]}}`)")
        tree = parse_source(file)
        found = _find(tree, name)
        if isinstance(found, Definition):
            return file, found, tree
        if found is None:
            raise NotFoundError(f"{module} has no {name!r} ({file.name} does not define it)")
        module, name = _imported_from(found, module, file), _original_name(found, name)
    raise NotFoundError(f"{entry} is imported from module to module without an end")


def parse_source(file: Path) -> ast.Module:
    """The syntax tree of a source file; raises NotFoundError where Python cannot read it."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise NotFoundError(f"{file} is larger than {_MAX_BYTES} bytes")
        return syntax_tree(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise NotFoundError(f"{file}:{error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise NotFoundError(f"{file} cannot be read as Python: {error}") from None
    except OSError as error:
        raise NotFoundError(f"{file} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=256)  # thousands of stages may be functions of one file
def syntax_tree(source: bytes, shown: str) -> ast.Module:
    """The tree of a module's source, parsed once; `shown` is its file in messages. Raises what `ast.parse` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd escapes in a team's own strings
        return ast.parse(source, shown)


def _find(tree: ast.Module, name: str) -> Definition | ast.ImportFrom | None:
    """The last definition or import of a name at the top of a module."""
    found: Definition | ast.ImportFrom | None = None
    for node in tree.body:
        defined = isinstance(node, Definition) and node.name == name
        imported = isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names)
        if defined or imported:
            found = node  # type: ignore[assignment]
    return found


def _imported_from(node: ast.ImportFrom, module: str, file: Path) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    kept = package[: len(package) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _original_name(node: ast.ImportFrom, name: str) -> str:
    return next(alias.name for alias in node.names if (alias.asname or alias.name) == name)


def _parameters(arguments: ast.arguments) -> tuple[tuple[Parameter, ...], tuple[Parameter, ...], bool]:
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = len(positional) - len(arguments.defaults)
    inputs = tuple(
        Parameter(argument.arg, _text(argument.annotation), index < without_default)
        for index, argument in enumerate(positional)
    )
    keywords = tuple(
        Parameter(argument.arg, _text(argument.annotation), default is None)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    )
    return inputs, keywords, arguments.kwarg is not None


def _text(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value  # an annotation in quotes
    return None if node is None else ast.unparse(node)


def _outputs(returns: ast.expr | None, tree: ast.Module) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    named = _find(tree, _text(returns) or "")
    if isinstance(named, ast.ClassDef) and any((_text(base) or "").endswith("NamedTuple") for base in named.bases):
        fields = [node for node in named.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
        names = tuple(node.target.id for node in fields if isinstance(node.target, ast.Name))
        return names, tuple(_text(node.annotation) for node in fields)
    return ("result",), (_text(returns),)


def _decorator(found: ast.FunctionDef) -> dict[str, Any]:
    """What `@stage("name", queue="prep", …)` says, where it is written as plain values."""
    for node in found.decorator_list:
        call = node if isinstance(node, ast.Call) else None
        name = _text(call.func if call else node) or ""
        if name.rpartition(".")[2] != "stage":
            continue
        said: dict[str, Any] = {}
        if call is not None:
            if call.args and isinstance(call.args[0], ast.Constant):
                said["name"] = call.args[0].value
            for keyword in call.keywords:
                try:
                    said[keyword.arg or ""] = ast.literal_eval(keyword.value)
                except ValueError:
                    words = "must be a plain value, so that it can be read without running the code"
                    raise NotFoundError(f"line {node.lineno}: `{keyword.arg}` of @stage {words}") from None
        return said
    return {}

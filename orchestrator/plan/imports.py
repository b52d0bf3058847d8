"""Which modules a file imports, read by syntax: nothing is executed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from orchestrator.contracts.errors import InvalidInput
from orchestrator.spec.signatures import syntax_tree


@dataclass(frozen=True, slots=True)
class Import:
    """One import as it is written: `from ..a import b` is module `a`, level 2, names (`b`,)."""

    module: str
    level: int = 0
    names: tuple[str, ...] = ()
    line: int = 0
    guarded: bool = False  # inside a `try`: it may fail


def parse(path: Path, shown: str) -> ast.Module:
    """A file's syntax tree; `shown` is the path in messages. Raises InvalidInput as file:line:column."""
    try:
        return syntax_tree(path.read_bytes(), shown)
    except SyntaxError as error:
        raise InvalidInput(
            f"{shown}:{error.lineno or 1}:{error.offset or 1}: {error.msg}: correct the Python"
        ) from None
    except ValueError as error:  # null bytes
        raise InvalidInput(f"{shown}:1:1: {error}: correct the Python") from None
    except OSError as error:
        raise InvalidInput(f"{shown}: cannot be read ({error.strerror}): give a file that you may read") from None


@lru_cache(maxsize=256)  # a workflow of thousands of stages names the same few files
def imports(tree: ast.Module) -> tuple[Import, ...]:
    """All imports of a module, wherever they stand: in functions, in conditions, as calls with a literal name."""
    found: list[Import] = []
    _collect(tree, guarded=False, found=found)
    return tuple(found)


def _collect(node: ast.AST, *, guarded: bool, found: list[Import]) -> None:
    found += _imports_of(node, guarded)
    tried = set(node.body) if isinstance(node, ast.Try | ast.TryStar) else set()
    for child in ast.iter_child_nodes(node):
        _collect(child, guarded=guarded or child in tried, found=found)


def _imports_of(node: ast.AST, guarded: bool) -> list[Import]:
    match node:
        case ast.Import():
            return [Import(alias.name, line=node.lineno, guarded=guarded) for alias in node.names]
        case ast.ImportFrom():
            names = tuple(alias.name for alias in node.names)
            return [Import(node.module or "", node.level, names, node.lineno, guarded)]
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name))],
        ) if not name.startswith("."):
            return [Import(name, line=node.lineno, guarded=True)]
    return []


@lru_cache(maxsize=256)
def bound_names(tree: ast.Module) -> frozenset[str] | None:
    """The names that a module defines; None when they cannot be known (`import *`, `__getattr__`, `exec`)."""
    names: set[str] = set()
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue  # what is bound inside belongs to it
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("exec", "globals"):
            return None
        pending.extend(ast.iter_child_nodes(node))
    return None if names & {"*", "__getattr__"} else frozenset(names)


def exported(tree: ast.Module) -> tuple[str, ...]:
    """The literal names of a module's `__all__`."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=items) | ast.Tuple(elts=items)):
                return tuple(
                    item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)
                )
    return ()

"""Snapshots of a team's own code: the files that an entry needs, as a zip whose digest only their content decides."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.suggestions import nearest
from orchestrator.plan.imports import Import, bound_names, exported, imports, parse

MAX_BYTES = 64 * 2**20  # of code and what is included with it; data belongs into a source
OURS = ("orchestrator", "workers")  # installed on every pool: a checkout of Cyclery itself is never in a snapshot
_ENTRY = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_REGULAR_0644 = 0o100644 << 16
_UNIX = 3


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A zip of a team's code, the same bytes wherever and whenever it is made of the same files."""

    data: bytes
    digest: str  # sha256:<64 hex> of data
    files: tuple[str, ...]  # relative to the root, sorted
    entry: str  # module:attribute


def snapshot(root: Path, entry: str, include: Iterable[str] = ()) -> Snapshot:
    """The entry's module, the modules below `root` that it imports, and theirs; and files that match `include`.

    Installed packages are not among them. Raises InvalidInput, with file and line, for a module or attribute that is
    not there, Python that cannot be parsed, and a pattern that matches nothing.
    """
    module, attribute = split_entry(entry)
    search = _Search(root)
    file = search.add(module)
    if file is None:
        raise InvalidInput(f"{entry}: there is no module {module} below {root}{_hint(module, _modules(root))}")
    _check_attribute(root, file, entry, attribute)
    search.follow()
    files = sorted({*search.files, *_included(root, include)})
    data = _zip(root, files)
    return Snapshot(data, f"sha256:{hashlib.sha256(data).hexdigest()}", tuple(files), entry)


def split_entry(entry: str) -> tuple[str, str]:
    """The module and the attribute of `package.module:attribute`."""
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise InvalidInput(f"{entry!r} does not name code: write module:function, such as my_code.enrich:geo")
    return match[1], match[2]


def locate(root: Path, module: str) -> Path | None:
    """The file of a module below `root`; None when there is none, or only a folder without `__init__.py`."""
    base = root.joinpath(*module.split("."))
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path.is_file():
            return path
    return None


@dataclass
class _Search:
    """Modules below a root, each followed once."""

    root: Path
    files: dict[str, None] = field(default_factory=dict)  # relative paths
    pending: list[tuple[str, Path]] = field(default_factory=list)  # modules whose imports are still to be read

    def add(self, module: str) -> Path | None:
        """Take a module and the packages around it, whose `__init__.py` Python runs first."""
        if module.split(".", maxsplit=1)[0] in OURS:
            return None
        path = locate(self.root, module)
        if path is None:
            return None
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            self._take(".".join(parts[:depth]))
        return path

    def follow(self) -> None:
        """Read the imports of everything taken, until nothing new turns up."""
        while self.pending:
            module, path = self.pending.pop()
            for found in imports(parse(path, _shown(self.root, path))):
                self._resolve(module, path, found)

    def _take(self, module: str) -> None:
        path = locate(self.root, module)
        if path is not None and _shown(self.root, path) not in self.files:
            self.files[_shown(self.root, path)] = None
            self.pending.append((module, path))

    def _resolve(self, module: str, path: Path, found: Import) -> None:
        target = self._absolute(module, path, found)
        if target is None:
            return
        if found.level and target and not found.guarded and not self._exists(target):
            shown = f"{_shown(self.root, path)}:{found.line}"
            raise InvalidInput(f"{shown}: imports {'.' * found.level}{found.module}, which is not below {self.root}")
        if target:
            self._add_or_its_package(target)
        for name in found.names:
            if name == "*":
                self._star(target)
            else:
                self.add(f"{target}.{name}" if target else name)

    def _absolute(self, module: str, path: Path, found: Import) -> str | None:
        """The full name of what is imported; None when a relative import leads above the root."""
        if not found.level:
            return found.module
        package = module.split(".")
        if path.name != "__init__.py":
            package = package[:-1]
        up = found.level - 1
        if up >= len(package):
            if found.guarded:
                return None
            shown = f"{_shown(self.root, path)}:{found.line}"
            raise InvalidInput(f"{shown}: a relative import leads out of its package: import by the full name")
        base = package[: len(package) - up]
        return ".".join([*base, *filter(None, [found.module])])

    def _add_or_its_package(self, target: str) -> None:
        """`import a.b.c` where `c` is no file runs at least what there is of `a` and `a.b`."""
        parts = target.split(".")
        while parts and self.add(".".join(parts)) is None:
            parts.pop()

    def _star(self, package: str) -> None:
        path = locate(self.root, package) if package else None
        if path is not None and path.name == "__init__.py":
            for name in exported(parse(path, _shown(self.root, path))):
                self.add(f"{package}.{name}")

    def _exists(self, module: str) -> bool:
        return locate(self.root, module) is not None or self.root.joinpath(*module.split(".")).is_dir()


def _check_attribute(root: Path, file: Path, entry: str, attribute: str) -> None:
    shown = _shown(root, file)
    names = bound_names(parse(file, shown))
    if names is not None and attribute not in names:
        raise InvalidInput(f"{entry}: {shown} defines no {attribute!r}{_hint(attribute, names)}")


def _included(root: Path, patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or not pattern:
            raise InvalidInput(f"include {pattern!r} leads out of {root}: give a pattern below it")
        found = [path for path in root.glob(pattern) if path.is_file() and "__pycache__" not in path.parts]
        if not found:
            raise InvalidInput(f"include {pattern!r} matches no file below {root}: correct the pattern")
        yield from (_shown(root, path) for path in found)


def _zip(root: Path, files: Iterable[str]) -> bytes:
    """Stored, not deflated: compressed bytes differ between versions of zlib, and so would digests."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in files:
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.external_attr, info.create_system = _REGULAR_0644, _UNIX
            archive.writestr(info, _read(root / name))
            if buffer.tell() > MAX_BYTES:
                raise InvalidInput(
                    f"{name}: the code and what is included with it passes {MAX_BYTES >> 20} MiB: "
                    "give data as a source instead"
                )
    return buffer.getvalue()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror}): give a file that you may read") from None


def _modules(root: Path) -> list[str]:
    """The modules of a root, a few levels deep, for suggestions."""
    found = [path for pattern in ("*.py", "*/*.py", "*/*/*.py") for path in root.glob(pattern)]
    return [".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in found]


def _hint(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return ": correct the name" if near is None else f" (did you mean {near!r}?)"


def _shown(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()

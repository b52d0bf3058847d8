"""Snapshots of a team's code: what is in them, what their digest depends on, and how they are unpacked."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.errors import InvalidInput
from orchestrator.plan import snapshot as snapshots
from orchestrator.plan.snapshot import snapshot
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.snapshots import MAX_BYTES, MAX_FILES, code_folder, unpack


def write(root: Path, **files: str) -> None:
    """Files by path, with `__` for `/` and without the ending: a__b is a/b.py."""
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def package(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "__init__.py").write_text("")


ENTRY = "code:go"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("import helper", {"helper.py"}),
        ("import helper as h, other", {"helper.py", "other.py"}),
        ("from helper import anything", {"helper.py"}),
        ("import pack.inner", {"pack/__init__.py", "pack/inner.py"}),
        ("import pack.inner.value", {"pack/__init__.py", "pack/inner.py"}),
        ("from pack import inner", {"pack/__init__.py", "pack/inner.py"}),
        ("from pack import value", {"pack/__init__.py"}),
        ("from pack.deep import leaf", {"pack/__init__.py", "pack/deep/__init__.py", "pack/deep/leaf.py"}),
        ("from pack import *", {"pack/__init__.py"}),
        ("from listed import *", {"listed/__init__.py", "listed/shown.py"}),
        ("from space import part", {"space/part.py"}),
        ("import space.part", {"space/part.py"}),
        ("def late():\n    import helper", {"helper.py"}),
        ("try:\n    import helper\nexcept ImportError:\n    import other", {"helper.py", "other.py"}),
        ("import importlib\nimportlib.import_module('helper')", {"helper.py"}),
        ("import chain", {"chain.py", "helper.py"}),
        ("import circle", {"circle.py", "circle_back.py"}),
        ("from relative import up", {"relative/__init__.py", "relative/up.py", "relative/sibling.py",
                                     "relative/sub/__init__.py", "relative/sub/leaf.py"}),
        ("import json, pandas.api\nfrom sklearn.svm import SVC", set()),
        ("from workers import stage", set()),
        ("x = 'import helper'", set()),
    ],
)  # fmt: skip
def test_exactly_what_the_entry_imports_is_taken(tmp_path: Path, body: str, expected: set[str]) -> None:
    package(tmp_path, "pack", "pack/deep", "listed", "relative", "relative/sub", "workers")
    write(
        tmp_path,
        code=f"{body}\ndef go(): ...",
        helper="",
        other="",
        pack__inner="value = 1",
        pack__deep__leaf="",
        space__part="",
        listed__shown="",
        listed__hidden="",
        chain="import helper",
        circle="import circle_back",
        circle_back="import circle, code",
        relative__up="from . import sibling\nfrom .sub import leaf",
        relative__sub__leaf="from ..sibling import thing",
        relative__sibling="thing = 1",
        unrelated="",
    )
    (tmp_path / "listed/__init__.py").write_text("__all__ = ['shown', 'absent']")
    assert set(snapshot(tmp_path, ENTRY).files) == expected | {"code.py"}


def test_an_entry_deep_in_a_package_brings_the_packages_around_it(tmp_path: Path) -> None:
    package(tmp_path, "team", "team/stages")
    write(tmp_path, team__base="", team__stages__geo="from .. import base\ndef geo(): ...")
    (tmp_path / "team/__init__.py").write_text("from team.base import *")
    assert snapshot(tmp_path, "team.stages.geo:geo").files == (
        "team/__init__.py", "team/base.py", "team/stages/__init__.py", "team/stages/geo.py",
    )  # fmt: skip


def test_the_digest_changes_with_what_is_imported_and_with_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, code="import helper\ndef go(): ...", helper="a = 1", elsewhere="")
    before = snapshot(tmp_path, ENTRY)
    write(tmp_path, elsewhere="changed = True")
    os.utime(tmp_path / "helper.py", (1, 1))
    (tmp_path / "helper.py").chmod(0o755)
    assert snapshot(tmp_path, ENTRY) == before
    write(tmp_path, helper="a = 2")
    assert snapshot(tmp_path, ENTRY).digest != before.digest


def test_the_digest_is_the_same_on_every_machine_and_python(tmp_path: Path) -> None:
    write(tmp_path, code="import helper\ndef go(): ...", helper="a = 1")
    assert snapshot(tmp_path, ENTRY).digest == "sha256:bcf57b3bf005890770adee2af1e94fa440668ffebd5d1918bc65e0964971c749"


def test_included_files_enter(tmp_path: Path) -> None:
    write(tmp_path, code="def go(): ...")
    for name in ("assets/a.csv", "assets/deep/b.csv", "assets/__pycache__/c.csv", "skip.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert snapshot(tmp_path, ENTRY, ["assets/**/*.csv"]).files == ("assets/a.csv", "assets/deep/b.csv", "code.py")


@pytest.mark.parametrize("pattern", ["nothing/*.csv", "../*", "/etc/*", ""])
def test_patterns_that_match_nothing_or_lead_out_are_refused(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, code="def go(): ...")
    with pytest.raises(InvalidInput, match="include"):
        snapshot(tmp_path, ENTRY, [pattern])


def test_code_that_is_far_too_big_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, code="def go(): ...")
    (tmp_path / "big.bin").write_bytes(bytes(2000))
    monkeypatch.setattr(snapshots, "MAX_BYTES", 1000)
    with pytest.raises(InvalidInput, match=r"big\.bin: .* as a source"):
        snapshot(tmp_path, ENTRY, ["*.bin"])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("coed:go", r"no module coed below .*did you mean 'code'"),
        ("code:locat", r"code\.py defines no 'locat' \(did you mean 'locate'"),
        ("code:inner", r"code\.py defines no 'inner'"),
        ("code", "write module:function"),
        ("code:a.b", "write module:function"),
        ("../code:go", "write module:function"),
        ("broken:go", r"broken\.py:2:\d+: "),
        ("uses_broken:go", r"broken\.py:2:\d+: "),
        ("nulls:go", r"nulls\.py:1:1: "),
        ("pack.lost:go", r"pack/lost\.py:2: imports \.absent"),
        ("outside:go", r"outside\.py:1: a relative import"),
    ],
)
def test_what_cannot_be_taken_is_named(tmp_path: Path, entry: str, message: str) -> None:
    package(tmp_path, "pack")
    write(
        tmp_path,
        code="def go():\n    inner = 1\ndef locate(): ...",
        broken="x = 1\ndef go(:\n",
        uses_broken="import broken\ndef go(): ...",
        nulls="def go(): ...\0",
        pack__lost="\nfrom .absent import x\ndef go(): ...",
        outside="from .. import x\ndef go(): ...",
    )
    with pytest.raises(InvalidInput, match=message):
        snapshot(tmp_path, entry)


@pytest.mark.parametrize(
    "body",
    ["go = 1", "import x as go", "from y import go", "class go: ...", "if 1:\n    def go(): ...", "from y import *",
     "def __getattr__(n): ...", "go: int = 1", "try:\n    a\nexcept E:\n    go = 1", "(go, b) = 1, 2"],
)  # fmt: skip
def test_an_attribute_may_be_bound_in_any_way(tmp_path: Path, body: str) -> None:
    write(tmp_path, code=body)
    assert snapshot(tmp_path, ENTRY).files == ("code.py",)


def test_an_import_that_may_fail_may_be_absent(tmp_path: Path) -> None:
    package(tmp_path, "pack")
    write(tmp_path, pack__code="try:\n    from ._version import v\nexcept ImportError:\n    v = 0\ndef go(): ...")
    assert snapshot(tmp_path, "pack.code:go").files == ("pack/__init__.py", "pack/code.py")


def test_what_is_unpacked_runs_alone(tmp_path: Path) -> None:
    root = tmp_path / "root"
    package(root, "team")
    write(root, code="from team.sums import add\ndef go(): return add(40, 2)", team__sums="def add(a, b): return a + b")
    store = ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 2**30)
    folder = code_folder(store, store.put_bytes(snapshot(root, ENTRY).data, Kind.FILE))
    program = "import sys; sys.path.insert(0, sys.argv[1]); import code; print(code.go())"
    answer = subprocess.run(
        [sys.executable, "-I", "-c", program, str(folder)], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "42\n"
    assert code_folder(store, store.put_bytes(snapshot(root, ENTRY).data, Kind.FILE)) == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def zipped(*entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


HOSTILE = {
    "traversal": zipped(("../evil.py", b"")),
    "hidden traversal": zipped(("a/../../evil.py", b"")),
    "absolute": zipped(("/evil.py", b"")),
    "backslash": zipped(("..\\evil.py", b"")),
    "drive": zipped(("C:evil.py", b"")),
    "symlink": zipped((link("a"), b"/etc")),
    "file below file": zipped(("a", b""), ("a/b", b"")),
    "bomb": zipped(("bomb", bytes(2**20)), method=zipfile.ZIP_DEFLATED),
    "too many": zipped(*[(f"f{n}", b"") for n in range(MAX_FILES + 1)]),
    "no zip": b"PK not really",
    "cut short": zipped(("a", b"abc"))[:-5],
    "damaged": zipped(("a", b"abcdef")).replace(b"abcdef", b"abcdeg"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_leave_nothing(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(HOSTILE[kind])
    with pytest.raises(InvalidInput, match="archive"):
        unpack(archive, tmp_path / "in" / "target")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive", "in"]


def test_an_archive_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    data = zipped(("a", b"x"))
    size = (MAX_BYTES + 1).to_bytes(4, "little")
    at = data.index(b"PK\x01\x02")
    (tmp_path / "archive").write_bytes(data[: at + 20] + size + size + data[at + 28 :])
    with pytest.raises(InvalidInput, match="MiB"):
        unpack(tmp_path / "archive", tmp_path / "target")


def test_an_archive_stands_twice_only_when_unpacked_at_once(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(zipped(("a", b"x")))
    unpack(tmp_path / "archive", tmp_path / "target")
    (tmp_path / "target/a").write_bytes(b"in use")
    unpack(tmp_path / "archive", tmp_path / "target")
    assert (tmp_path / "target/a").read_bytes() == b"in use"


@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_or_unpacked_never_worse(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "archive").write_bytes(data)
    try:
        unpack(folder / "archive", folder / "target")
    except InvalidInput:
        assert not (folder / "target").exists()

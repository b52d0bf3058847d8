"""No code of ours can unpickle, or run text that came from elsewhere: neither package has the means, but for these."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.project import ROOT

MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "dbm", "jsonpickle"}
CALLS = {
    "eval", "exec", "compile", "__import__", "import_module", "loads_pickle", "read_pickle", "to_pickle", "system",
    "popen", "unsafe_load", "full_load", "run_path", "run_module", "mktemp", "spec_from_file_location", "exec_module",
}  # fmt: skip
WITH_MODULE = {("yaml", "load"), ("skops.io", "load"), ("skops.io", "loads"), ("np", "load"), ("numpy", "load")}

# What stands, and why it is sound.
SOUND = {
    # An annotation of a function of ours, or of a team's own code in its guest: it was imported already.
    ("workers/runtime/signature.py", "eval"),
    # The table of our own tasks, by constants.
    ("workers/catalogue.py", "import_module"),
    ("workers/runtime/pools.py", "import_module"),
    ("orchestrator/cli/main.py", "import_module"),
    ("orchestrator/client/__init__.py", "import_module"),
    # A team's own code, by name: in a guest, in the process that a bundle is loaded in after being asked to trust it.
    ("workers/runtime/guest.py", "import_module"),
    ("workers/evaluation/gates/own.py", "import_module"),
    ("workers/packaging/own_code.py", "import_module"),
    # Modules of a few libraries, by name, that the bundle's own loading has imported in another process.
    ("workers/packaging/rounds.py", "import_module"),
    # An estimator by its dotted name: a module that is installed, and then only a class with fit and predict.
    ("workers/training/estimators.py", "import_module"),
    # Our own list of types, and trees are checked afterwards.
    ("workers/model_files.py", "skops.io.load"),
    # Told not to unpickle; a test below holds that.
    ("workers/model_files.py", "np.load"),
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of both packages."""
    for package in ("orchestrator", "workers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def means(tree: ast.Module) -> Iterator[str]:
    """What a module could load code or objects with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {one.name}" for one in node.names if one.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"import {node.module}"
        elif isinstance(node, ast.Call):
            yield from _called(node)
        elif (
            isinstance(node, ast.keyword)
            and node.arg in ("allow_pickle", "shell")
            and ast.unparse(node.value) != "False"
        ):
            yield f"{node.arg}="


def _called(node: ast.Call) -> Iterator[str]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in CALLS:
        yield function.id
    elif isinstance(function, ast.Attribute):
        owner = ast.unparse(function.value)
        if (owner, function.attr) in WITH_MODULE:
            yield f"{owner}.{function.attr}"
        elif function.attr in CALLS and owner not in ("re", "client"):  # patterns; Lua that Redis runs
            yield function.attr


def test_neither_package_has_the_means_but_for_these() -> None:
    found = {(path, name) for path, tree in sources() for name in means(tree)}
    assert found - SOUND == set()
    assert SOUND - found == set()  # what is gone needs no reason


def test_the_look_sees_what_it_looks_for() -> None:
    text = "import pickle\nfrom joblib import load\nyaml.load(x)\neval('1')\n"
    text += "np.load(x, allow_pickle=True)\nrun(a, shell=True)"
    assert set(means(ast.parse(text))) == {
        "import pickle", "import joblib", "yaml.load", "eval", "np.load", "allow_pickle=", "shell=",
    }  # fmt: skip


def test_arrays_are_read_without_pickles() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
                assert "allow_pickle=False" in ast.unparse(node), path


def test_yaml_is_read_by_the_safe_loaders_only() -> None:
    for path in (*Path(ROOT / "orchestrator").rglob("*.py"), *Path(ROOT / "workers").rglob("*.py")):
        text = path.read_text()
        for unsafe in ("UnsafeLoader", "FullLoader", "yaml.Loader", "CLoader"):
            assert unsafe not in text.replace("CSafeLoader", ""), path

"""The environment that a pool computes in, as far as results depend on it, read without importing any of it."""

from __future__ import annotations

import functools
import platform
from importlib import metadata

from orchestrator.contracts.values import digest_of

# A team's own requirements are no part of it: they stand in the stage call, and enter its key there.
OPTIONAL = ("catboost", "lightgbm", "xgboost", "xgboost-cpu")  # named only where they are installed
PACKAGES = ("cyclery", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops")

# The first release that computes what this one computes, which stands for this one in keys: so releases share their
# cached results. What a task computes has its own version (contracts.tasks); this is raised, to the release that
# does it, by a change of what lies under all of them: how tables are written, how a team's code is called.
COMPUTES_AS = "0.1.0"

_ABSENT = "absent"


def environment() -> dict[str, str]:
    """Name → version of the interpreter, the machine and the libraries; `absent` where one is not installed."""
    described = {"python": platform.python_version(), "machine": platform.machine()}
    optional = {name: version for name in OPTIONAL if (version := _version(name)) != _ABSENT}
    return described | {name: _version(name) for name in PACKAGES} | optional


def computing_environment() -> dict[str, str]:
    """The same as far as results depend on it: what a result says of its environment, two releases say alike."""
    return environment() | {"cyclery": COMPUTES_AS}


@functools.cache
def environment_digest() -> str:
    """The digest of this process's environment, as keys hold it."""
    return digest_of(computing_environment())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _ABSENT

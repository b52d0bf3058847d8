"""What a stage may change of the process that it shares with the next one: put back, or noticed."""

from __future__ import annotations

import contextlib
import gc
import locale
import os
import random
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SPARE_FILES = 64  # that a stage which opens all it can leaves to us, for its outputs
FEW_FILES = 16  # that stay open after a stage without harm: caches of libraries
# Modules that every stage and we ourselves rest on; somebody's own `json.dumps` is not the next stage's.
_WATCHED = ("builtins", "json", "logging", "os", "os.path", "random", "socket", "time", "warnings", "numpy", "pandas")
_MOVING = ("_", "__warningregistry__", "filters", "_filters_version", "_inst")
_DESCRIPTORS = Path("/proc/self/fd")


class Surroundings:
    """Used around a stage's function: folder, environment, signals, filters and the like are as before afterwards.

    What cannot be put back for certain (threads, open files, another `json.dumps`) is noticed: the process must not
    serve another stage. What a module changed while it was imported stays, since it is imported once. Not noticed: what
    a stage changed inside other modules, its own among them.
    """

    def __init__(self) -> None:
        self.spoilt = False
        self._outputs = tuple(os.dup(descriptor) for descriptor in range(3))

    def __enter__(self) -> None:
        self._environment = dict(os.environ)
        self._folder = Path.cwd()
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._filters = list(warnings.filters)
        self._path = list(sys.path)
        self._depth = sys.getrecursionlimit()
        self._collecting = gc.isenabled()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._threads = threading.active_count()
        self._files = _open_files()
        self._modules = {name: dict(vars(sys.modules[name])) for name in _WATCHED if name in sys.modules}
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        with contextlib.suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(self._most[0] - SPARE_FILES, 3), self._most[1]))

    def __exit__(self, *_: object) -> None:
        try:
            self.spoilt = self._replaced() or self.spoilt
            self._put_back()
        except Exception:
            self.spoilt = True  # somebody took away what this rests on: the next stage gets another process

    def _replaced(self) -> bool:
        changed = [_restore(vars(sys.modules[name]), before) for name, before in self._modules.items()]
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, self._most)
        return any(changed) or threading.active_count() > self._threads or _open_files() > self._files + FEW_FILES

    def _put_back(self) -> None:
        for descriptor, kept in enumerate(self._outputs):
            os.dup2(kept, descriptor)
        os.chdir(self._folder)
        os.umask(self._umask)
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        for number, handler in self._handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        warnings.filters[:] = self._filters  # type: ignore[index]  # a list, whatever the stubs call it
        sys.path[:] = self._path
        sys.setrecursionlimit(self._depth)
        (gc.enable if self._collecting else gc.disable)()
        locale.setlocale(locale.LC_ALL, self._locale)


def _restore(names: dict[str, Any], before: Mapping[str, Any]) -> bool:
    """Put names of a module back; whether any stood for something else."""
    changed = {name: value for name, value in before.items() if name not in _MOVING and names.get(name) is not value}
    names.update(changed)
    return bool(changed)


def _open_files() -> int:
    """Descriptors of this process; 0 where nobody counts them, or none is left to count with."""
    try:
        return len(os.listdir(_DESCRIPTORS))  # noqa: PTH208  (Path.iterdir would make as many objects)
    except FileNotFoundError:
        return 0
    except OSError:
        return 1 << 30

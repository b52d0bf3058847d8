"""Named points at which a process kills itself: found on PYTHONPATH by every process of a world.

A file POINT.ANY (or POINT@VERB.ANY, for one verb of the command) in the folder CYFAULTS_POINTS arms a point once: who
passes it and removes the file dies. Each row says where a point is: module, attribute, before or after the call, and
at which pass of a process.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import signal
import sys
from functools import wraps
from pathlib import Path

LEDGER = "orchestrator.engine.ledger"
POINTS = {
    "claimed": (LEDGER, "Ledger.claim", "after", 1),
    "artifacts written": (LEDGER, "Ledger.complete", "before", 1),
    "completed": (LEDGER, "Ledger.complete", "after", 1),
    "failing": (LEDGER, "Ledger.fail", "before", 1),
    "failed": (LEDGER, "Ledger.fail", "after", 1),
    "between staged chunks": ("orchestrator.engine.submission", "_stage_chunk", "before", 2),
    "staged": (LEDGER, "Ledger._flip", "before", 1),
    "flipped": (LEDGER, "Ledger._flip", "after", 1),
    "written, not durable": ("orchestrator.store.steps", "_written", "before", 1),
    "accepted": (LEDGER, "Ledger.submit", "after", 1),
    "cancelling": (LEDGER, "Ledger.cancel", "before", 1),
    "cancelled": (LEDGER, "Ledger.cancel", "after", 1),
    "deciding": (LEDGER, "Ledger.decide", "before", 1),
    "decided": (LEDGER, "Ledger.decide", "after", 1),
    "registering": ("orchestrator.store.models", "Registry.register", "before", 1),
    "registered": ("orchestrator.store.models", "Registry.register", "after", 1),
    "manifest written": ("orchestrator.store.manifests", "write_manifest", "after", 1),
    "archived": (LEDGER, "Ledger.archive", "after", 1),
    "audit entry written": ("orchestrator.store.audit", "step", "before", 1),
    "repaired": (LEDGER, "Ledger.repair", "after", 1),
    "condemned": ("orchestrator.engine.garbage", "Collector._condemn", "after", 1),
    "deleting": ("orchestrator.store.artifacts", "ArtifactStore.delete", "before", 1),
    "deleted": ("orchestrator.store.artifacts", "ArtifactStore.delete", "after", 1),
}
AOF, FLOOR = "CYFAULTS_AOF", "CYFAULTS_FLOOR"  # Redis's append-only files, and where to note what is durable of them
CHUNK = "CYFAULTS_CHUNK"  # stages of one chunk of a submission, so that a small one has several


def _die_if_armed(point: str) -> None:
    folder = os.environ["CYFAULTS_POINTS"]
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        armed = [name for name in os.listdir(folder) if name.startswith((f"{point}.", f"{point}@{verb}."))]  # noqa: PTH208
    except FileNotFoundError:
        return
    for name in armed:
        try:
            Path(folder, name).unlink()
        except FileNotFoundError:  # another process was first
            continue
        os.kill(os.getpid(), signal.SIGKILL)


def _with_point(function, point, when, nth):  # type: ignore[no-untyped-def]
    passes = 0

    @wraps(function)
    def passing(*arguments, **options):  # type: ignore[no-untyped-def]
        nonlocal passes
        passes += 1
        if when == "before" and passes >= nth:
            _die_if_armed(point)
        answer = function(*arguments, **options)
        if when == "after" and (answer is not None or point != "claimed"):  # a claim may be refused
            _die_if_armed(point)
        return answer

    return passing


def _note_durable(function):  # type: ignore[no-untyped-def]
    """Redis has said that all of its file so far is on the disk: a power cut may not take it back."""

    @wraps(function)
    def noting(*arguments, **options):  # type: ignore[no-untyped-def]
        answer = function(*arguments, **options)
        for path in Path(os.environ[AOF]).glob("*.incr.aof"):
            line = f"{path.name} {path.stat().st_size}\n".encode()
            log = os.open(os.environ[FLOOR], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(log, line)
            os.close(log)
        return answer

    return noting


def _patch(module):  # type: ignore[no-untyped-def]
    if module.__name__ == "orchestrator.store.steps" and AOF in os.environ:
        module.Script.run_durably = _note_durable(module.Script.run_durably)
    for point, (name, attribute, when, nth) in POINTS.items():
        if name == module.__name__:
            owner = module
            *path, last = attribute.split(".")
            for part in path:
                owner = getattr(owner, part)
            setattr(owner, last, _with_point(getattr(owner, last), point, when, nth))
    if module.__name__ == "orchestrator.engine.submission" and CHUNK in os.environ:
        module.CHUNK = int(os.environ[CHUNK])


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):  # type: ignore[no-untyped-def]
        if fullname not in {row[0] for row in POINTS.values()}:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def then_patch(module):  # type: ignore[no-untyped-def]
            execute(module)
            _patch(module)

        spec.loader.exec_module = then_patch
        return spec


if "CYFAULTS_POINTS" in os.environ:
    sys.meta_path.insert(0, _Finder())

"""A bundle measured again and again, in processes that load it anew.

Timings of one process hang together: where its memory lies, what the processor's caches hold, what else runs in those
seconds. So they are taken in rounds, each in a process of its own (Kalibera and Jones 2013, "Rigorous benchmarking in
reasonable time", ISMM), and those who judge them can tell how much the rounds differ.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.contracts.documents.release import Round
from orchestrator.contracts.errors import CycleryError, UserCodeError
from workers.packaging.bundle import Bundle
from workers.packaging.performance import BATCH, peak_of, settle, times
from workers.runtime.process_tree import resident
from workers.runtime.tables import read_table

ROUNDS = 20
FEWEST, SINGLES = 25, 100  # rows of a round that are asked about one by one; 500 in all tell of p99
BATCHES = 3
SPEND_S, MOST_S = 0.2, 2.0  # on each of both: until the one once the fewest are done, never longer than the other

# Imported before the rounds, so that each finds them as a server that has begun does.
LIBRARIES = frozenset(
    {"sklearn", "scipy", "numpy", "pandas", "pyarrow", "skops", "joblib", "catboost", "lightgbm", "xgboost"}
)


def rounds(bundle: Path, asked: Path, workdir: Path, number: int = ROUNDS) -> tuple[Round, ...]:
    """Measure a bundle with the raw rows of a Parquet file, at least one.

    To be called in a process that has started no threads: each round is a fork of it. Raises UserCodeError where a
    process ends, and what the bundle raises.
    """
    for name in _forked(lambda: _needed(bundle), workdir):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    settle()
    return tuple(Round.model_validate(_forked(partial(_round, bundle, asked, turn), workdir)) for turn in range(number))


def _needed(bundle: Path) -> list[str]:
    """Modules of libraries that loading the bundle imports."""
    before = set(sys.modules)
    Bundle.load(bundle, own_code=True)
    return [name for name in sys.modules if name not in before and name.split(".", maxsplit=1)[0] in LIBRARIES]


def _round(path: Path, asked: Path, number: int) -> dict[str, Any]:
    raw = read_table(asked)
    batch = raw.iloc[:BATCH]
    singly = raw.iloc[[(number * SINGLES + turn) % len(raw) for turn in range(SINGLES)]]
    one_by_one = [{str(name): value for name, value in row.items()} for row in singly.to_dict("records")]
    settle()
    before = _own_memory()
    bundle = Bundle.load(path, own_code=True)
    bundle.predict(one_by_one[:1])  # the first answer pays for what later ones find ready
    gc.collect()
    loaded, mapped = _own_memory(), resident(os.getpid())
    peak = peak_of(lambda: bundle.predict(batch))
    together = times(lambda _: bundle.predict(batch), most=BATCHES, fewest=1, spend_s=SPEND_S)
    alone = times(
        lambda turn: bundle.predict([one_by_one[turn]]), most=SINGLES, fewest=FEWEST, spend_s=SPEND_S, most_s=MOST_S
    )
    return {
        "load_bytes": max(0, loaded - before),
        "predict_bytes": None if peak is None else max(0, peak - mapped),
        "row_ms": [round(1000 * one, 4) for one in alone],
        "batch_ms": [round(1000 * one, 4) for one in together],
    }


def _own_memory() -> int:
    """Resident memory of this process, bytes, without the files (libraries) that it maps, where Linux tells them."""
    try:
        whole, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    except (OSError, ValueError):
        return resident(os.getpid())
    return (whole - shared) * os.sysconf("SC_PAGE_SIZE")


def _forked(work: Callable[[], Any], workdir: Path) -> Any:
    """What `work` answers in a fork of this process, by way of JSON."""
    file = workdir / "round.json"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            file.write_text(json.dumps({"answer": work()}))
            status = 0
        except CycleryError as error:
            file.write_text(json.dumps({"error": str(error)}))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise UserCodeError(f"it ended with status {os.waitstatus_to_exitcode(status)} while it was measured")
    found = json.loads(file.read_text())
    if "error" in found:
        raise UserCodeError(found["error"])
    return found["answer"]

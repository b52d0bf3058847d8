"""How large, how heavy and how fast a bundle is on this host: measured, so never part of a digest."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from orchestrator.contracts.documents.release import Performance
from workers.packaging.bundle import Bundle
from workers.runtime.process_tree import resident

BATCH = 10_000  # rows asked about at once, at most
SINGLES = 100  # rows asked about one by one, at most
FEWEST = 5
SPEND_S = 0.25  # on each of both, once the fewest are done

_MARK = Path("/proc/self/clear_refs")  # Linux: 5 sets the peak back to what is resident now


def performance(path: Path, raw: pd.DataFrame, *, own_code: bool = False) -> Performance:
    """Load the bundle once more, and ask it about raw rows, all at once and one by one.

    `raw` holds at least one row with the columns of the signature. Memory is what becomes resident after free memory
    was handed back, so that what an earlier stage left behind in this process is not counted twice.
    """
    settle()
    before = resident(os.getpid())
    bundle = Bundle.load(path, own_code=own_code)
    gc.collect()
    loaded = resident(os.getpid())
    batch = raw.iloc[:BATCH]
    bundle.predict(batch.iloc[:1])  # the first answer pays for what later ones find ready
    peak = peak_of(lambda: bundle.predict(batch))
    together = times(lambda _: bundle.predict(batch), most=FEWEST)
    asked = [{str(name): value for name, value in row.items()} for row in batch.iloc[:SINGLES].to_dict("records")]
    singly = times(lambda turn: bundle.predict([asked[turn % len(asked)]]), most=SINGLES)
    return Performance(
        size_bytes=path.stat().st_size,
        load_bytes=max(0, loaded - before),
        predict_bytes=None if peak is None else max(0, peak - loaded),
        row_ms=round(1000 * float(np.median(singly)), 4),
        row_p95_ms=round(1000 * float(np.quantile(singly, 0.95, method="higher")), 4),
        rows_per_s=round(len(batch) / float(np.median(together)), 1),
        batch_rows=len(batch),
        singles=len(singly),
    )


def times(
    ask: Callable[[int], object],
    *,
    most: int,
    fewest: int = FEWEST,
    spend_s: float = SPEND_S,
    most_s: float = float("inf"),
) -> Sequence[float]:
    """Seconds of each turn: at least `fewest` turns, then until `most` are done or the time is spent.

    Once `most_s` are spent there is no further turn, however few there were.
    """
    found: list[float] = []
    while len(found) < most and sum(found) < (spend_s if len(found) >= fewest else most_s):
        began = time.perf_counter()
        ask(len(found))
        found.append(time.perf_counter() - began)
    return found


def settle() -> None:
    """Hand free memory back to the system, where the C library can."""
    gc.collect()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def peak_of(work: Callable[[], object]) -> int | None:
    """The most memory that was resident meanwhile, bytes; None where the system does not tell."""
    try:
        _MARK.write_text("5")
        work()
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None

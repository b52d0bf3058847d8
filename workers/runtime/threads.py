"""Threads of numerical libraries, so that the processes of a pool together use the cores of the host."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def own_cores() -> int:
    """The share of them that `pin_threads` gave to this process; one where it did not."""
    return int(os.environ.get(VARIABLES[0], "1"))


def single_threaded(environment: MutableMapping[str, str]) -> None:
    """Libraries that are loaded after this start no threads, which a fork would lose."""
    environment.update(dict.fromkeys(VARIABLES, "1"))
    # OpenMP's threads spin while they wait. Where others want the same cores (a second container, a busy machine) the
    # spinning is all that runs: gradient boosting on two such cores took 54 s, and 5 s with threads that sleep.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pin_threads(processes: int) -> int:
    """Give this process its share of the cores: libraries in it, and those of the guests that it starts."""
    share = max(1, cores() // processes)
    os.environ.update(dict.fromkeys(VARIABLES, str(share)))
    if "numpy" in sys.modules or "sklearn" in sys.modules:
        from threadpoolctl import threadpool_limits  # comes with scikit-learn; of use only where libraries are loaded

        threadpool_limits(share)
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(share)
    return share
